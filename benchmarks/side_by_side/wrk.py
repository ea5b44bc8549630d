"""wrk, the load generator: found or installed, run, and its last line read."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from side_by_side.figures import Sample
from side_by_side.machine import cpu_s, others_between, read_usage
from side_by_side.servers import Server

SCRIPT = Path(__file__).parent / "paths.lua"
_new_names = itertools.count(1)


def find_wrk() -> str | None:
    """The program; installed from Debian's package where it is missing and we are root."""
    found = shutil.which("wrk")
    apt = shutil.which("apt-get")
    if found is None and apt is not None and os.geteuid() == 0:
        subprocess.run([apt, "install", "-y", "-q", "wrk"], check=False, capture_output=True)
        found = shutil.which("wrk")
    return found


def drive(
    server: Server,
    endpoint: str,
    *,
    connections: int,
    objects: int,
    seconds: float,
    bystanders: Sequence[int],
) -> Sample:
    """Ask for `endpoint` from `connections` at once, of `objects` objects in turn; 0 asks a new
    object each time. CPU time of `bystanders` counts as nobody's."""
    prefix = f"new{next(_new_names)}x" if objects == 0 else "object"
    cpu_before_s = cpu_s(server.pid)
    before, began = read_usage(), time.perf_counter()
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"),
            *("-s", str(SCRIPT), server.url, "--", endpoint, str(objects), prefix),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    elapsed_s = time.perf_counter() - began
    own = (server.pid, os.getpid(), *bystanders)
    others, name = others_between(before, read_usage(), own=own, elapsed_s=elapsed_s)
    said = json.loads(done.stdout.splitlines()[-1])
    return Sample(
        rate=said["requests"] / (said["elapsed_us"] / 1e6),
        p50_ms=said["p50_us"] / 1e3,
        p99_ms=said["p99_us"] / 1e3,
        cpu_us=(cpu_s(server.pid) - cpu_before_s) * 1e6 / max(1, said["requests"]),
        errors=said["errors"],
        others_cores=others,
        others_name=name,
    )
