"""What this machine is, and what its processes use, from /proc. Linux only."""

from __future__ import annotations

import os
import platform
import resource
import threading
import time
from pathlib import Path

import msgspec

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.3
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_IDLE_FIELDS = (3, 4)  # of the first line of /proc/stat: idle, iowait
_USER_AT, _SYSTEM_AT = 11, 12  # of /proc/PID/stat, after the name


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time so far, in seconds."""

    machine: float
    children: float  # of this process, those that ended
    by_process: dict[int, tuple[str, float]]


def read_usage() -> Usage:
    """The present counters."""
    fields = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    busy = sum(int(field) for at, field in enumerate(fields) if at not in _IDLE_FIELDS)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    by_process: dict[int, tuple[str, float]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (found := _read_process(folder)) is not None:
            by_process[int(folder.name)] = found
    return Usage(
        machine=busy / TICKS_PER_S,
        children=ended.ru_utime + ended.ru_stime,
        by_process=by_process,
    )


def _read_process(folder: Path) -> tuple[str, float] | None:
    try:
        text = (folder / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended meanwhile
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return name, (int(fields[_USER_AT]) + int(fields[_SYSTEM_AT])) / TICKS_PER_S


def others_between(
    before: Usage, after: Usage, *, own: tuple[int, ...], elapsed_s: float
) -> tuple[float, str]:
    """CPU time of processes that are not in `own` nor our ended children, as cores, and the name
    of the busiest that still runs."""
    spent = {
        pid: seconds - before.by_process.get(pid, ("", 0.0))[1]
        for pid, (_, seconds) in after.by_process.items()
    }
    ours = sum(spent.get(pid, 0.0) for pid in own) + after.children - before.children
    others = {pid: seconds for pid, seconds in spent.items() if pid not in own}
    busiest = max(others, key=lambda pid: others[pid], default=None)
    name = "" if busiest is None or others[busiest] <= 0 else after.by_process[busiest][0]
    return max(0.0, after.machine - before.machine - ours) / elapsed_s, name


def others_now(*, own: tuple[int, ...]) -> float:
    """CPU time of other processes in the next moment, as cores."""
    before, began = read_usage(), time.perf_counter()
    threading.Event().wait(LOOK_S)
    elapsed_s = time.perf_counter() - began
    return others_between(before, read_usage(), own=own, elapsed_s=elapsed_s)[0]


def resident_bytes(pid: int) -> int:
    """Memory of a process that is its own: shared pages of files are not counted."""
    fields = (PROC / str(pid) / "statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * PAGE_BYTES


def open_files(pid: int) -> int:
    """Descriptors of a process."""
    return len(os.listdir(PROC / str(pid) / "fd"))


def cpu_s(pid: int) -> float:
    """CPU time of a process so far. ProcessLookupError for none."""
    found = _read_process(PROC / str(pid))
    if found is None:
        raise ProcessLookupError(pid)
    return found[1]


def describe() -> str:
    """The machine in one line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in (PROC / "cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
