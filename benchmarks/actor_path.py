"""What a call of an object costs without HTTP: microseconds, function calls, syncs.

Each row calls 1,000 warm objects through a Host, from 64 callers at once, and keeps the best of
several rounds: other load on the machine can only make it slower. `loop us` is CPU time of the
loop's thread for a call, which other processes disturb least; `all us` counts the threads that
sync, too; `calls` are Python's and C's function calls, from a round under the profiler. `p99 us`
is what one caller waited. `--profile WORK` prints where a work's time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from boomtown.actors import DurableObject, Host, Request, Response
from boomtown.actors.runtime.ports import SilentInstrument
from boomtown.actors.runtime.sqlite_memory import reserve_little
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.event_loop import collect_less_often

OBJECTS = 1_000
CALLERS = 64
CALLS = 12_000  # of a round
PROFILED_CALLS = 4_000
ROUNDS = 5
LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Work(DurableObject):
    """The side-by-side benchmark's endpoints."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self.sql = ctx.storage.sql
        self.puts = 0
        self.sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER)")

    async def fetch(self, request: Request) -> Response:
        match request.url:
            case "/noop":
                return Response("0")
            case "/read":
                return Response(str(self._value()))
            case "/incr":
                value = self._value() + 1
                self.sql.exec("INSERT OR REPLACE INTO counter (id, value) VALUES (0, ?)", value)
                return Response(str(value))
            case "/kvput":
                # Another value each time: what changes nothing is not written.
                self.puts += 1
                await self.ctx.storage.put("key", self.puts)
                return Response("0")
            case _:
                return Response("no such work", status=404)

    async def nothing(self) -> int:
        return 0

    def _value(self) -> int:
        row = self.sql.exec("SELECT value FROM counter WHERE id = 0").next()
        return row["value"] if row else 0


class Syncs(SilentInstrument):
    """Counts what the commit path did."""

    def __init__(self) -> None:
        self.commits = 0
        self.syncs = 0

    def commits_synced(self, commits: int, files: int) -> None:
        self.commits += commits
        self.syncs += files


class Round(NamedTuple):
    """One round, for a call."""

    wall_us: float
    loop_us: float
    all_us: float
    p99_us: float


Call = Callable[[Any], Awaitable[object]]
WORKS: Mapping[str, Call] = {
    "noop, RPC": lambda stub: stub.nothing(),
    "noop": lambda stub: stub.fetch(Request("GET", "/noop")),
    "read": lambda stub: stub.fetch(Request("GET", "/read")),
    "incr": lambda stub: stub.fetch(Request("GET", "/incr")),
    "kvput": lambda stub: stub.fetch(Request("GET", "/kvput")),
}


async def drive(host: Host, call: Call, *, calls: int, callers: int) -> Round:
    """Spread `calls` over the objects, so many at once. A stub for each call, as HTTP makes."""
    waits_us: list[float] = []
    left: Iterator[int] = iter(range(calls))
    namespace = host.namespace("Work")

    async def work() -> None:
        for number in left:
            began = time.perf_counter()
            await call(namespace.get_by_name(f"object{number % OBJECTS}"))
            waits_us.append((time.perf_counter() - began) * 1e6)

    wall, loop, whole = time.perf_counter(), time.thread_time(), time.process_time()
    await asyncio.gather(*(work() for _ in range(callers)))
    return Round(
        wall_us=(time.perf_counter() - wall) * 1e6 / calls,
        loop_us=(time.thread_time() - loop) * 1e6 / calls,
        all_us=(time.process_time() - whole) * 1e6 / calls,
        p99_us=sorted(waits_us)[len(waits_us) * 99 // 100],
    )


async def measure(name: str, syncs: Syncs, host: Host, callers: int) -> str:
    """One row of the table."""
    before = syncs.commits, syncs.syncs
    rounds = [await drive(host, WORKS[name], calls=CALLS, callers=callers) for _ in range(ROUNDS)]
    best = Round(*(min(figures) for figures in zip(*rounds, strict=True)))
    commits, made = syncs.commits - before[0], syncs.syncs - before[1]
    profile = await profiled(host, WORKS[name], callers)
    calls = total_calls(profile) / PROFILED_CALLS
    grouped = f"{commits / made:8.1f}" if made else " " * 8
    return (
        f"{name:10} {callers:4} {best.wall_us:9.1f} {best.loop_us:9.1f} {best.all_us:9.1f}"
        f" {best.p99_us:9.0f} {calls:7.0f} {grouped}"
    )


async def profiled(host: Host, call: Call, callers: int) -> cProfile.Profile:
    """One round under the profiler."""
    profile = cProfile.Profile()
    profile.enable()
    await drive(host, call, calls=PROFILED_CALLS, callers=callers)
    profile.disable()
    return profile


def total_calls(profile: cProfile.Profile) -> int:
    """Calls of functions, Python's and C's."""
    return sum(entry.callcount for entry in profile.getstats())


async def warm(host: Host) -> None:
    """Start every object, with a row and a key in its file."""
    for name in ("kvput", "incr", "incr"):
        await drive(host, WORKS[name], calls=OBJECTS, callers=CALLERS)


async def run(names: list[str], callers: int, profile_lines: int) -> None:
    """Measure, or profile, in a host of its own."""
    syncs = Syncs()
    with tempfile.TemporaryDirectory(prefix="actor-path-") as folder:
        host = Host(
            classes={"Work": Work},
            data_dir=Path(folder),
            clock=SystemClock(),
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            instrument=syncs,
            prevent_eviction=("Work",),
        )
        async with host:
            await warm(host)
            for name in names:
                if profile_lines:
                    profile = await profiled(host, WORKS[name], callers)
                    pstats.Stats(profile).sort_stats("tottime").print_stats(profile_lines)
                else:
                    print(await measure(name, syncs, host, callers), flush=True)


def main() -> None:
    """Print the table for each loop, or one work's profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=[*LOOPS], action="append")
    parser.add_argument("--work", choices=[*WORKS], action="append")
    parser.add_argument("--callers", type=int, default=CALLERS)
    parser.add_argument("--profile", type=int, default=0, metavar="LINES")
    options = parser.parse_args()
    reserve_little()
    collect_less_often()
    for loop in options.loop or [*LOOPS]:
        print(
            f"{loop:16} {'wall us':>8} {'loop us':>9} {'all us':>9} {'p99 us':>9}   calls  grouped"
        )
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(run(options.work or [*WORKS], options.callers, options.profile))


if __name__ == "__main__":
    main()
