"""What opening an object costs without HTTP: microseconds of the loop's thread for each.

`new` makes objects with the side-by-side benchmark's two tables and their first durable row,
`reopen` writes a row in objects that were evicted, `evict` closes them, `alarm` rings alarms of
evicted objects that are all overdue. `loop us` is CPU time of the loop's thread for an object,
which other processes disturb least; `all us` counts the threads that sync and make files ahead,
too; `wall us` is their own sum on a machine with nothing else to do. Of several rounds the best
counts. `--profile WORK` prints where a work's time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from boomtown.actors import AlarmInfo, DurableObject, Host, Request, Response
from boomtown.actors.runtime.sqlite_memory import reserve_little
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.event_loop import collect_less_often
from boomtown.limits import RuntimeLimits

OBJECTS = 2_000  # of a round
CALLERS = 16
ROUNDS = 5
WORKS = ("new", "evict", "reopen", "alarm")
ALARM_IN_S = 6  # time to set every alarm and to evict every object
# Nothing is evicted but on demand.
LIMITS = RuntimeLimits(idle_ms=600_000, open_databases_max=OBJECTS + 100)
LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Work(DurableObject):
    """The side-by-side benchmark's object, as far as it is opened."""

    rang = 0  # of all objects
    all_rang = asyncio.Event()

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self.sql = ctx.storage.sql
        self.sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER)")
        self.sql.exec("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, value TEXT)")

    async def fetch(self, request: Request) -> Response:
        path, _, at_ms = request.url.partition("?")
        if path == "/wake":
            await self.ctx.storage.set_alarm(int(at_ms))
            return Response("0")
        row = self.sql.exec("SELECT value FROM counter WHERE id = 0").next()
        value = (row["value"] if row else 0) + 1
        self.sql.exec("INSERT OR REPLACE INTO counter (id, value) VALUES (0, ?)", value)
        return Response(str(value))

    async def alarm(self, info: AlarmInfo) -> None:
        Work.rang += 1
        if Work.rang == OBJECTS:
            Work.all_rang.set()


class Cost(NamedTuple):
    """Of one round, for an object."""

    wall_us: float
    loop_us: float
    all_us: float


class Watch:
    """Times what runs between `start` and `stop`, under the profiler if there is one."""

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self._profile = profile
        self._began = Cost(0, 0, 0)

    def start(self) -> None:
        self._began = _now_us()
        if self._profile is not None:
            self._profile.enable()

    def stop(self) -> Cost:
        if self._profile is not None:
            self._profile.disable()
        return Cost(
            *((now - began) / OBJECTS for now, began in zip(_now_us(), self._began, strict=True))
        )


def _now_us() -> Cost:
    return Cost(time.perf_counter() * 1e6, time.thread_time() * 1e6, time.process_time() * 1e6)


async def ask_all(host: Host, url: str) -> None:
    """One request to each object, so many at once."""
    left: Iterator[int] = iter(range(OBJECTS))
    namespace = host.namespace("Work")

    async def work() -> None:
        for number in left:
            response = await namespace.get_by_name(f"object{number}").fetch(Request("GET", url))
            assert response.status == 200

    await asyncio.gather(*(work() for _ in range(CALLERS)))


async def evict_all(host: Host) -> None:
    """All at once, as when they fell idle together."""
    namespace = host.namespace("Work")
    await asyncio.gather(
        *(
            host.evict("Work", str(namespace.id_from_name(f"object{number}")))
            for number in range(OBJECTS)
        )
    )


async def measure(work: str, folder: Path, profile: cProfile.Profile | None) -> Cost:
    """One round of a work in a data directory of its own."""
    watch = Watch(profile)
    async with Host(
        classes={"Work": Work},
        data_dir=folder,
        clock=SystemClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        limits=LIMITS,
    ) as host:
        if work == "new":
            watch.start()
            await ask_all(host, "/incr")
            return watch.stop()
        await ask_all(host, "/incr")
        due_at_s = time.time() + ALARM_IN_S
        if work == "alarm":
            await ask_all(host, f"/wake?{due_at_s * 1e3:.0f}")
        if work == "evict":
            watch.start()
        await evict_all(host)
        if work == "evict":
            return watch.stop()
        if work == "reopen":
            watch.start()
            await ask_all(host, "/incr")
            return watch.stop()
        Work.rang, Work.all_rang = 0, asyncio.Event()
        await asyncio.sleep(due_at_s - time.time())
        watch.start()
        await Work.all_rang.wait()
        return watch.stop()


async def run(work: str, folder: Path, rounds: int, profile_lines: int) -> None:
    """Print one row, or a profile of one round."""
    profile = cProfile.Profile() if profile_lines else None
    costs: list[Cost] = []
    for _ in range(1 if profile else rounds):
        costs.append(await measure(work, Path(tempfile.mkdtemp(dir=folder)), profile))
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(profile_lines)
        return
    best = Cost(*(min(figures) for figures in zip(*costs, strict=True)))
    print(f"{work:10} {best.wall_us:9.0f} {best.loop_us:9.0f} {best.all_us:9.0f}", flush=True)


def main() -> None:
    """Print the table for each loop, or a work's profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=[*LOOPS], action="append")
    parser.add_argument("--work", choices=WORKS, action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--profile", type=int, default=0, metavar="LINES")
    parser.add_argument("--folder", type=Path, help="where the files are left")
    options = parser.parse_args()
    reserve_little()
    collect_less_often()
    with tempfile.TemporaryDirectory(prefix="open-path-") as made:
        folder = options.folder or Path(made)
        for loop in options.loop or [*LOOPS]:
            print(f"{loop:10} {'wall us':>9} {'loop us':>9} {'all us':>9}")
            for work in options.work or WORKS:
                with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                    runner.run(run(work, folder, options.rounds, options.profile))


if __name__ == "__main__":
    main()
