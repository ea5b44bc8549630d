"""A storage on its own: its gate, its disk and its alarm index as fakes that take notes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from boomtown.actors.runtime.closed_logs import ClosedLogs
from boomtown.actors.runtime.commit_path import FileCommitPath, FlushInline
from boomtown.actors.runtime.database import Database, DatabaseOptions, database_path
from boomtown.actors.runtime.ports import Durability, ObjectKey, SilentInstrument
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import OutsideTurnError
from boomtown.actors.runtime.storage import Storage
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes

T = TypeVar("T")

KEY = ObjectKey("Thing", "ab" + "0" * 62)


class RecordingFlush:
    """A disk that syncs nothing and remembers what it was asked; `failure` is raised."""

    def __init__(self) -> None:
        self.synced: list[Path] = []
        self.synced_folders: list[Path] = []
        self.failure: OSError | None = None

    def sync(self, file: Path) -> None:
        self.synced.append(file)
        if self.failure is not None:
            raise self.failure

    def sync_dir(self, folder: Path) -> None:
        self.synced_folders.append(folder)


class FakeGate:
    """Lets everything through, except outside a turn if `is_turn` is false."""

    def __init__(self) -> None:
        self.is_turn = True
        self.wants_commit = False
        self.locks: list[Promise] = []
        self.reasons: list[Exception] = []
        self.sections: list[asyncio.Task[object]] = []

    @property
    def is_held(self) -> bool:
        """Whether a reply would have to wait now."""
        return any(not lock.done() for lock in self.locks)

    def check_turn(self, what: str) -> None:
        if not self.is_turn:
            raise OutsideTurnError(f"{what} was used outside a turn")

    def request_commit(self) -> None:
        self.wants_commit = True

    def hold_output(self, durable: Promise) -> None:
        self.locks.append(durable)

    def reset(self, reason: Exception) -> None:
        self.reasons.append(reason)

    def block_concurrency_while(self, callback: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        async def section() -> T:
            return await callback()

        task = asyncio.get_running_loop().create_task(section())
        self.sections.append(task)
        return task


class RecordingRegistry:
    """An alarm index that takes notes. With `holds` its futures wait until `release`."""

    def __init__(self) -> None:
        self.registered: list[int | None] = []
        self.failure: Exception | None = None
        self.holds = False
        self._waiting: list[Promise] = []

    def register(self, key: ObjectKey, name: str | None, at_ms: int | None) -> Promise | None:
        if self.failure is not None:
            raise self.failure
        self.registered.append(at_ms)
        if not self.holds:
            return None
        durable = Promise()
        self._waiting.append(durable)
        return durable

    def release(self) -> None:
        """Make durable what was registered."""
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            durable.resolve()


class StorageBench:
    """One storage in `data_dir`, with everything that it leans on."""

    def __init__(
        self,
        data_dir: Path,
        *,
        durability: Durability = Durability.FULL,
        limits: RuntimeLimits | None = None,
        has_alarm: bool = True,
    ) -> None:
        self.data_dir = data_dir
        self.limits = limits or RuntimeLimits()
        self.clock = ManualClock()
        self.gate = FakeGate()
        self.flush = RecordingFlush()
        self.registry = RecordingRegistry()
        self.wakes = RecordingRegistry()
        self.closed_logs = ClosedLogs()
        self.path = FileCommitPath(
            flush=self.flush,
            runner=FlushInline(),
            durability=durability,
            data_dir=data_dir,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        self._has_alarm = has_alarm
        self.open()

    def open(self) -> Storage:
        """Open the file (again, after `close`, as the same process would)."""
        self.gate = FakeGate()
        self.database = Database(database_path(self.data_dir, KEY), DatabaseOptions(), self.limits)
        self.storage = Storage(
            database=self.database,
            key=KEY,
            name=None,
            gate=self.gate,
            commit_path=self.path,
            alarms=self.registry,
            wakes=self.wakes,
            closed_logs=self.closed_logs,
            has_alarm=self._has_alarm,
            clock=self.clock,
            limits=self.limits,
        )
        self.storage.start()
        return self.storage

    def end_turn(self) -> None:
        """What the gate does when a turn ends."""
        if self.gate.wants_commit:
            self.gate.wants_commit = False
            self.storage.commit()

    async def settle(self) -> None:
        """End the turn, and let what it wrote become durable."""
        self.end_turn()
        await run_passes()

    async def reopened(self) -> Storage:
        """Close in order, and open again."""
        await self.settle()
        await self.storage.close()
        return self.open()

    def crashed(self) -> Storage:
        """Drop what is not committed, as a reset does, and open again."""
        self.storage.shut()
        self.database.close()
        return self.open()


async def set_alarm_durably(bench: StorageBench, after_ms: int) -> int:
    """Set the alarm, wait until it is durable, and forget what the index was told."""
    at_ms = bench.clock.now_ms() + after_ms
    await bench.storage.set_alarm(at_ms)
    await bench.settle()
    bench.registry.registered.clear()
    return at_ms


async def bench_with(data_dir: Path, *keys: str) -> StorageBench:
    """A storage that holds `keys`, each with its place among them."""
    bench = StorageBench(data_dir)
    for index, key in enumerate(keys):
        await bench.storage.put(key, index)
    return bench
