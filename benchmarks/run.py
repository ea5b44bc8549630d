"""`make bench`: what is measured, against its target, in one table; JSON beside it.

Each row runs the public command line as a process of its own, several times, and keeps the best:
other load on the machine can only make it slower. A row says `ok` or `under`; nothing is asserted,
since timings belong to the machine that they were taken on. The load average is printed with them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPEATS = 3
RESULT = Path(__file__).parent / "last.json"


class Row(NamedTuple):
    """One line of the table."""

    name: str
    unit: str
    target: float  # at least
    measure: Callable[[], float]


def simulated_hours_per_second(*flags: str) -> float:
    """Hours of one simulated town in a second of this machine, start of the process included."""
    command = [sys.executable, "-m", "boomtown", "sim", "--json", *flags]
    before = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    elapsed_s = time.perf_counter() - before
    return float(json.loads(done.stdout.splitlines()[-1])["hours"]) / elapsed_s


ROWS = (
    Row(
        "simulation, an idle town",
        "simulated h/s",
        10,
        lambda: simulated_hours_per_second("--idle", "--hours", "48"),
    ),
    Row(
        "simulation, 5 agents, standard load and faults",
        "simulated h/s",
        0.5,
        lambda: simulated_hours_per_second("--hours", "2"),
    ),
)


def main() -> None:
    """Measure every row, print the table, write the JSON."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    load = os.getloadavg()[0]
    print(f"{machine}, load average {load:.1f}")
    results: list[dict[str, object]] = []
    for row in ROWS:
        best = max(row.measure() for _ in range(REPEATS))
        verdict = "ok" if best >= row.target else "under"
        print(f"{row.name:48} {best:9.2f} {row.unit:14} target {row.target:6g}   {verdict}")
        results.append({"row": row.name, "value": best, "target": row.target, "verdict": verdict})
    RESULT.write_text(json.dumps({"machine": machine, "load": load, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
