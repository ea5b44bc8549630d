"""Many objects within few open files: each is touched, some are read back, and alarms of evicted
ones ring once each. `make many-objects` runs it at full size and keeps the log; a test runs the
same code on fewer.

The operating system is asked to hold the process to `files_max`, so a leak ends the run. The clock
is the run's own: the alarms' hour passes at once.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from boomtown.actors import DurableObject, Host
from boomtown.actors.runtime.ports import ObjectKey, SilentInstrument
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock

HOUR_MS = 3_600_000


class ManyObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a run."""

    objects: int
    read_back: int
    alarms: int
    databases_max: int
    files_max: int
    calls_at_once: int = 64


FULL = ManyObjects(
    objects=50_000, read_back=1_000, alarms=2_000, databases_max=1_000, files_max=2_500
)


class Found(msgspec.Struct, kw_only=True):
    """What a run found; its seconds are for people, never for assertions."""

    wrong_values: int = 0
    rings: Counter[str] = msgspec.field(default_factory=Counter[str])
    databases_peak: int = 0  # open, or being closed
    files_peak: int = 0  # of the whole process
    starts: int = 0
    syncs: int = 0
    seconds: dict[str, float] = msgspec.field(default_factory=dict[str, float])

    def failures(self, size: ManyObjects) -> list[str]:
        """What was promised and is not so."""
        rang = self.rings.total()
        promises = {
            f"{self.wrong_values} objects did not have their value": self.wrong_values == 0,
            f"{len(self.rings)} of {size.alarms} alarms rang": len(self.rings) == size.alarms,
            f"{rang - len(self.rings)} alarms rang again": rang == len(self.rings),
            f"{self.databases_peak} databases were open": self.databases_peak <= size.databases_max,
            f"{self.files_peak} files were open": self.files_peak <= size.files_max,
        }
        return [failure for failure, is_kept in promises.items() if not is_kept]


class Cell(DurableObject):
    """Keeps one value."""

    async def put(self, value: int) -> None:
        await self.ctx.storage.put("value", value)

    async def get(self) -> int | None:
        value: int | None = await self.ctx.storage.get("value")
        return value


class Bell(DurableObject):
    """Rings once."""

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        self.env.RING(self.ctx.id.name)


class Counting(SilentInstrument):
    """Counts starts and syncs."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def object_started(self, key: ObjectKey) -> None:
        self._found.starts += 1

    def commits_synced(self, commits: int, files: int) -> None:
        self._found.syncs += files


class _Run:
    def __init__(self, folder: Path, size: ManyObjects) -> None:
        self.size = size
        self.found = Found()
        self.clock = ManualClock()
        self.host = Host(
            classes={"Cell": Cell, "Bell": Bell},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"RING": self._ring},
            instrument=Counting(self.found),
            limits=RuntimeLimits(
                open_databases_max=size.databases_max,
                evictions_per_sweep_max=min(200, size.databases_max),
            ),
        )

    def _ring(self, name: str) -> None:
        self.found.rings[name] += 1

    def _look(self) -> None:
        found = self.found
        found.databases_peak = max(found.databases_peak, self.host.statistics().open_databases)
        found.files_peak = max(found.files_peak, len(os.listdir("/dev/fd")))

    async def all_of(self, items: Sequence[int], call: Callable[[int], Awaitable[None]]) -> None:
        """Call for each, so many at once as the size says."""
        left = iter(items)

        async def work() -> None:
            for done, item in enumerate(left):
                await call(item)
                if done % 16 == 0:
                    self._look()

        await asyncio.gather(*(work() for _ in range(self.size.calls_at_once)))

    def cell(self, number: int) -> Any:
        return self.host.namespace("Cell").get_by_name(f"cell-{number}")

    async def touch(self) -> None:
        await self.all_of(range(self.size.objects), lambda number: self.cell(number).put(number))

    async def read_back(self) -> None:
        async def read(number: int) -> None:
            self.found.wrong_values += await self.cell(number).get() != number

        numbers = random.Random(1).sample(range(self.size.objects), self.size.read_back)
        await self.all_of(numbers, read)

    async def arm(self) -> None:
        at_ms = self.clock.now_ms() + HOUR_MS
        bells = self.host.namespace("Bell")
        await self.all_of(
            range(self.size.alarms),
            lambda number: bells.get_by_name(f"bell-{number}").arm(at_ms),
        )

    async def ring(self) -> None:
        assert not any(live.key.class_name == "Bell" for live in self.host.live_objects())
        await self.clock.advance_ms(HOUR_MS)
        while len(self.found.rings) < self.size.alarms or not self._is_quiet():
            await asyncio.to_thread(os.getpid)  # the disk's turn
            await self.clock.advance_ms(0)  # the next alarms, which are due
            self._look()
        await self.clock.advance_ms(60_000)  # longer than a retry of any would wait

    def _is_quiet(self) -> bool:
        statistics = self.host.statistics()
        return not (statistics.busy_objects or statistics.closing_objects)


async def run_many_objects(folder: Path, size: ManyObjects) -> Found:
    """Touch, read back and ring, in a host of `folder`."""
    run = _Run(folder, size)
    async with run.host:
        for step in (run.arm, run.touch, run.read_back, run.ring):
            began = time.perf_counter()
            await step()
            run.found.seconds[step.__name__] = time.perf_counter() - began
    return run.found


def print_report(size: ManyObjects, found: Found, out: TextIO) -> None:
    """What a person wants to know of a run."""
    print(
        f"{size.objects} objects touched, {size.read_back} read back, {size.alarms} alarms of "
        f"evicted objects, {size.calls_at_once} calls at once",
        f"open databases at most {found.databases_peak} (bound {size.databases_max}), "
        f"open files at most {found.files_peak} (bound {size.files_max})",
        f"activations {found.starts}, syncs {found.syncs}",
        *(f"{step}: {seconds:.1f} s" for step, seconds in found.seconds.items()),
        *(found.failures(size) or ["every value was there, every alarm rang once"]),
        sep="\n",
        file=out,
    )


def main(log: Path) -> int:
    """Run at full size, held to `files_max` by the system; the report goes to `log` too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FULL.files_max, hard))
    with tempfile.TemporaryDirectory(prefix="boomtown-many-") as folder:
        found = asyncio.run(run_many_objects(Path(folder), FULL))
    print_report(FULL, found, sys.stdout)
    with log.open("w", encoding="utf-8") as out:
        print_report(FULL, found, out)
    return 1 if found.failures(FULL) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
