"""What an idle live object with an open database keeps in memory: KiB for each.

Objects of the side-by-side benchmark are made in a Host, read or written once, and left alone.
`resident` is what the process grew by, pages of files not counted; `sqlite` and `python` are what
these have allocated of it, from a run of its own under tracemalloc, whose lines `--lines` prints.
The rest is what malloc needs beside, and what is free between. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import tempfile
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import apsw

from boomtown.actors import Host, Request
from boomtown.actors.runtime.sqlite_memory import reserve_little
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.event_loop import collect_less_often
from side_by_side.bench_objects import Bench
from side_by_side.machine import resident_bytes

OBJECTS = 1_000
WARM_OBJECTS = 20  # made before: what the first ones bring for all of them is not counted


class Memory(NamedTuple):
    """Bytes at one moment."""

    resident: int
    sqlite: int
    python: int


def now() -> Memory:
    """What this process has now."""
    gc.collect()
    python = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
    pid = multiprocessing.current_process().pid
    assert pid is not None
    return Memory(resident_bytes(pid), apsw.memory_used(), python)


async def make(host: Host, names: range, works: list[str]) -> None:
    """Have each object do each work once."""
    namespace = host.namespace("Bench")
    for work in works:
        for number in names:
            stub = namespace.get_by_name(f"object{number}")
            await stub.fetch(Request("GET", f"http://bench/{work}"))


async def grow(folder: Path, works: list[str], lines: int) -> Memory:
    """What the objects brought, all of them."""
    host = Host(
        classes={"Bench": Bench},
        data_dir=folder,
        clock=SystemClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        prevent_eviction=("Bench",),
    )
    async with host:
        await make(host, range(WARM_OBJECTS), works)
        before, lines_before = now(), tracemalloc.take_snapshot() if lines else None
        await make(host, range(WARM_OBJECTS, WARM_OBJECTS + OBJECTS), works)
        after = now()
        if lines_before is not None:
            print_lines(lines_before, lines)
        return Memory(*(new - old for new, old in zip(after, before, strict=True)))


def print_lines(before: tracemalloc.Snapshot, lines: int) -> None:
    """Which lines made what Python has, in bytes for each object."""
    found = tracemalloc.take_snapshot().compare_to(before, "lineno")
    for each in found[:lines]:
        frame = each.traceback[0]
        print(f"{each.size_diff / OBJECTS:9.0f}  {frame.filename}:{frame.lineno}")


def measure(works: list[str], is_traced: bool, lines: int) -> Memory:
    """In a process of its own, as a server; when traced, SQLite counts as well."""
    reserve_little()
    collect_less_often()
    if is_traced:
        tracemalloc.start()
        apsw.shutdown()
        apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, 1)
        apsw.initialize()
    with tempfile.TemporaryDirectory(prefix="object-memory-") as folder:
        return asyncio.run(grow(Path(folder), works, lines))


def main() -> None:
    """Print a row for objects that read, and one for objects that wrote."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=0, metavar="N")
    options = parser.parse_args()
    spawning = multiprocessing.get_context("spawn")
    print(f"{'KiB for each object':32} {'resident':>9} {'sqlite':>9} {'python':>9} {'rest':>9}")
    for works in (["read"], ["read", "incr", "kvput"]):
        with spawning.Pool(1, maxtasksperchild=1) as processes:
            plain = processes.apply(measure, (works, False, 0))
            traced = processes.apply(measure, (works, True, options.lines))
        found = plain.resident, traced.sqlite, traced.python
        parts = [part / 1024 / OBJECTS for part in (*found, found[0] - found[1] - found[2])]
        print(f"{', '.join(works):32}", *(f"{part:9.1f}" for part in parts), flush=True)


if __name__ == "__main__":
    main()
