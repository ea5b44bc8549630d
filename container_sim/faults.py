"""What is to go wrong in containers, as a value that real and simulated ones obey alike.

Theory of operation. A fault is aimed at a named point of the containers' story and at the nth
time that the point is reached, never at an instant (spec/simulation.md). The code at a point asks
`take(point)`, which counts, and does what it is told; kinds that a point cannot show are refused
when the plan is made. `PlannedFaults` counts in memory. A real container is many processes that
die, so `SharedFaults` counts in files: one byte is appended per use, under a lock, and the count
survives every process. Without a plan there are no files and no cost (`NoFaults`).

A plan whose fault never fired has tested nothing: read `fired`.

| point | kinds | where |
|---|---|---|
| start.before | error, lost | the start call is answered 500, or nothing, and was not sent |
| start.slow | slow | the control server takes `ms` before it looks at a start |
| start.reply | error, lost | the start was carried out; its answer is 500, or lost |
| probe.status | missing, error, lost | a probe is answered 404, 500, or nothing |
| stop.slow | slow | the control server takes `ms` before it looks at a stop |
| container.crash@P | crash | the control server and all its agents die at P |
| heartbeat.lost, completed.lost | lost | that report never leaves the container |
| disk.full | disk_full | the session's preparation finds no room |
| partition | partition | one speaker (a control server, or an agent) reaches no town, for this
call and `ms` from now |

P is one of CRASH_PLACES, or, in simulated containers only, `before git O` or `after git O` with O
one of GIT_OPERATIONS. A crash at `start`, `clone`, `worktree` and `spawn` comes before that is
done, the ones of an agent too, but `between merge and report` and `report`: after the push that
merged, and after the town has answered.
"""

from __future__ import annotations

import enum
import fcntl
import os
from pathlib import Path
from typing import Protocol

import msgspec


class FaultKind(enum.StrEnum):
    """What goes wrong."""

    SLOW = "slow"  # `ms` later than it would have been
    LOST = "lost"  # no answer; the caller runs into its timeout
    ERROR = "error"  # an answer of 500
    MISSING = "missing"  # an answer of 404
    CRASH = "crash"
    DISK_FULL = "disk_full"
    PARTITION = "partition"  # for `ms`


FAULTS_FOLDER = "faults"  # of real containers, below the data directory

CRASH_PLACES = (
    "start",
    "clone",
    "worktree",
    "spawn",
    "commit",
    "push",
    "merge",
    "between merge and report",
    "report",
)

# Simulated git only: each operation has a point on either side of the step in which it happens.
BEFORE = "container.crash@before git "
AFTER = "container.crash@after git "
GIT_OPERATIONS = (
    "refresh",
    "worktree",
    "removal",
    "branch",
    "save",
    "fetch",
    "checkout",
    "commit",
    "merge",
    "push",
)
# Of those, what only sessions by hand come by.
GIT_OPERATIONS_BY_HAND = ("tag", "keep", "take_back")

POINTS: dict[str, tuple[FaultKind, ...]] = {
    "start.before": (FaultKind.ERROR, FaultKind.LOST),
    "start.slow": (FaultKind.SLOW,),
    "start.reply": (FaultKind.ERROR, FaultKind.LOST),
    "probe.status": (FaultKind.MISSING, FaultKind.ERROR, FaultKind.LOST),
    "stop.slow": (FaultKind.SLOW,),
    "heartbeat.lost": (FaultKind.LOST,),
    "completed.lost": (FaultKind.LOST,),
    "disk.full": (FaultKind.DISK_FULL,),
    "partition": (FaultKind.PARTITION,),
    **{f"container.crash@{place}": (FaultKind.CRASH,) for place in CRASH_PLACES},
    **{
        side + operation: (FaultKind.CRASH,)
        for operation in (*GIT_OPERATIONS, *GIT_OPERATIONS_BY_HAND)
        for side in (BEFORE, AFTER)
    },
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. Raises ValueError for a point that is unknown or cannot show the kind."""

    point: str
    nth: int = 1  # the nth time that the point is reached, from 1
    kind: FaultKind
    ms: int = 0  # how slow, or how long

    def __post_init__(self) -> None:
        if self.kind not in POINTS.get(self.point, ()):
            raise ValueError(f"no fault {self.kind} at {self.point!r}")
        if self.nth < 1 or self.ms < 0:
            raise ValueError(f"fault at {self.point!r}: nth is from 1, ms from 0")


FaultPlan = tuple[Fault, ...]


class Faults(Protocol):
    """What code that can fail is given."""

    def take(self, point: str) -> Fault | None:
        """Count the point; the fault that is due there now, if any."""
        ...


class NoFaults:
    """Nothing goes wrong by plan."""

    def take(self, point: str) -> Fault | None:
        assert point in POINTS, f"{point!r} is no point"
        return None


class PlannedFaults:
    """A plan's faults, counted in memory."""

    def __init__(self, plan: FaultPlan = ()) -> None:
        self.reached: dict[str, int] = {}
        self.fired: list[Fault] = []
        self._due = index_plan(plan)

    def take(self, point: str) -> Fault | None:
        assert point in POINTS, f"{point!r} is no point"
        nth = self.reached.get(point, 0) + 1
        self.reached[point] = nth
        fault = self._due.get((point, nth))
        if fault is not None:
            self.fired.append(fault)
        return fault


class SharedFaults:
    """A plan's faults, counted in the files of one folder by all processes that share it."""

    def __init__(self, folder: Path, plan: FaultPlan) -> None:
        self._folder = folder
        self._due = index_plan(plan)
        self._points = frozenset(fault.point for fault in plan)  # membership only

    def take(self, point: str) -> Fault | None:
        assert point in POINTS, f"{point!r} is no point"
        if point not in self._points:
            return None
        fault = self._due.get((point, self._count(point)))
        if fault is not None:
            self._count(f"fired {point}")
        return fault

    def reached(self, point: str) -> int:
        """How often the point was reached, in all processes so far."""
        return self._size(point)

    def fired(self, point: str) -> int:
        """How many faults have happened at the point."""
        return self._size(f"fired {point}")

    def _size(self, name: str) -> int:
        path = self._folder / name
        return path.stat().st_size if path.exists() else 0

    def _count(self, name: str) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._folder / name, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, b".")
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)


def index_plan(plan: FaultPlan) -> dict[tuple[str, int], Fault]:
    """The plan by point and count. Raises ValueError for two faults at one place."""
    due = {(fault.point, fault.nth): fault for fault in plan}
    if len(due) != len(plan):
        raise ValueError("two faults at one point and count")
    return due
