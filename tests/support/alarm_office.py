"""A scheduler of alarms on its own: what it delivers is noted, and answers as the test says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from boomtown.actors.runtime.alarm_index import AlarmIndex
from boomtown.actors.runtime.alarm_scheduler import AlarmScheduler
from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.commit_path import FileCommitPath, FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.ports import Durability, ObjectKey, SilentInstrument
from boomtown.entropy import SeededEntropy
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from support.storage_bench import RecordingFlush

ONE, TWO = (ObjectKey("Thing", digit * 64) for digit in "12")


class Office:
    """A scheduler with one class; what is delivered answers from `outcomes`, then succeeds."""

    def __init__(self, data_dir: Path, *, limits: RuntimeLimits | None = None) -> None:
        self.clock = ManualClock()
        self.start_ms = self.clock.now_ms()
        self.limits = limits or RuntimeLimits()
        self.data_dir = data_dir
        self.delivered: list[tuple[str, str | None, int, int, int]] = []
        self.abandoned: list[int] = []
        self.abandon_failure: Exception | None = None
        self.outcomes: list[AlarmOutcome | Exception] = []
        self.held: asyncio.Event | None = None
        self.open()

    def open(self) -> None:
        path = FileCommitPath(
            flush=RecordingFlush(),
            runner=FlushInline(),
            durability=Durability.FULL,
            data_dir=self.data_dir,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        self.index = AlarmIndex(
            data_dir=self.data_dir,
            class_name="Thing",
            options=DatabaseOptions(),
            limits=self.limits,
            commit_path=path,
        )
        self.scheduler = AlarmScheduler(
            indexes={"Thing": self.index},
            deliver=self.deliver,
            abandon=self.abandon,
            clock=self.clock,
            entropy=SeededEntropy(1),
            limits=self.limits,
            instrument=SilentInstrument(),
        )
        self.scheduler.start()

    async def deliver(
        self, key: ObjectKey, name: str | None, scheduled_at_ms: int, retry_count: int
    ) -> AlarmOutcome:
        self.delivered.append(
            (
                key.object_id[0],
                name,
                scheduled_at_ms - self.start_ms,
                self.clock.now_ms() - self.start_ms,
                retry_count,
            )
        )
        if self.held is not None:
            await self.held.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else AlarmOutcome.SUCCEEDED
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def abandon(self, key: ObjectKey, name: str | None, scheduled_at_ms: int) -> None:
        if self.abandon_failure is not None:
            raise self.abandon_failure
        self.abandoned.append(scheduled_at_ms - self.start_ms)

    def set(self, key: ObjectKey, after_ms: int | None, name: str | None = None) -> None:
        at_ms = None if after_ms is None else self.start_ms + after_ms
        self.scheduler.register(key, name, at_ms)

    async def restart(self) -> None:
        await self.scheduler.aclose()
        await self.index.aclose()
        self.open()
