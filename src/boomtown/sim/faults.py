"""Faults at named points, as a value.

Faults are aimed at points of the code's own story (the nth sync of a disk, the middle of an alarm
handler), not at instants: a lost alarm was found at seed 27 this way, and in 300 seeds of timed
crashes not at all. A point is a name; code that can fail asks `reach(point)` each time it comes
by and does what it is told. Whoever plans faults afterwards reads `fired`: a plan whose fault
never fired has tested nothing (decisions 66).

A plan is either given (every fault by point and nth time, from 1) or drawn from the choices, at a
rate per point. A run without faults counts the points, and `enumerate_faults` makes one plan for
each of them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from boomtown.sim.choices import Choices


class FaultKind(enum.StrEnum):
    """What goes wrong at a point."""

    POWER_CUT = "power_cut"  # the machine stops; what was not synced may be gone
    KILL = "kill"  # the process stops; the page cache stays
    IO_ERROR = "io_error"  # this operation fails, once
    DISK_FULL = "disk_full"  # this operation finds no room, once
    ERROR = "error"  # the code at the point raises
    HANG = "hang"  # the code at the point never answers


class Fault(NamedTuple):
    """One fault of a plan."""

    point: str
    nth: int  # from 1: the nth time that the point is reached
    kind: FaultKind


class FaultPoints(Protocol):
    """What code that can fail is given."""

    def reach(self, point: str) -> FaultKind | None:
        """Count the point; say what goes wrong there now, if anything."""
        ...


class PlannedFaults:
    """Exactly the faults of a plan. With an empty plan: counts the points only."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self.reached: dict[str, int] = {}
        self.fired: list[Fault] = []
        self._kinds = {(fault.point, fault.nth): fault.kind for fault in faults}
        assert len(self._kinds) == len(faults), "two faults at one point and count"

    def reach(self, point: str) -> FaultKind | None:
        nth = self.reached.get(point, 0) + 1
        self.reached[point] = nth
        kind = self._kinds.get((point, nth))
        if kind is not None:
            self.fired.append(Fault(point, nth, kind))
        return kind


class FaultRate(NamedTuple):
    """How often a point fails, and how."""

    per_mille: int
    kinds: tuple[FaultKind, ...]


class ChosenFaults:
    """Faults drawn at a rate per point; points without a rate never fail. `stop()` ends them, for
    the quiet phase in which a run must come to rest."""

    def __init__(self, choices: Choices, rates: Mapping[str, FaultRate]) -> None:
        self.reached: dict[str, int] = {}
        self.fired: list[Fault] = []
        self._choices = choices
        self._rates = rates
        self._is_stopped = False

    def stop(self) -> None:
        """No fault from here on."""
        self._is_stopped = True

    def reach(self, point: str) -> FaultKind | None:
        nth = self.reached.get(point, 0) + 1
        self.reached[point] = nth
        rate = self._rates.get(point)
        if rate is None or self._is_stopped:
            return None
        if not self._choices.chance(rate.per_mille, label=f"fault.{point}"):
            return None
        kind = rate.kinds[self._choices.below(len(rate.kinds), label=f"fault_kind.{point}")]
        self.fired.append(Fault(point, nth, kind))
        return kind


def enumerate_faults(
    reached: Mapping[str, int], *, kind: FaultKind, point: str | None = None
) -> tuple[Fault, ...]:
    """One fault for each time that each point (or the one named) was reached in a traced run."""
    return tuple(
        Fault(name, nth, kind)
        for name in sorted(reached)
        if point is None or name == point
        for nth in range(1, reached[name] + 1)
    )
