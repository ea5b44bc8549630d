"""One live object: an instance of its class, its storage and its gates.

Theory of operation. A LiveObject is made by the first event for its id and holds the root gate
until its storage is open and its constructor has run, so that nothing is delivered before. It
ends in one of two ways. *Eviction*: it is idle, nothing is lost, and stubs find the next
instance. *Reset* (`broken`): the constructor or a critical section failed, a commit failed, or
its code called abort; storage is shut at once, what was not committed is lost, callers get the
reason, and stubs that were connected stay broken.

Durable is only what its storage committed. A crash at any point leaves exactly that.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from boomtown.actors.runtime import critical_sections
from boomtown.actors.runtime.actor_class import ActorClass
from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.container_port import Command
from boomtown.actors.runtime.durable_object import AlarmInfo, DurableObject, DurableObjectState
from boomtown.actors.runtime.environment import Env
from boomtown.actors.runtime.exchange import Response
from boomtown.actors.runtime.hibernation import ObjectSockets
from boomtown.actors.runtime.loop_hook import LoopHook
from boomtown.actors.runtime.object_alarm import AlarmStart
from boomtown.actors.runtime.object_container import ObjectContainer
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.object_ids import NAME_BYTES_MAX, DurableObjectId
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.replies import Finish, keep
from boomtown.actors.runtime.rpc_values import RpcMethod, copy_value
from boomtown.actors.runtime.runtime_errors import DurableObjectError, as_reset, reset_error
from boomtown.actors.runtime.schedule_table import Schedule
from boomtown.actors.runtime.socket_ends import SocketEnd
from boomtown.actors.runtime.storage_backend import ObjectStorage, StorageBackend
from boomtown.actors.runtime.web_sockets import hand_over
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

T = TypeVar("T")


class Stage(enum.StrEnum):
    """Where an instance is in its life; only forward, and not every stage is passed."""

    STARTING = "starting"
    READY = "ready"
    BROKEN = "broken"
    EVICTED = "evicted"


class LiveObject:
    """Satisfies ports.ObjectGate for its storage, and StateOwner for its `ctx`."""

    def __init__(
        self,
        key: ObjectKey,
        name: str | None,
        actor_class: ActorClass,
        *,
        hook: LoopHook,
        clock: Clock,
        limits: RuntimeLimits,
        sockets_of: Callable[[ObjectKey, str | None], ObjectSockets],
        container_of: Callable[[LiveObject, Command | None], ObjectContainer | None],
        on_broken: Callable[[LiveObject], None],
    ) -> None:
        self.key = key
        self.name = name
        self.stage: Stage = Stage.STARTING
        self.seen_tick = 0
        self.was_used = False  # satisfies open_databases.Evictable, with the next and is_busy
        self.prevents_eviction: bool = actor_class.prevents_eviction
        self.storage: ObjectStorage | None = None
        self.is_alarm_retried: bool = True  # what the last abort said of a running alarm
        self._actor_class = actor_class
        self._clock = clock
        self._limits = limits
        self._sockets_of = sockets_of
        self._container_of = container_of
        self._on_broken = on_broken
        self._instance: DurableObject | None = None
        self.gates: ObjectGates = ObjectGates(
            hook, clock=clock, limits=limits, on_commit=self._commit, on_broken=self._break
        )
        self.gates.root.lock()  # until `start` has ended

    # Life.

    def start(self, backend: StorageBackend, env: Env) -> bool:
        """Open the storage and run the constructor; a failure of either resets the object.
        Whether it has a file open now."""
        gates = self.gates
        if gates.broken is not None:
            return False
        told_name = self.name
        if told_name is not None and len(told_name.encode()) > NAME_BYTES_MAX:
            told_name = None
        try:
            storage = backend.open(self.key, told_name, self, has_alarm=self._actor_class.has_alarm)
        except Exception as error:
            gates.break_with(error)
            return False
        self.storage = storage
        object_id = DurableObjectId(self.key.object_id, name=told_name)
        container = self._container_of(self, self._actor_class.python_class.container)
        ctx = DurableObjectState(self, object_id, storage, container)

        def construct() -> None:
            try:
                self._instance = self._actor_class.construct(ctx, env)
            except Exception as error:
                gates.break_with(error)

        gates.run_turn(construct)
        if gates.broken is None:
            self.stage = Stage.READY
            gates.root.unlock()
        return self.storage is not None

    def is_live(self) -> bool:
        """Whether events may be delivered to this instance."""
        return self.stage in (Stage.STARTING, Stage.READY)

    def is_busy(self) -> bool:
        """Whether evicting now would lose something."""
        return self.stage is Stage.STARTING or self.gates.is_busy()

    def is_unattended(self) -> bool:
        """Whether all that keeps it in memory is work of its own: tasks nobody waits for."""
        gates = self.gates
        return self.stage is Stage.READY and not (
            gates.replies.waited_for()
            or gates.keeps
            or gates.root.locks
            or gates.root.waiters
            or gates.output.chain is not None
        )

    def drop(self) -> None:
        """Evict it though it works: its tasks end as by a reset, and stubs find the next
        instance. What it wrote is committed."""
        self.gates.break_with(reset_error("The object was evicted", retryable=True))
        self.stage = Stage.EVICTED

    def evict(self) -> ObjectStorage | None:
        """Give up an idle instance; returns its storage, to be closed."""
        assert not self.is_busy(), "only an idle object is evicted"
        self.stage = Stage.EVICTED
        return self._drop_storage()

    def take_broken_storage(self) -> ObjectStorage | None:
        """The storage of a reset instance, to be closed."""
        assert self.stage is Stage.BROKEN
        return self._drop_storage()

    def _drop_storage(self) -> ObjectStorage | None:
        storage, self.storage = self.storage, None
        self._instance = None
        return storage

    def _break(self, reason: DurableObjectError) -> None:
        self.stage = Stage.BROKEN
        reason.durable_object_id = reason.durable_object_id or self.key.object_id
        if self.storage is not None:
            self.storage.shut(reason)
        for kept in list(self.gates.keeps):
            if isinstance(kept, SocketEnd):
                kept.disconnect()
        self.gates.keeps.clear()
        self._on_broken(self)

    def _commit(self) -> None:
        if self.storage is not None:
            self.storage.commit()

    # Events.

    def invoke(
        self, method: RpcMethod, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[bool, Any]:
        """Deliver a call, as ObjectGates.invoke; the arguments were copied before."""
        return self._deliver(method, args, kwargs, copy_value)

    def invoke_fetch(self, method: RpcMethod, request: Any) -> tuple[bool, Any]:
        """Deliver a request; the answer's streamed body is read through the object's gate."""
        instance = self._instance
        if instance is not None and method.is_coroutine:
            # As `_deliver`, without its tuple and dict: every request comes this way.
            coroutine = method.function(instance, request)
            return self.gates.invoke(coroutine, self._finish_response)
        return self._deliver(method, (request,), {}, self._finish_response)

    def invoke_alarm(self, info: AlarmInfo) -> tuple[bool, Any]:
        """Deliver the alarm event: (True or a future of) its AlarmOutcome."""
        return self.gates.invoke(self._run_alarm(info), keep)

    def invoke_abandon_alarm(self, scheduled_at_ms: int) -> tuple[bool, Any]:
        """Have the storage clear an alarm that the scheduler gave up."""
        return self.gates.invoke(self._abandon_alarm(scheduled_at_ms), keep)

    def invoke_schedules(self, scheduled_at_ms: int) -> tuple[bool, Any]:
        """Deliver the wake of the object's schedules: (True or a future of) its AlarmOutcome."""
        return self.gates.invoke(self._run_schedules(scheduled_at_ms), keep)

    def invoke_abandon_schedules(self, scheduled_at_ms: int) -> tuple[bool, Any]:
        """Have the object put off schedules whose wake the scheduler gave up."""
        return self.gates.invoke(self._put_off_schedules(scheduled_at_ms), keep)

    def invoke_function(self, function: Callable[[DurableObject], Any]) -> tuple[bool, Any]:
        """Deliver `function(instance)` as an event: of a socket, or a test's; its value is not
        copied, except that a Response's streamed body is read through the object's gate."""

        async def run() -> Any:
            assert self._instance is not None, "the root gate opens after the constructor"
            value = function(self._instance)
            return await value if inspect.isawaitable(value) else value

        def finish(value: Any) -> Any:
            return self._finish_response(value) if isinstance(value, Response) else value

        return self.gates.invoke(run(), finish)

    async def _run_alarm(self, info: AlarmInfo) -> AlarmOutcome:
        storage = self.storage
        assert storage is not None
        if storage.begin_alarm(info.scheduled_time) is AlarmStart.CANCELLED:
            return AlarmOutcome.CANCELLED
        try:
            handler = getattr(self._instance, "alarm")  # noqa: B009 - not every class has it
            await (handler(info) if self._actor_class.alarm_takes_info else handler())
        except Exception as error:
            storage.fail_alarm()
            self.gates.report("The alarm handler of an object failed", error)
            return AlarmOutcome.FAILED
        await storage.finish_alarm()
        return AlarmOutcome.SUCCEEDED

    async def _run_schedules(self, scheduled_at_ms: int) -> AlarmOutcome:
        storage = self.storage
        assert storage is not None
        if storage.schedules.begin(scheduled_at_ms) is AlarmStart.CANCELLED:
            return AlarmOutcome.CANCELLED
        await storage.schedules.run(self._call_scheduled)
        await storage.end_schedules()
        return AlarmOutcome.SUCCEEDED

    async def _call_scheduled(self, schedule: Schedule) -> None:
        try:
            self.check_scheduled(schedule.method)  # the class may have changed since
            instance: Any = self._instance
            answer = (
                instance.on_schedule(schedule.name, schedule.payload)
                if schedule.method is None
                else getattr(instance, schedule.method)(schedule.payload)
            )
            if inspect.isawaitable(answer):
                await answer
        except Exception as error:
            self.gates.report(f"The schedule {schedule.name!r} of an object failed", error)
            raise

    async def _put_off_schedules(self, scheduled_at_ms: int) -> None:
        storage = self.storage
        assert storage is not None
        storage.schedules.give_up(scheduled_at_ms)
        await storage.end_schedules()

    async def _abandon_alarm(self, scheduled_at_ms: int) -> None:
        assert self.storage is not None
        await self.storage.abandon_alarm(scheduled_at_ms)

    def _deliver(
        self, method: RpcMethod, args: tuple[Any, ...], kwargs: Mapping[str, Any], finish: Finish
    ) -> tuple[bool, Any]:
        if self._instance is not None and method.is_coroutine:
            return self.gates.invoke(method.function(self._instance, *args, **kwargs), finish)
        return self.gates.invoke(self._run(method, args, kwargs), finish)

    async def _run(
        self, method: RpcMethod, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """An event that finds its instance when its turn comes, or a method that is no
        coroutine function."""
        assert self._instance is not None, "the root gate opens after the constructor"
        value = method.function(self._instance, *args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    def _finish_response(self, response: Any) -> Response:
        if not isinstance(response, Response):
            raise TypeError(f"fetch() returned {type(response).__name__}, not a Response")
        body = response.body
        if not isinstance(body, bytes):
            body = _GatedBody(self, body)
        web_socket = None if response.web_socket is None else hand_over(response.web_socket)
        return response.copy_with(body, web_socket)

    # What the storage and the state ask for.

    @property
    def sockets(self) -> ObjectSockets:
        """The object's hibernatable sockets, which outlive this instance."""
        return self._sockets_of(self.key, self.name)

    def check_turn(self, what: str) -> None:
        """Raise unless the code that runs now is a turn of this live object."""
        gates = self.gates
        if gates.hook.turn is not gates or gates.broken is not None:
            gates.check_turn(what)

    def check_scheduled(self, method: str | None) -> None:
        """TypeError unless the class has a method for a schedule to call."""
        self._actor_class.check_scheduled(method)

    def request_commit(self) -> None:
        """Have the storage's commit called when the present turn ends."""
        self.gates.is_dirty = True

    def hold_output(self, durable: Promise) -> None:
        """Lock the output gate until `durable` is done."""
        self.gates.output.lock_while(durable)

    def reset(self, reason: Exception) -> None:
        """Break the object; callers get `reason`."""
        self.gates.break_with(reason)

    def abort(self, reason: Exception, *, retry_alarm: bool) -> None:
        """Break the object, saying whether a running alarm is retried."""
        self.is_alarm_retried = retry_alarm
        self.gates.break_with(as_reset(reason))

    def block_concurrency_while(self, callback: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Run `callback` as a critical section of the present turn's scope."""
        return critical_sections.block_concurrency_while(
            self.gates, callback, clock=self._clock, limits=self._limits
        )


class _GatedBody:
    """An async iterator that lives in an object, read from outside: each part is an event."""

    def __init__(self, live: LiveObject, parts: AsyncIterator[bytes]) -> None:
        self._live = live
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        is_done, value = self._live.gates.invoke(self._next_part(), keep)
        part: bytes | None = value if is_done else await value
        if part is None:
            raise StopAsyncIteration
        return part

    async def _next_part(self) -> bytes | None:
        async for part in self._parts:
            return part
        return None
