"""What instances need of storage, as a protocol, so that gates are tested without SQLite."""

from __future__ import annotations

from typing import Any, Protocol

from boomtown.actors.runtime.ports import ObjectGate, ObjectKey


class ObjectStorage(Protocol):
    """The storage of one live object."""

    def commit(self) -> None:
        """Commit what the present turn wrote; locks the gate's output until it is durable.
        Raises where the commit fails."""
        ...

    def shut(self) -> None:
        """Lose what is not committed, and refuse every later call; for a reset."""
        ...

    async def close(self) -> None:
        """Let go of the file, after every commit is durable."""
        ...


class StorageBackend(Protocol):
    """Opens the storages of one host, and delivers its alarms."""

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

    async def aclose(self) -> None:
        """Make durable what was submitted, then stop."""
        ...
