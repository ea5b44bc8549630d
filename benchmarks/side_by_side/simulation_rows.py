"""How fast a simulated town lives; the start of the process counts."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from side_by_side.figures import Row, no_less_than
from side_by_side.servers import with_bytecode

_WORK = (
    ("simulation, an idle town", 10.0, ("--idle", "--hours", "48")),
    ("simulation, 5 agents, standard load and faults", 0.5, ("--hours", "2")),
)


def simulation_rows(*, repeats: int) -> list[Row]:
    """Simulated hours in a second of this machine."""
    return [
        Row(
            name=name,
            unit="simulated h/s",
            ours=statistics.median(_hours_per_second(flags) for _ in range(repeats)),
            target=no_less_than(target),
        )
        for name, target, flags in _WORK
    ]


def _hours_per_second(flags: tuple[str, ...]) -> float:
    with_bytecode()  # not in the time that is measured
    command = [sys.executable, "-m", "boomtown", "sim", "--json", *flags]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=with_bytecode())
    elapsed_s = time.perf_counter() - began
    return float(json.loads(done.stdout.splitlines()[-1])["hours"]) / elapsed_s
