"""The input gate as data: who may run next inside an object.

Theory of operation. An object has a tree of scopes: the root, and one for each critical section
that runs. A scope is *locked* while something holds it: a critical section whose parent it is,
the constructor, or a reservation for the waiter that runs next. Turns are synchronous, so a turn
itself holds nothing. What finds its scope locked waits in it, first come, first served; starts of
critical sections go before everything else (durable-actors 3.1).

`pump` gives a free scope to exactly one waiter, by one callback of the loop, so that nobody who
arrives between runs first. A finished section's scope is never used again: whoever still refers
to it goes to the nearest ancestor that is open, and its waiters have moved there.

Called by object_gates.py and critical_sections.py, on the loop's thread. Nothing is durable. A
queue is there while something waits in it: an empty deque has 760 bytes, and objects are many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

Waiter = Callable[["Scope"], None]  # given the scope that was granted
Schedule = Callable[[Callable[[], None]], object]  # runs a callback in the loop's next pass


class Scope:
    """The gate of the root or of one critical section."""

    __slots__ = (
        "_schedule",
        "depth",
        "is_done",
        "locks",
        "parent",
        "section",
        "sections",
        "waiters",
    )

    def __init__(self, schedule: Schedule, parent: Scope | None = None) -> None:
        self._schedule = schedule
        self.parent: Scope | None = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.locks: int = 0
        self.waiters: deque[Waiter] | None = None
        self.sections: deque[Waiter] | None = None  # critical sections that wait for their start
        self.section: asyncio.Task[Any] | None = None  # that runs, and holds this scope
        self.is_done: bool = False

    def current(self) -> Scope:
        """This scope, or the nearest ancestor that is not done."""
        scope = self
        while scope.is_done and scope.parent is not None:
            scope = scope.parent
        return scope

    def wait(self, waiter: Waiter) -> None:
        """Have `waiter` called when it is its turn."""
        if self.waiters is None:
            self.waiters = deque()
        self.waiters.append(waiter)

    def wait_with_section(self, start: Waiter) -> None:
        """Have a critical section started, before anything else that waits."""
        if self.sections is None:
            self.sections = deque()
        self.sections.append(start)

    def lock(self) -> None:
        """Hold the scope; holders are counted."""
        self.locks += 1

    def unlock(self) -> None:
        """Let go of one hold; the last one wakes a waiter. Right after `finish` as well."""
        scope = self.current()
        assert scope.locks > 0, "a scope is unlocked as often as it was locked"
        scope.locks -= 1
        scope.pump()

    def finish(self) -> None:
        """Close a section's scope: what waits in it, or holds it, does so in the parent now."""
        assert self.parent is not None, "the root never ends"
        parent = self.parent.current()
        self.is_done = True
        parent.locks += self.locks
        self.locks = 0
        if self.sections:  # they were there first
            parent.sections = self.sections + (parent.sections or deque())
        for waiter in self.waiters or ():
            parent.wait(waiter)
        self.sections = self.waiters = None

    def pump(self) -> None:
        """Reserve a free scope for its next waiter, if it has any."""
        scope = self.current()
        if scope.locks == 0 and (scope.sections or scope.waiters):
            scope.locks = 1
            scope._schedule(scope._grant)

    def take_waiters(self) -> list[Waiter]:
        """Empty the scope, for a reset: section starts are dropped, events are returned."""
        waiters = list(self.waiters or ())
        self.sections = self.waiters = None
        return waiters

    def _grant(self) -> None:
        scope = self.current()
        scope.locks -= 1
        if scope.locks > 0:
            return
        if scope.sections:
            waiter = scope.sections.popleft()
            scope.sections = scope.sections or None
            waiter(scope)
        elif scope.waiters:
            waiter = scope.waiters.popleft()
            scope.waiters = scope.waiters or None
            waiter(scope)
        scope.pump()
