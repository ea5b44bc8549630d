"""What instances need of storage, as a protocol, so that gates are tested without SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Protocol

from boomtown.actors.runtime.alarm_index import AlarmRow
from boomtown.actors.runtime.alarm_scheduler import Abandon, Deliver
from boomtown.actors.runtime.object_alarm import AlarmStart
from boomtown.actors.runtime.ports import ObjectGate, ObjectKey
from boomtown.actors.runtime.schedules import ObjectSchedules


class ObjectStorage(Protocol):
    """The storage of one live object."""

    def commit(self) -> None:
        """Commit what the present turn wrote; locks the gate's output until it is durable.
        Raises where the commit fails."""
        ...

    def shut(self, reason: Exception | None = None) -> None:
        """Lose what is not committed, and have every later call raise `reason`."""
        ...

    def begin_alarm(self, scheduled_at_ms: int) -> AlarmStart:
        """Judge a delivery, before the handler runs (durable-actors 5.5)."""
        ...

    def finish_alarm(self) -> asyncio.Future[None]:
        """The handler succeeded: done when its writes and the alarm's end are durable."""
        ...

    def fail_alarm(self) -> None:
        """The handler failed: its alarm is set as before."""
        ...

    def abandon_alarm(self, scheduled_at_ms: int) -> asyncio.Future[None]:
        """Clear that alarm if it is still set; done when that is durable."""
        ...

    @property
    def schedules(self) -> ObjectSchedules:
        """The object's schedules."""
        ...

    def end_schedules(self) -> asyncio.Future[None]:
        """What was due has run, or was put off: done when that is durable."""
        ...

    async def close(self) -> None:
        """Let go of the file, after every commit is durable."""
        ...


class StorageBackend(Protocol):
    """Opens the storages of one host, and delivers its alarms."""

    def serve_alarms(self, deliver: Deliver, abandon: Abandon) -> None:
        """Say who runs alarms, once, before `start`."""
        ...

    def serve_schedules(self, deliver: Deliver, abandon: Abandon, classes: Collection[str]) -> None:
        """Say who runs what objects of `classes` have scheduled, once, before `start`; what those
        of other classes have stays on disk, for a start that knows them."""
        ...

    async def start(self) -> None:
        """Take the data directory, load the alarm index and begin to deliver alarms."""
        ...

    async def stop_alarms(self) -> None:
        """Deliver no more alarms; those that run are let go."""
        ...

    def open(self, key: ObjectKey, name: str | None, gate: ObjectGate, *, has_alarm: bool) -> Any:
        """The storage of an object, which has an ObjectStorage's methods beside its public ones.
        Raises where the file cannot be opened."""
        ...

    def list_alarms(self) -> list[AlarmRow]:
        """Every alarm that is set, the earliest first."""
        ...

    def list_object_ids(self, class_name: str) -> list[str]:
        """The ids of the class that have a file, sorted."""
        ...

    async def erase(self) -> None:
        """Delete every object and every alarm, of classes that are not registered too, and go
        on empty. No object is open; deliveries under way are let go."""
        ...

    async def aclose(self) -> None:
        """Make durable what was submitted, then stop."""
        ...
