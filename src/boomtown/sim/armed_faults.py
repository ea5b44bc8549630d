"""Faults that are armed while the world runs, and strike at the nth passing of a point from then.

Theory of operation. A whole town passes the disk's points tens of thousands of times in half an
hour, so a rate per passing would be a choice per passing. Here the world draws one choice per
period (town_world.py) and arms what it says: the fault fires when its point has been reached `nth`
times more. So each fault of a run is one key of its plan, and taking one out moves no other.

Three vocabularies meet: `reach` is asked by the machine (its disk, and the points of the server
below), `take` by simulated containers, `take_start` by the port to them. Whatever is armed and not
fired is dropped by `stop`.

| point of the server | where |
|---|---|
| effect.before | a call to the containers is about to be made; its row is durable |
| effect.after | the call was answered; the answer is in no row |
| handler.begin | a request has arrived |
| handler.end | its answer is known and has not left |
"""

from __future__ import annotations

import enum

import msgspec

from boomtown.container_sim import faults as container_faults
from boomtown.sim.faults import FaultKind


class StartFault(enum.StrEnum):
    """What goes wrong with a start, between the town's server and the control server."""

    TWICE = "start that arrives twice"
    REFUSED = "start refused for a session that is over"  # of the same agent, on the same server


SERVER_POINTS = ("effect.before", "effect.after", "handler.begin", "handler.end")


class _Armed(msgspec.Struct):
    point: str
    left: int  # passings until it fires
    fault: FaultKind | StartFault | container_faults.Fault


class ArmedFaults:
    """Satisfies sim.faults.FaultPoints and container_sim.faults.Faults."""

    def __init__(self) -> None:
        self.reached: dict[str, int] = {}
        self.fired: list[str] = []
        self._armed: list[_Armed] = []
        self._is_stopped = False

    def arm(self, point: str, *, nth: int, kind: FaultKind) -> None:
        """Have the machine fail at the nth passing of `point` from now, from 1."""
        self._add(_Armed(point, nth, kind))

    def arm_container(self, fault: container_faults.Fault) -> None:
        """Have a container fail: `fault.nth` counts from now."""
        self._add(_Armed(fault.point, fault.nth, fault))

    def arm_start(self, fault: StartFault, *, nth: int) -> None:
        """Have the nth start from now fail, of those that can fail so."""
        self._add(_Armed(fault.value, nth, fault))

    def note(self, what: str) -> None:
        """Count a fault that the world itself made."""
        self.fired.append(what)

    def stop(self) -> None:
        """No fault from here on."""
        self._is_stopped = True
        self._armed.clear()

    def reach(self, point: str) -> FaultKind | None:
        if not self._armed:  # nearly always; a disk asks at each operation
            self.reached[point] = self.reached.get(point, 0) + 1
            return None
        fault = self._pass(point)
        if fault is None:
            return None
        assert isinstance(fault, FaultKind)
        self.note(f"{fault.value} at {point}")
        return fault

    def take(self, point: str) -> container_faults.Fault | None:
        assert point in container_faults.POINTS, f"{point!r} is no point"
        fault = self._pass(point)
        if fault is None:
            return None
        assert isinstance(fault, container_faults.Fault)
        self.note(f"{fault.kind.value} at {point}")
        return fault

    def take_start(self, fault: StartFault) -> bool:
        """Count a start that can fail so; whether it does."""
        is_due = self._pass(fault.value) is not None
        if is_due:
            self.note(fault.value)
        return is_due

    def _add(self, armed: _Armed) -> None:
        if not self._is_stopped:
            self._armed.append(armed)

    def _pass(self, point: str) -> FaultKind | StartFault | container_faults.Fault | None:
        self.reached[point] = self.reached.get(point, 0) + 1
        if not self._armed:
            return None
        due: _Armed | None = None
        for armed in self._armed:
            if armed.point != point:
                continue
            armed.left -= 1
            if armed.left <= 0 and due is None:
                due = armed
        if due is None:
            return None
        self._armed.remove(due)
        return due.fault
