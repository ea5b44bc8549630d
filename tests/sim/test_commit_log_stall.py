"""A disk that stalls delays the replies that wait for it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from boomtown.actors.runtime.commit_log_start import CommitLogParts
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.ports import Durability, SilentInstrument
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.disk import Disk
from boomtown.sim.faults import PlannedFaults
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, folder_maker
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually

DATA_DIR = Path("/data")
STALL_MS = 200


class Cell(DurableObject):
    """Keeps one value."""

    async def write(self, value: int) -> None:
        await self.ctx.storage.put("value", value)

    async def read(self) -> int:
        value = await self.ctx.storage.get("value")
        return int(value or 0)


class StallingSteps:
    """Each step of the disk takes 200 ms while it stalls (satisfies StepRunner)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_stalling = False

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_task(self._take(steps))

    async def _take(self, steps: Iterator[None]) -> None:
        for _ in steps:
            if self.is_stalling:
                await self._clock.sleep_until_ms(self._clock.now_ms() + STALL_MS)

    def close(self) -> None: ...


def test_a_stalled_sync_delays_only_the_replies_that_wait_for_it() -> None:
    choices = Choices(seed=1)
    disk = Disk(PlannedFaults())
    disk.mkdir(str(DATA_DIR))

    async def live(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        vfs = SimulatedVfs(disk, now_ms=clock.now_ms, choices=choices)
        flusher = StallingSteps(clock)
        host = new_host(vfs, clock, choices, flusher)
        try:
            async with host:
                await check_delays(host, clock, flusher)
                flusher.is_stalling = False
        finally:
            vfs.unregister()

    run_virtually(live, choices)


async def check_delays(host: Host, clock: Clock, flusher: StallingSteps) -> None:
    a, b, c = (host.namespace("Cell").get_by_name(name) for name in "abc")
    for cell in (a, b, c):
        await cell.write(1)
    flusher.is_stalling = True
    before_ms = clock.now_ms()
    writing = asyncio.ensure_future(a.write(2))
    for _ in range(3):
        assert await b.read() == 1
    also_writing = asyncio.ensure_future(c.write(2))
    for _ in range(3):
        assert await b.read() == 1
    assert clock.now_ms() == before_ms
    assert not writing.done()
    await writing
    first_ms = clock.now_ms() - before_ms
    assert first_ms >= STALL_MS
    await also_writing
    assert clock.now_ms() - before_ms <= 2 * first_ms


def new_host(
    vfs: SimulatedVfs, clock: VirtualClock, choices: Choices, flusher: StallingSteps
) -> Host:
    entropy = ChosenEntropy(choices)
    log_disk = SimulatedLogDisk(vfs.disk)
    backend = SqliteBackend(
        data_dir=DATA_DIR,
        classes_with_alarms=[],
        durability=Durability.FULL,
        flush=DiskFlush(vfs.disk),
        runner=FlushInline(),
        log=CommitLogParts(
            disk=log_disk, flusher=flusher, upkeeper=StallingSteps(clock), is_written=True
        ),
        options=DatabaseOptions(vfs=vfs.name, make_folders=folder_maker(vfs.disk)),
        clock=clock,
        entropy=entropy,
        limits=RuntimeLimits(),
        instrument=SilentInstrument(),
        on_broken=lambda _: None,
    )
    return Host(
        classes={"Cell": Cell},
        data_dir=DATA_DIR,
        clock=clock,
        entropy=entropy,
        secrets=CountingSecrets(),
        backend=backend,
    )
