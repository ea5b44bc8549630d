"""The turns of one object: every entry into its code, and everything that leaves it.

Theory of operation. A *turn* is one entry into the object's code until nothing of it is runnable
from inside: a step of a task and the microtasks that it caused. Turns are synchronous, run on the
loop's thread, and never nest; `hook.turn` names the object meanwhile. A turn is begun by `invoke`
(an event, in the caller's own stack when the root gate is free), or by `enter` (a task of the
object wakes). At its end, in this order: its writes are committed (`on_commit`, which may lock
the output gate), replies and outgoing calls of the turn leave through the output gate as it is
now, finished critical sections give up their holds, and a free gate wakes its next waiter.

A reply is a future of its own, never the task: a caller that goes away does not touch the work,
and one that goes away while its event still waits has it skipped. The value of a reply is copied
(`finish`) in the turn in which the handler returns, before anything else of the object can run.

`break_with` resets the object: replies fail at once, tasks are cancelled before each further
step, and a task that swallows that CANCELS_SWALLOWED_MAX times is abandoned. Nothing may wait at
a gate of a broken object, or it would wait for ever.

Nothing here is durable, and storage is known only by the two callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, cast

from boomtown.actors.runtime.gate_tasks import (
    CANCELS_SWALLOWED_MAX,
    FirstWake,
    GateTask,
    bare_task,
    forget_task,
    initialise_base,
    swap_current_task,
)
from boomtown.actors.runtime.input_gate import Scope
from boomtown.actors.runtime.loop_hook import LoopHook, Microtask
from boomtown.actors.runtime.output_gate import OutputGate
from boomtown.actors.runtime.replies import Finish, Replies, Reply, for_the_outside
from boomtown.actors.runtime.runtime_errors import (
    DurableObjectError,
    ObjectReset,
    OutsideTurnError,
    as_reset,
    reset_error,
)
from boomtown.actors.runtime.waiting_frames import waiting_frames_of
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

STEPS_BETWEEN_LOOKS = 64  # of a drain at the clock, in microtasks


class ObjectGates:
    """The gates and tasks of one live object."""

    __slots__ = (
        "_clock",
        "_departures",
        "_on_broken",
        "_on_commit",
        "_settled",
        "broken",
        "capturing",
        "hook",
        "is_dirty",
        "keeps",
        "limits",
        "loop",
        "microtasks",
        "outbound",
        "output",
        "releases",
        "replies",
        "root",
        "scope",
        "tasks",
    )

    def __init__(
        self,
        hook: LoopHook,
        *,
        clock: Clock,
        limits: RuntimeLimits,
        on_commit: Callable[[], None],
        on_broken: Callable[[DurableObjectError], None],
    ) -> None:
        self.hook: LoopHook = hook
        self.loop: asyncio.AbstractEventLoop = hook.loop
        self.root: Scope = Scope(hook.call_soon)
        self.scope: Scope = self.root  # the scope of the present or last turn
        self.output: OutputGate = OutputGate(
            clock=clock,
            lock_ms_max=limits.output_lock_ms_max,
            waiting=lambda: waiting_frames_of(self.tasks),
            on_broken=self.break_with,
        )
        self.broken: DurableObjectError | None = None
        self.capturing: GateTask | None = None
        self.microtasks: list[Microtask] = []
        self.tasks: dict[GateTask, None] = {}  # in the order of their making
        self.replies: Replies = Replies(hook, self.output)
        # None where there is nothing: looked at in every turn, and empty lists are in no cache.
        self.releases: list[Scope] | None = None  # holds that end with this turn
        self.is_dirty: bool = False
        self.limits: RuntimeLimits = limits
        self.keeps: dict[object, None] = {}  # open sockets: what must not be evicted
        self.outbound: object | None = None  # the host's OutboundCalls
        self._settled: list[tuple[Reply, Any, BaseException | None]] | None = None
        self._departures: list[Callable[[], None]] | None = None
        self._clock = clock
        self._on_commit = on_commit
        self._on_broken = on_broken

    # What the storage and the state of the object ask for.

    def check_turn(self, what: str) -> None:
        """Raise unless a turn of this live object runs now."""
        if self.hook.turn is not self:
            raise OutsideTurnError(
                f"{what} used outside a turn of its object; a raw callback or a thread must "
                "start a task of the object (asyncio.create_task) instead"
            )
        if self.broken is not None:
            raise reset_error(f"{what}: storage is no longer accessible after a reset")

    def request_commit(self) -> None:
        """Have `on_commit` called once, when the present turn ends."""
        self.is_dirty = True

    def is_busy(self) -> bool:
        """Whether an eviction would lose something: a task, an event, a write on its way."""
        return bool(
            (self.tasks or self.keeps or self.replies.waited_for())
            or (self.root.locks or self.root.waiters or self.root.sections)
            or (self.output.chain is not None or self.hook.turn is self)
        )

    def pending(self) -> list[asyncio.Future[Any]]:
        """What an idle object has not: its tasks, open replies and the commit on its way."""
        chain = self.output.chain
        return [*self.tasks, *self.replies.waited_for(), *([chain.as_future()] if chain else [])]

    def report(self, message: str, error: Exception) -> None:
        """Hand an error that nobody awaits to the loop's exception handler, which logs it."""
        with self.hook.outside_turn():
            self.loop.call_exception_handler({"message": message, "exception": error})

    # Tasks.

    def new_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> GateTask:
        """A task of the present turn, in its scope."""
        task = bare_task(self, self.scope, coroutine, None)
        initialise_base(
            task, loop=self.loop, name=options.get("name"), context=options.get("context")
        )
        self.tasks[task] = None
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, scope: Scope | None = None) -> GateTask:
        """A task from outside a turn; its first step asks at the gate like any other."""
        task = bare_task(self, scope or self.root, coroutine, None)
        with self.hook.outside_turn():
            initialise_base(task, loop=self.loop)
        self.tasks[task] = None
        return task

    def initialise_task(self, task: GateTask) -> None:
        """Make the identity of an inline start a real task, keeping its first step unrun."""
        self.capturing = task
        try:
            with self.hook.outside_turn():
                initialise_base(task, loop=self.loop, context=task.context)
        finally:
            self.capturing = None
        self.tasks[task] = None

    # Turns that a task's wakeup begins.

    def enter(
        self,
        task: GateTask,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        """Run a step of a task once its gate lets it."""
        scope = task.scope.current()
        if scope.locks and self.broken is None:
            scope.wait(lambda granted: self._run_step(granted, task, callback, args, context))
        else:
            self._run_step(scope, task, callback, args, context)

    def _run_step(
        self,
        scope: Scope,
        task: GateTask,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        if self.broken is not None and not self._cancel_before_step(task):
            return
        self.hook.turn = self
        self.scope = scope
        try:
            self._call(task, callback, args, context or copy_context())
            if self.microtasks:
                self._drain()
        finally:
            self._end_turn(scope)

    def _cancel_before_step(self, task: GateTask) -> bool:
        """Whether a task of a reset object is still to be stepped; it is, to run its `finally`."""
        if task.done():
            self.tasks.pop(task, None)
            return False
        task.swallowed_cancels += 1
        if task.swallowed_cancels > CANCELS_SWALLOWED_MAX:
            self.tasks.pop(task, None)
            forget_task(task)
            return False
        if not cast(Any, task)._must_cancel:
            # Not our own `cancel`: the future that it waits for is done.
            cast("Any", asyncio.Task).cancel(task)
        return True

    def _call(
        self,
        task: GateTask | None,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
    ) -> None:
        try:
            context.run(callback, *args)
        except Exception as error:
            self.report("A callback of an object failed", error)
        if task is not None:
            task.scope = self.scope
            if not task.is_lazy and task.done():
                self._task_ended(task)

    def _task_ended(self, task: GateTask) -> None:
        self.tasks.pop(task, None)
        if task.on_end is not None:
            task.on_end(task)
        elif not task.cancelled() and self.broken is not None:
            task.exception()  # retrieved: a reset object's tasks are nobody's news

    def _drain(self) -> None:
        """Run the microtasks of the turn; past the bound, go on in the loop's next pass with the
        gate held."""
        microtasks = self.microtasks
        deadline_ms = self._clock.monotonic_ms() + self.limits.drain_ms_max
        steps = 0
        try:
            while steps < len(microtasks):
                task, callback, args, context = microtasks[steps]
                steps += 1
                is_ending = self.broken is not None and task is not None and not task.done()
                if is_ending and task is not None and not self._cancel_before_step(task):
                    continue
                self._call(task, callback, args, context)
                if steps >= self.limits.drain_steps_max or (
                    steps % STEPS_BETWEEN_LOOKS == 0 and self._clock.monotonic_ms() > deadline_ms
                ):
                    break
        finally:
            del microtasks[:steps]
        if microtasks:
            self.scope.lock()
            self.hook.call_soon(self._drain_on, self.scope)

    def _drain_on(self, scope: Scope) -> None:
        self.hook.turn = self
        self.scope = scope.current()
        try:
            self._drain()
        finally:
            self.releases = [*(self.releases or ()), scope]
            self._end_turn(scope)

    def _end_turn(self, entered: Scope) -> None:
        self.hook.turn = None
        if self.is_dirty:
            self.commit()
        if self._settled is not None:
            settled, self._settled = self._settled, None
            for reply, value, error in settled:
                self.replies.deliver(reply, value, error)
        if self._departures is not None:
            departures, self._departures = self._departures, None
            for depart in departures:
                depart()
        if self.releases is not None:
            releases, self.releases = self.releases, None
            for scope in releases:
                scope.unlock()
        if self.broken is None:
            self.scope.pump()
            if self.scope is not entered:
                entered.pump()

    def commit(self) -> None:
        """Have what the turn has written so far committed; what it writes later is another."""
        self.is_dirty = False
        if self.broken is not None:
            return
        try:
            self._on_commit()
        except Exception as error:
            self.break_with(error)

    def run_turn(self, work: Callable[[], None]) -> None:
        """Run `work` as a turn of the root, whether it is locked or not: the constructor."""
        before = swap_current_task(self.loop, None)
        self.hook.turn = self
        self.scope = self.root
        try:
            work()
            self._drain()
        finally:
            swap_current_task(self.loop, before)
            self._end_turn(self.root)

    # Events.

    def invoke(self, coroutine: Coroutine[Any, Any, Any], finish: Finish) -> tuple[bool, Any]:
        """Start an event: (True, value) when it ended in its first turn with nothing to wait
        for, else (False, a future of the value).

        Runs in the caller's stack when the gate is free and no turn runs. Raises what the handler
        raised, or the reset's reason.
        """
        if self.broken is not None:
            coroutine.close()
            raise self.broken.copy()
        if self.root.locks or self.hook.turn is not None:
            return False, self._queue_event(coroutine, finish)
        value, error, reply = self._begin(coroutine, finish, None)
        if reply is not None:
            return False, reply
        if self.broken is not None:
            raise self.broken.copy()
        if self.output.chain is not None:
            reply = self.replies.new()
            self.replies.deliver(reply, value, error)
            return False, reply
        if error is not None:
            raise for_the_outside(error)
        return True, value

    def _queue_event(self, coroutine: Coroutine[Any, Any, Any], finish: Finish) -> Reply:
        with self.hook.outside_turn():
            reply = self.replies.new()
        context = copy_context()  # the caller's, as of an event that need not wait

        def granted(_: Scope) -> None:
            if reply.done():  # the caller gave up, or the object was reset
                self.replies.drop(reply)
                coroutine.close()
                return
            value, error, given = context.run(self._begin, coroutine, finish, reply)
            if given is None:
                self.replies.deliver(reply, value, error)

        if self.root.locks:
            self.root.wait(granted)
        else:
            self.hook.call_soon(self._ask, granted)
        return reply

    def _ask(self, waiter: Callable[[Scope], None]) -> None:
        if self.root.locks and self.broken is None:
            self.root.wait(waiter)
        else:
            waiter(self.root)

    def _begin(
        self, coroutine: Coroutine[Any, Any, Any], finish: Finish, reply: Reply | None
    ) -> tuple[Any, BaseException | None, Reply | None]:
        """The first turn of an event. Returns the reply when the event goes on after it, else
        its value or error."""
        loop = self.loop
        context = copy_context()
        task = bare_task(self, self.root, coroutine, context)
        task.is_started = True
        before = swap_current_task(loop, task)
        self.hook.turn = self
        self.scope = self.root
        value: Any = None
        error: BaseException | None = None
        has_ended = True
        try:
            try:
                awaited = context.run(coroutine.send, None)
            except StopIteration as stop:
                value = finish(stop.value)
            except (Exception, ObjectReset, asyncio.CancelledError) as raised:
                error = raised
            else:
                has_ended = False
                reply = self._adopt(task, awaited, finish, reply)
            if has_ended and not task.is_lazy:
                self._retire(task)
            if self.microtasks:
                swap_current_task(loop, None)
                self._drain()
        except Exception as uncopied:  # `finish` refused the value
            error = uncopied
        finally:
            swap_current_task(loop, before)
            self._end_turn(self.root)
        return value, error, None if has_ended else reply

    def _adopt(self, task: GateTask, awaited: Any, finish: Finish, reply: Reply | None) -> Reply:
        """Go on as a real task, which waits for what the inline start was given."""
        with self.hook.outside_turn():
            reply = reply or self.replies.new()
        task.reply = reply
        task.on_end = self._settling(reply, finish)
        task.initialise()
        task.scope = self.scope
        wake = FirstWake(task)
        if awaited is None:  # a bare yield: let others run
            task.first_awaited = True
            self.hook.call_soon(self.enter, task, wake, (), task.context)
        elif getattr(awaited, "_asyncio_future_blocking", None):
            awaited._asyncio_future_blocking = False
            task.first_awaited = awaited
            awaited.add_done_callback(wake, context=task.context)
            if cast(Any, task)._must_cancel or self.broken is not None:
                awaited.cancel()
        else:
            raise AssertionError(f"an event yielded {awaited!r}, which is no future of asyncio")
        return reply

    def _retire(self, task: GateTask) -> None:
        """An event that touched its task ended inline: nobody will step the task."""
        self.tasks.pop(task, None)
        forget_task(task)
        task.is_lazy = True

    def _settling(self, reply: Reply, finish: Finish) -> Callable[[GateTask], None]:
        def settle(task: GateTask) -> None:
            value: Any = None
            error: BaseException | None
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                try:
                    value = finish(task.result())
                except Exception as uncopied:
                    error = uncopied
            self._settled = [*(self._settled or ()), (reply, value, error)]

        return settle

    # What leaves.

    def depart(self, begin: Callable[[], None]) -> None:
        """Run `begin` on the host once everything that this turn and those before it wrote is
        durable; never, when that fails. In the order of the calls."""

        def leave(failure: Exception | None) -> None:
            if failure is None and self.broken is None:
                self.hook.call_soon(begin)

        self._departures = [*(self._departures or ()), lambda: self.output.when_open(leave)]

    # The end.

    def break_with(self, reason: Exception) -> None:
        """Reset the object: from now on callers get `reason`, and its code is ended."""
        if self.broken is not None:
            return
        self.broken = broken = as_reset(reason)
        with self.hook.outside_turn():
            try:
                self._on_broken(broken)
            finally:  # nobody waits for ever because of what failed in it
                self._end_all(broken)

    def _end_all(self, broken: DurableObjectError) -> None:
        self.replies.fail_all(broken)
        current = asyncio.current_task(self.loop)
        scopes: dict[Scope, None] = {self.root: None}
        for task in list(self.tasks):
            scope: Scope | None = task.scope
            while scope is not None:
                scopes[scope] = None
                scope = scope.parent
            if task is not current and not task.done():
                task.cancel()
        for scope in scopes:
            for waiter in scope.take_waiters():
                self.hook.call_soon(waiter, scope)  # it sees the reset and gives up
