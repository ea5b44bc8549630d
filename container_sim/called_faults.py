"""Faults that are called for while a server runs, beside those that were planned before.

Each is a file `<fault>.json` in the folder of its town, written whole by the server (chaos.py) and
read by whoever comes by a point: the server itself, control servers, agents. How often its point
was reached since, and how often it fired, are the lengths of two files beside it, so that both
survive every process. Without the folder, which only a development server makes, a point costs one
look for it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from boomtown.container_sim.faults import Fault, FaultKind, Faults
from boomtown.ids import TownId
from boomtown.wire import decode_json_as, encode_json

SUFFIX = ".json"


class CalledFault(msgspec.Struct, frozen=True, kw_only=True):
    """One that was called for: from the nth time that the point is reached, `times` in a row."""

    fault_id: str
    point: str
    kind: FaultKind
    ms: int
    nth: int
    times: int

    def __post_init__(self) -> None:
        assert self.nth >= 1
        assert self.times >= 1


class CalledFaults:
    """Satisfies Faults: what was called for in one town, behind what was planned."""

    def __init__(self, planned: Faults, faults_folder: Path, town_id: TownId) -> None:
        self._planned = planned
        self._folder = faults_folder / town_id

    def take(self, point: str) -> Fault | None:
        """As the protocol says; both sides count."""
        planned = self._planned.take(point)
        called = self._take_called(point)
        return planned or called

    def call_for(self, fault: CalledFault) -> None:
        """Have it happen; in force when this returns."""
        Fault(point=fault.point, nth=fault.nth, kind=fault.kind, ms=fault.ms)  # may be refused
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f"{fault.fault_id}.draft"
        draft.write_bytes(encode_json(fault))
        draft.rename(self._folder / f"{fault.fault_id}{SUFFIX}")

    def reached(self, fault_id: str) -> int:
        """How often its point was reached since it was called for."""
        return self._size(f"{fault_id}.reached")

    def fired(self, fault_id: str) -> int:
        """How often it happened."""
        return self._size(f"{fault_id}.fired")

    def _take_called(self, point: str) -> Fault | None:
        due: Fault | None = None
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            fault = decode_json_as(path.read_bytes(), CalledFault)
            if fault.point != point:
                continue
            count = self._count(f"{fault.fault_id}.reached")
            if due is None and fault.nth <= count < fault.nth + fault.times:
                self._count(f"{fault.fault_id}.fired")
                due = Fault(point=point, nth=count, kind=fault.kind, ms=fault.ms)
        return due

    def _size(self, name: str) -> int:
        path = self._folder / name
        return path.stat().st_size if path.exists() else 0

    def _count(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._folder / name, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, b".")
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
