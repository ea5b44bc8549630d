"""The tasks of an object: a C Task whose every step passes the object's gate.

Theory of operation. A GateTask is an ordinary asyncio.Task, stepped by C code; what makes it
special is its class, by which loop_hook.py recognises its steps and wakeups in `call_soon` and
sends them to the gate. The user's coroutine is never wrapped.

An event starts *inline*: its first step runs in the caller's own stack, and most events end in
it. For those a GateTask is only an identity for `current_task()`, and `Task.__init__` is never
called (`is_lazy`). When the coroutine suspends, or when anything touches the task (a timeout, a
cancel scope, a task group), it is initialised then: C schedules the first step by `call_soon`,
the hook keeps that callable as `step` instead of running it, and the future that the coroutine
waits for is given a FirstWake, which calls it. anyio and asyncio.timeout compare the identity
of the task before and after, so it must be the same object from the first step on.

Nothing here is durable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol, cast

from boomtown.actors.runtime.input_gate import Scope

CANCELS_SWALLOWED_MAX = 5  # a task of a reset object that survives more is never stepped again


class TaskOwner(Protocol):
    """What a task needs of the object that it belongs to (object_gates.py)."""

    def initialise_task(self, task: GateTask) -> None:
        """Call `Task.__init__` with the first step captured in `task.step`."""
        ...


class GateTask(asyncio.Task[Any]):
    """A task of one object. Made by object_gates.py only."""

    __slots__ = ("context", "coroutine", "is_lazy", "is_started", "owner", "scope")

    owner: Any  # a TurnOwner (loop_hook.py), which knows this class
    scope: Scope  # the gate at which its next step asks; captured when it suspends
    coroutine: Coroutine[Any, Any, Any]
    context: Context | None
    is_lazy: bool  # Task.__init__ has not been called
    is_started: bool  # its first step was scheduled or has run
    # The rest is seldom set: class-level defaults keep the making of a task cheap.
    first_awaited: asyncio.Future[Any] | bool | None = None  # C does not know the first one
    step: Callable[..., object] | None = None
    reply: asyncio.Future[Any] | None = None  # of the event that it is
    swallowed_cancels = 0
    on_end: Callable[[GateTask], None] | None = None  # run in the turn in which the task ends

    def get_coro(self) -> Any:
        return self.coroutine if self.is_lazy else super().get_coro()

    def cancel(self, msg: Any = None) -> bool:
        self.initialise()
        is_cancelling = super().cancel(msg)
        if is_cancelling and isinstance(self.first_awaited, asyncio.Future):
            self.first_awaited.cancel(msg)
        return is_cancelling

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        self.initialise()
        super().add_done_callback(fn, context=context)

    def __repr__(self) -> str:
        return f"<GateTask inline {self.coroutine!r}>" if self.is_lazy else super().__repr__()

    def initialise(self) -> None:
        """Make this a real Task; harmless when it is one."""
        if self.is_lazy:
            self.is_lazy = False
            self.owner.initialise_task(self)


class FirstWake:
    """Done callback of the future that an inline start suspended on.

    Its `__self__` is the task, so that the hook routes it as one of the task's own wakeups.
    """

    __slots__ = ("__self__",)

    def __init__(self, task: GateTask) -> None:
        self.__self__ = task

    def __call__(self, future: asyncio.Future[Any] | None = None) -> None:
        task = self.__self__
        task.first_awaited = None
        # Taken away: it holds the task, which would wait for the garbage collector.
        step, task.step = task.step, None
        assert step is not None, "an adopted task has its captured step"
        step()


def bare_task(
    owner: TaskOwner, scope: Scope, coroutine: Coroutine[Any, Any, Any], context: Context | None
) -> GateTask:
    """A task whose Task.__init__ has not been called."""
    task = GateTask.__new__(GateTask)
    task.owner = owner
    task.scope = scope
    task.coroutine = coroutine
    task.context = context
    task.is_lazy = True
    task.is_started = False
    return task


def initialise_base(
    task: GateTask,
    *,
    loop: asyncio.AbstractEventLoop,
    name: str | None = None,
    context: Context | None = None,
) -> None:
    """Task.__init__, which schedules the first step by `loop.call_soon`."""
    task.is_lazy = False
    initialise = cast("Any", asyncio.Task).__init__
    initialise(task, task.coroutine, loop=loop, name=name, context=context)


def forget_task(task: GateTask) -> None:
    """Have asyncio forget a task that will never be stepped again, or Runner.close waits for it."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    asyncio.tasks._unregister_task(task)


if sys.version_info >= (3, 12):
    from asyncio.tasks import _swap_current_task

    def swap_current_task(
        loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None
    ) -> asyncio.Task[Any] | None:
        """Make `task` the current one; returns the one before."""
        if task is None and asyncio.current_task(loop) is None:
            return None  # 3.12.1 raises KeyError for a swap of nothing with nothing
        before: asyncio.Task[Any] | None = _swap_current_task(loop, task)
        return before

else:
    # Documented for third-party tasks, underscores and all.
    from asyncio.tasks import _enter_task, _leave_task  # pyright: ignore[reportPrivateUsage]

    def swap_current_task(
        loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None
    ) -> asyncio.Task[Any] | None:
        """Make `task` the current one; returns the one before."""
        before = asyncio.current_task(loop)
        if before is not None:
            _leave_task(loop, before)
        if task is not None:
            _enter_task(loop, task)
        return before
