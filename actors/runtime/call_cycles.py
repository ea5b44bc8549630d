"""Finds calls between objects that wait for each other for ever, when the last one is delivered.

Theory of operation. Plain re-entrance is no deadlock: A calls B, B calls A, and A's gate is open
while it waits. It is one when a critical section holds the gate of the object that is called, and
the section itself waits, through any number of objects, for this very call: a queued event runs
after the section, and the section ends after the event. Left alone, the section's time limit
would reset the object half a minute later.

The graph of who waits is not kept but walked, only when a call meets a gate that a section holds:
a task waits for the future that it is suspended on (a task, a gather, the answer of a call) and
for the section that holds its own scope; a call waits for the task of its event, or, still queued,
for the section that holds the gate there. Every answer whose call is under way is known here.

What hides the future that it waits for (asyncio.wait, a task group, an event of asyncio) ends the
walk: such a cycle is not found, and its section runs into the limit. Nothing found is ever wrong.
Nothing is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from boomtown.actors.runtime.gate_tasks import GateTask
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.runtime_errors import CallCycleError

Answer = asyncio.Future[Any]


class OutgoingCall:
    """One call of an object to an object, until it is answered."""

    __slots__ = ("reply", "target", "target_gates")

    def __init__(self, target: str) -> None:
        self.target: str = target  # "Counter/a", for people
        self.target_gates: ObjectGates | None = None  # once it was delivered
        self.reply: Answer | None = None


class CallGraph:
    """The calls between the objects of one host."""

    def __init__(self) -> None:
        self._calls: dict[Answer, OutgoingCall] = {}

    def add(self, call: OutgoingCall, answer: Answer) -> None:
        """An object begins to wait for `answer`."""
        self._calls[answer] = call

    def remove(self, answer: Answer) -> None:
        """It waits no more: it was answered, or has given up."""
        del self._calls[answer]

    def deliver(
        self, call: OutgoingCall, gates: ObjectGates, invoke: Callable[[], tuple[bool, Any]]
    ) -> tuple[bool, Any]:
        """Invoke as ObjectGates.invoke does. Raises CallCycleError, before anything runs, where
        the event would wait for ever."""
        section = gates.root.section
        if section is not None:
            path = self._find_path(section, call, {})
            if path is not None:
                raise CallCycleError((call.target, *path))
        is_done, value = invoke()
        if not is_done:
            call.target_gates = gates
            call.reply = value
        return is_done, value

    def _find_path(
        self, task: asyncio.Task[Any], wanted: OutgoingCall, seen: dict[asyncio.Task[Any], None]
    ) -> tuple[str, ...] | None:
        """The objects through which `task` waits for `wanted`, which is the last of them."""
        if task in seen:
            return None
        seen[task] = None
        for waited in _waited_by(task):
            if isinstance(waited, asyncio.Task):
                path = self._find_path(waited, wanted, seen)
            elif (call := self._calls.get(waited)) is not None:
                path = self._path_through(call, wanted, seen)
            else:
                path = None
            if path is not None:
                return path
        return None

    def _path_through(
        self, call: OutgoingCall, wanted: OutgoingCall, seen: dict[asyncio.Task[Any], None]
    ) -> tuple[str, ...] | None:
        if call is wanted:
            return (call.target,)
        worker = _worker_of(call)
        path = None if worker is None else self._find_path(worker, wanted, seen)
        return None if path is None else (call.target, *path)


def _waited_by(task: asyncio.Task[Any]) -> list[Answer]:
    """What a task needs before it can go on; all of it."""
    waited: list[Answer] = []
    future = _suspended_on(task)
    if future is not None:
        children: list[Answer] | None = getattr(future, "_children", None)  # of a gather
        waited.extend([future] if children is None else children)
    if isinstance(task, GateTask):
        section = task.scope.current().section
        if section is not None and section is not task:
            waited.append(section)
    return waited


def _suspended_on(task: asyncio.Task[Any]) -> Answer | None:
    # C does not know what the first, inline step of an event waits for.
    future: Answer | bool | None = task.first_awaited if isinstance(task, GateTask) else None
    if isinstance(future, asyncio.Future):
        return future
    waiter: Answer | None = getattr(task, "_fut_waiter", None)
    return waiter


def _worker_of(call: OutgoingCall) -> asyncio.Task[Any] | None:
    """The task on which a call's answer depends."""
    gates = call.target_gates
    if gates is None or call.reply is None or call.reply.done():
        return None  # on its way out, or answered
    for task in gates.tasks:
        if task.reply is call.reply:
            return task
    return gates.root.section
