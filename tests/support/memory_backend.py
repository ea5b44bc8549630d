"""A storage without a disk, for tests of gates: its commits become durable when the test says.

Writes of a turn are kept aside until `commit`, and lost by `shut`; what is committed stays with
the backend, so a new instance of the object finds it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from boomtown.actors.runtime.alarm_index import AlarmRow
from boomtown.actors.runtime.alarm_scheduler import Abandon, Deliver
from boomtown.actors.runtime.ports import ObjectGate, ObjectKey
from boomtown.actors.runtime.promises import Promise


class MemoryStorage:
    """`get`, `put` and `sync` of one object; satisfies ObjectStorage."""

    def __init__(self, backend: MemoryBackend, key: ObjectKey, gate: ObjectGate) -> None:
        self._backend = backend
        self._gate = gate
        self._committed: dict[str, Any] = backend.contents.setdefault(key, {})
        self._written: dict[str, Any] = {}

    async def get(self, key: str) -> Any:
        self._gate.check_turn("storage.get")
        return self._written.get(key, self._committed.get(key))

    async def put(self, key: str, value: Any) -> None:
        self._gate.check_turn("storage.put")
        self._written[key] = value
        self._gate.request_commit()

    def commit(self) -> None:
        self._committed.update(self._written)
        self._written.clear()
        if not self._backend.is_held:
            return
        durable = Promise()
        self._backend.commits.append(durable)
        self._gate.hold_output(durable)

    def shut(self, reason: Exception | None = None) -> None:
        self._written.clear()

    async def close(self) -> None:
        self._backend.closed += 1


class MemoryBackend:
    """Satisfies StorageBackend. With `is_held`, each commit waits in `commits` for the test."""

    def __init__(self) -> None:
        self.contents: dict[ObjectKey, dict[str, Any]] = {}
        self.commits: list[Promise] = []
        self.is_held = False
        self.closed = 0

    def serve_alarms(self, deliver: Deliver, abandon: Abandon) -> None:
        """There are no alarms to serve."""

    def serve_schedules(self, deliver: Deliver, abandon: Abandon, classes: Collection[str]) -> None:
        """There are no schedules to serve."""

    async def start(self) -> None:
        """There is no index to load."""

    async def stop_alarms(self) -> None:
        """There are no alarms."""

    def open(
        self, key: ObjectKey, name: str | None, gate: ObjectGate, *, has_alarm: bool
    ) -> MemoryStorage:
        return MemoryStorage(self, key, gate)

    def list_alarms(self) -> list[AlarmRow]:
        return []

    def list_object_ids(self, class_name: str) -> list[str]:
        return sorted(key.object_id for key in self.contents if key.class_name == class_name)

    async def erase(self) -> None:
        self.contents.clear()

    async def aclose(self) -> None:
        """There is nothing to make durable."""
