"""The campaign of `make sim`: many seeds on every core, some of them twice, with a log.

Run as `python -m support.sim_campaign LOG`. The command line does the work; this reads its lines,
compares the traces of the seeds that run twice, and writes what a reader of the log wants to know:
commit, machine, time, faults that really fired, and every failure.
"""

from __future__ import annotations

import collections
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FIRST_SEED = 10_000
SEEDS = 200
TWICE = 20
HOURS = 0.5


def run(first: int, count: int) -> list[dict[str, Any]]:
    """What each seed said of itself. A run that broke something ends the campaign's command
    early: its line is the last."""
    jobs = str(os.cpu_count() or 1)
    command = [sys.executable, "-m", "boomtown", "sim", "--json", "--hours", str(HOURS)]
    command += ["--seed", str(first), "--seeds", str(count), "--jobs", jobs]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Run it, write the log, and exit with 1 when anything failed."""
    before = time.perf_counter()
    first = run(FIRST_SEED, SEEDS)
    again = run(FIRST_SEED, TWICE)
    elapsed_s = time.perf_counter() - before
    digests = {row["seed"]: row["trace_sha256"] for row in first}
    differing = [row["seed"] for row in again if digests.get(row["seed"]) != row["trace_sha256"]]
    failures = [row for row in first + again if row["failures"]]
    fired = collections.Counter(
        fault.split(" at ")[0] for row in first for fault in row["faults_fired"]
    )
    lines = [
        f"commit {commit()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        f"{len(first)} seeds of {HOURS} simulated hours, {len(again)} of them twice: "
        f"{elapsed_s:.0f} s",
        f"{sum(row['hours'] for row in first):.0f} simulated hours, "
        f"{sum(row['events'] for row in first)} events, "
        f"{sum(row['checks'] for row in first)} checks",
        "faults fired: " + ", ".join(f"{name} {count}" for name, count in sorted(fired.items())),
        f"failures: {len(failures)}, traces that differ the second time: {len(differing)}",
        *(f"seed {row['seed']}: {row['failures']}" for row in failures),
    ]
    print("\n".join(lines))
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n")
    complete = len(first) == SEEDS and len(again) == TWICE
    raise SystemExit(0 if complete and not failures and not differing else 1)


if __name__ == "__main__":
    main()
