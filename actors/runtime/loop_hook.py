"""Sends every step of an object's tasks through the object's gate, by one method of the loop.

Theory of operation (the mechanism R of the gates' specification). Each step and each wakeup of a
task reaches the loop by `loop.call_soon`, in C as in Python, from 3.11 to 3.13. `install_hook`
replaces that method on the loop's instance and decides for each callback:

- a step of a GateTask whose object's turn runs, woken by a future of that turn or new: it is a
  *microtask* and runs before the turn ends, as in JavaScript;
- any other step of a GateTask (real I/O, a timer, another object, a bare yield): it asks at its
  gate in the loop's next pass;
- inside a turn, a callback whose only argument is a future: the done callbacks of gather, wait,
  shield and task groups; microtasks too. Only these: anyio's cancellation re-schedules itself by
  a call without arguments until its scope is empty, and would never end as a microtask;
- everything else goes to the loop as it is.

`turn` names the object whose code runs on this loop now. Host code that makes tasks or futures
inside a turn clears it first (`outside_turn`), or its callbacks become the object's.

Weak references to an async generator die before its finalizer hook is called, so generators are
remembered by id, and the entry is dropped a pass later. Loops install their own generator hooks
when they start: ours wraps them, and is set once per running loop.

Nothing is durable. Not hooked, and refused by the storage instead: callbacks of call_later and
add_reader, threads, tasks that a library makes by `asyncio.Task(...)` itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Protocol

from boomtown.actors.runtime.gate_tasks import GateTask, TaskOwner

Microtask = tuple[GateTask | None, Callable[..., object], tuple[Any, ...], Context]

_HOOK_ATTRIBUTE = "_boomtown_hook"


class TurnOwner(TaskOwner, Protocol):
    """What the hook needs of an object (object_gates.py)."""

    capturing: GateTask | None  # the task that is being initialised after its inline start
    microtasks: list[Microtask]

    def enter(
        self,
        task: GateTask,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        """Run a step of a task once its gate lets it."""
        ...

    def new_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> GateTask:
        """Make a task of the present turn."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> GateTask:
        """Make a task from outside a turn."""
        ...


class LoopHook:
    """The hook of one event loop; install_hook makes it."""

    __slots__ = ("__weakref__", "_generators", "call_soon", "loop", "turn")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.turn: TurnOwner | None = None
        # The loop's own method, unhooked.
        self.call_soon: Callable[..., asyncio.Handle] = loop.call_soon
        self._generators: dict[int, tuple[TurnOwner, weakref.ref[Any]]] = {}

    @contextlib.contextmanager
    def outside_turn(self) -> Generator[None, None, None]:
        """Run host code inside a turn without its callbacks becoming the object's."""
        turn, self.turn = self.turn, None
        try:
            yield
        finally:
            self.turn = turn

    def install(self) -> None:
        loop = self.loop
        hooked = _hooked_call_soon(self)
        loop.call_soon = hooked  # type: ignore[method-assign,assignment]
        if loop.call_soon is not hooked:
            raise RuntimeError(f"{type(loop).__name__} does not let its call_soon be replaced")
        loop.set_task_factory(_task_factory(self, loop.get_task_factory()))
        self._watch_generators()

    def _watch_generators(self) -> None:
        before = sys.get_asyncgen_hooks()

        def first_iterated(generator: AsyncGenerator[Any, Any]) -> None:
            if self.turn is not None:
                key = id(generator)
                reference = weakref.ref(generator, lambda gone: self._forget_soon(key, gone))
                self._generators[key] = (self.turn, reference)
            if before.firstiter is not None:
                before.firstiter(generator)

        def finalized(generator: AsyncGenerator[Any, Any]) -> None:
            owner, _ = self._generators.pop(id(generator), (None, None))
            if owner is not None:
                self.loop.call_soon_threadsafe(owner.spawn, _close_generator(generator))
            elif before.finalizer is not None:
                before.finalizer(generator)

        sys.set_asyncgen_hooks(first_iterated, finalized)

    def _forget_soon(self, key: int, reference: weakref.ref[Any]) -> None:
        def forget() -> None:
            entry = self._generators.get(key)
            if entry is not None and entry[1] is reference:
                del self._generators[key]

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody will look again
            self.loop.call_soon_threadsafe(forget)


def install_hook(loop: asyncio.AbstractEventLoop) -> LoopHook:
    """The hook of `loop`, which must be running; installed at the first call.

    Raises RuntimeError when the loop cannot be hooked, or when something replaced `call_soon`
    after us without chaining.
    """
    hook = find_hook(loop)
    if hook is None:
        hook = LoopHook(loop)
        hook.install()
        setattr(loop, _HOOK_ATTRIBUTE, hook)
    _verify(hook)
    return hook


def find_hook(loop: asyncio.AbstractEventLoop) -> LoopHook | None:
    """The hook that was installed on `loop`."""
    hook: LoopHook | None = getattr(loop, _HOOK_ATTRIBUTE, None)
    return hook


def _verify(hook: LoopHook) -> None:
    """A done callback scheduled inside a turn must arrive at the turn's microtasks."""
    probe = _Probe()
    turn, hook.turn = hook.turn, probe
    try:
        future: asyncio.Future[None] = hook.loop.create_future()
        hook.loop.call_soon(_ignore, future)
    finally:
        hook.turn = turn
    if not probe.microtasks:
        raise RuntimeError("loop.call_soon was replaced: objects would run outside their gates")


def _ignore(_: asyncio.Future[None]) -> None:
    return None


class _Probe:
    """An object of no code, for _verify."""

    def __init__(self) -> None:
        self.capturing: GateTask | None = None
        self.microtasks: list[Microtask] = []

    def initialise_task(self, task: GateTask) -> None:
        raise AssertionError("a probe has no tasks")

    def enter(
        self,
        task: GateTask,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        raise AssertionError("a probe has no tasks")

    def new_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> GateTask:
        raise AssertionError("a probe has no tasks")

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> GateTask:
        raise AssertionError("a probe has no tasks")


def _hooked_call_soon(hook: LoopHook) -> Callable[..., Any]:
    """The replacement of `loop.call_soon`: a closure, since it runs for every callback."""
    real = hook.call_soon
    # Handed out for microtasks; cancelling it does nothing, and only C code asks for handles here.
    no_handle = asyncio.Handle(_no_callback, (), hook.loop)
    is_future = asyncio.isfuture

    def call_soon(
        callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        task: Any = getattr(callback, "__self__", None)
        if type(task) is GateTask:
            owner: TurnOwner = task.owner
            if owner.capturing is task:
                task.step = callback
                return no_handle
            if hook.turn is owner and (args or not task.is_started):
                task.is_started = True
                owner.microtasks.append((task, callback, args, context or copy_context()))
                return no_handle
            task.is_started = True
            return real(owner.enter, task, callback, args, context)
        turn: Any = hook.turn
        if (
            turn is not None
            and len(args) == 1
            and is_future(args[0])
            and not isinstance(task, asyncio.Task)
        ):
            turn.microtasks.append((None, callback, args, context or copy_context()))
            return no_handle
        return real(callback, *args, context=context)

    return call_soon


def _task_factory(hook: LoopHook, before: Any) -> Callable[..., Any]:
    def make_task(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Future[Any]:
        turn = hook.turn
        if turn is not None:
            return turn.new_task(coroutine, **options)
        if before is not None:
            made: asyncio.Future[Any] = before(loop, coroutine, **options)
            return made
        return asyncio.Task(coroutine, loop=loop, **options)

    return make_task


def _no_callback() -> None:
    return None


async def _close_generator(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
