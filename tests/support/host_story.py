"""A story for the power-cut sweep: the whole runtime, host, gates, storage, alarms and all.

Three objects take numbered adds by turns. An add writes a key, a row and an alarm in one turn, and
its caller is answered through the output gate: that answer is what the ledger holds. The alarm's
handler writes too. Afterwards every answered number is there, key and row agree, and an object
with rows whose alarm has not run since still has an alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from boomtown.actors.runtime.commit_log import WholeSteps
from boomtown.actors.runtime.commit_log_start import CommitLogParts
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.ports import Durability, FlushPort, SilentInstrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.limits import CommitLogLimits, RuntimeLimits
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.sweep import OK, Ledger
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, folder_maker
from boomtown.sim.virtual_loop import START_MS, VirtualClock, VirtualLoop, run_virtually

DATA_DIR = Path("/data")
ROUNDS = 3
# Small enough that segments fill, and are used again in a second life.
LOG_LIMITS = CommitLogLimits(
    segment_bytes=32_768,
    segments_max=3,
    record_bytes_max=24_000,
    wal_bytes_kept_max=16_000,
    template_files_max=2,
    name_bytes_max=512,
)
NAMES = ("a", "b", "c")
STOPPED = (MachineStopped, apsw.Error, DurableObjectError, OSError)


class Tally(DurableObject):
    """Keeps the numbers that it was given."""

    async def add(self, number: int) -> int:
        storage = self.ctx.storage
        storage.sql.exec("CREATE TABLE IF NOT EXISTS added (number INTEGER PRIMARY KEY, filler)")
        await storage.put(f"number {number:03}", number)
        storage.sql.exec("INSERT INTO added VALUES (?, zeroblob(700))", number)
        await storage.put("waits", True)
        await storage.set_alarm(START_MS + 500)
        return number

    async def report(self) -> list[Any]:
        storage = self.ctx.storage
        keys = list((await storage.list(prefix="number ")).values())
        storage.sql.exec("CREATE TABLE IF NOT EXISTS added (number INTEGER PRIMARY KEY, filler)")
        rows = [row["number"] for row in storage.sql.exec("SELECT number FROM added ORDER BY 1")]
        waits = await storage.get("waits")
        return [keys, rows, bool(waits), await storage.get_alarm()]

    async def alarm(self) -> None:
        await self.ctx.storage.put("waits", False)


class HostStory:
    """The runtime under test."""

    def __init__(
        self,
        *,
        durability: Durability = Durability.FULL,
        flush_of: Callable[[Disk], FlushPort] = DiskFlush,
        log_disk_of: Callable[[Disk], LogDisk] | None = None,
    ) -> None:
        """With `log_disk_of`, commits go to the shared log on that disk."""
        self._durability = durability
        self._flush_of = flush_of
        self._log_disk_of = log_disk_of

    def work(self, disk: Disk, ledger: Ledger) -> None:
        with contextlib.suppress(*STOPPED):
            self._run(disk, lambda host: add_numbers(host, ledger), len(ledger.attempted))

    def check(self, disk: Disk, ledger: Ledger) -> str:
        found: list[int] = []
        try:
            for keys, rows, waits, alarm_at_ms in self._run(disk, _reports, 0):
                if keys != rows:
                    return "partial turn"
                if waits and alarm_at_ms is None:
                    return "lost alarm"
                found += rows
        except STOPPED as error:
            return type(error).__name__
        if not set(ledger.acknowledged) <= set(found):
            return "lost"
        return OK if set(found) <= set(ledger.attempted) else "phantom"

    def _run(self, disk: Disk, use: Callable[[Host], Any], seed: int) -> Any:
        if not disk.exists(str(DATA_DIR)):
            disk.mkdir(str(DATA_DIR))
        disk.sync_dir("/")
        choices = Choices(seed=seed)

        async def live(loop: VirtualLoop) -> Any:
            clock = VirtualClock(loop)
            # What a stopped machine's tasks die of is no news; the verdict comes from `check`.
            loop.set_exception_handler(lambda _, context: None)
            vfs = SimulatedVfs(disk, now_ms=clock.now_ms, choices=choices)
            host = self._new_host(vfs, clock, choices)
            try:
                await host.start()
                outcome = await use(host)
                await host.aclose()
                return outcome
            finally:
                vfs.unregister()

        return run_virtually(live, choices)

    def _log_parts(self, disk: Disk) -> CommitLogParts | None:
        if self._log_disk_of is None:
            return None
        return CommitLogParts(
            disk=self._log_disk_of(disk),
            flusher=WholeSteps(FlushInline()),
            upkeeper=WholeSteps(FlushInline()),
            is_written=True,
        )

    def _new_host(self, vfs: SimulatedVfs, clock: VirtualClock, choices: Choices) -> Host:
        entropy = ChosenEntropy(choices)
        backend = SqliteBackend(
            data_dir=DATA_DIR,
            classes_with_alarms=["Tally"],
            durability=self._durability,
            flush=self._flush_of(vfs.disk),
            runner=FlushInline(),
            log=self._log_parts(vfs.disk),
            options=DatabaseOptions(vfs=vfs.name, make_folders=folder_maker(vfs.disk)),
            clock=clock,
            entropy=entropy,
            limits=RuntimeLimits(log=LOG_LIMITS),
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        return Host(
            classes={"Tally": Tally},
            data_dir=DATA_DIR,
            clock=clock,
            entropy=entropy,
            secrets=CountingSecrets(),
            backend=backend,
        )


async def add_numbers(host: Host, ledger: Ledger) -> None:
    tallies = [host.namespace("Tally").get_by_name(name) for name in NAMES]
    for _ in range(ROUNDS):
        await asyncio.gather(*(_add_number(tally, ledger) for tally in tallies))
    await asyncio.sleep(2)  # the alarms run
    await asyncio.gather(*(_add_number(tally, ledger) for tally in tallies))


async def _add_number(tally: Any, ledger: Ledger) -> None:
    number = len(ledger.attempted)
    ledger.attempted.append(number)
    assert await tally.add(number) == number
    ledger.acknowledged.append(number)


async def _reports(host: Host) -> list[Any]:
    return [await host.namespace("Tally").get_by_name(name).report() for name in NAMES]
