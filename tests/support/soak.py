"""Run the killed demo again and again, and keep a log: `python -m support.soak RUNS LOG`.

Each run has another seed and takes the merge modes in turn; the first that fails ends the soak,
with its seed. The log holds one line per run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from boomtown.clock import SystemClock
from boomtown.entropy import SystemSecrets
from boomtown.wire import iso_from_ms
from support.processes import processes_of_run, wait_for
from support.survival import Survival, run_killed_demo

MERGE_MODES = ("review-then-land", "review-and-merge")


def main(runs: int, log: Path) -> int:
    clock = SystemClock()
    lines = [
        f"{runs} runs of `boomtown demo --kill-container 2 --kill-server 2` in a row, "
        f"begun {iso_from_ms(clock.now_ms())}",
        "",
    ]
    for seed in range(1, runs + 1):
        merge_mode = MERGE_MODES[seed % len(MERGE_MODES)]
        lines.append(line_of(seed, merge_mode, run_once(merge_mode, seed)))
        print(lines[-1], flush=True)
    lines += ["", f"ended {iso_from_ms(clock.now_ms())}: {runs} of {runs} as they should be"]
    log.write_text("\n".join(lines) + "\n")
    return 0


def run_once(merge_mode: str, seed: int) -> Survival:
    """One judged run, of which no process is left."""
    run_id = SystemSecrets().token_text(12)
    with tempfile.TemporaryDirectory(prefix="boomtown-soak-") as folder:
        seen = run_killed_demo(
            Path(folder),
            merge_mode=merge_mode,
            containers=2,
            servers=2,
            seed=seed,
            run_id=run_id,
        )
    wait_for(lambda: not processes_of_run(run_id), f"no process of seed {seed} is left")
    return seen


def line_of(seed: int, merge_mode: str, seen: Survival) -> str:
    killed = ", ".join(f"{kill['victim']} ({kill['moment']})" for kill in seen.kills)
    return (
        f"seed {seed:3}  {merge_mode:16}  {seen.elapsed_ms / 1000:5.1f} s  "
        f"{seen.sessions:2} sessions  {seen.merges} merges  killed: {killed}"
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
