"""All objects of one data directory: finds or makes the instance for each call, and ends them.

Theory of operation. At most one instance of an object is live: `_live` holds it, and a file that
is still being closed (`_closing`) is waited for before it is opened again. An instance is made by
the first call for its id, synchronously where nothing is being closed and there is room for one
more open file (open_databases.py), and its first events wait at its root gate. It leaves `_live`
by eviction, when it was idle for `limits.idle_ms` or must make room; by a forced one, when nobody
has called it for `limits.forced_eviction_ms` and only tasks of its own keep it (idle_wheel.py); or
by a reset. Its file is then closed by a task of the host.

Calls from inside an object are *outgoing* (outgoing_calls.py). What outlives an instance is kept
beside it, by its key: sockets that hibernate (hibernation.py) and its container
(container_slots.py).

`start` loads the alarm index and fires what is overdue; `aclose` evicts everything, makes durable
what was committed, and then drops what still runs. A host that is not closed, but killed, loses
nothing that was acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from boomtown.actors.runtime import alarm_events
from boomtown.actors.runtime.actor_class import ActorClass
from boomtown.actors.runtime.alarm_index import AlarmRow
from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.container_port import Command, ContainersPort
from boomtown.actors.runtime.container_slots import ContainerSlots
from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.environment import Env, ServiceBinding, binding_name
from boomtown.actors.runtime.exchange import Request, Response
from boomtown.actors.runtime.hibernation import HostSockets
from boomtown.actors.runtime.idle_wheel import Idler, IdleWheel
from boomtown.actors.runtime.instance import LiveObject, Stage
from boomtown.actors.runtime.local_backend import make_local_backend
from boomtown.actors.runtime.loop_hook import LoopHook, install_hook
from boomtown.actors.runtime.namespace import Connection, Namespace
from boomtown.actors.runtime.object_container import ObjectContainer
from boomtown.actors.runtime.open_databases import Evictable, OpenDatabases
from boomtown.actors.runtime.outgoing_calls import HostCalls
from boomtown.actors.runtime.outgoing_fetch import HttpClient
from boomtown.actors.runtime.ports import (
    CommitPathKind,
    Durability,
    Instrument,
    ObjectKey,
    SilentInstrument,
)
from boomtown.actors.runtime.rpc_values import RpcMethod
from boomtown.actors.runtime.runtime_errors import DurableObjectError, for_caller, reset_error
from boomtown.actors.runtime.storage_backend import ObjectStorage, StorageBackend
from boomtown.clock import Clock
from boomtown.entropy import Entropy, Secrets
from boomtown.limits import RuntimeLimits


class HostStatistics(msgspec.Struct, frozen=True):
    """A host at one moment."""

    live_objects: int
    closing_objects: int
    open_databases: int  # those being closed included
    outgoing_calls: int
    busy_objects: int


class Host:
    """The objects of `classes`, kept in `data_dir`. Started on the loop that it then belongs to.

    `bindings` are handed to objects as they are; `services` are ports, whose calls leave through
    the calling object's output gate. `unique_keys` overrides a class's name as the key of its
    ids. Objects of the classes in `prevent_eviction` stay in memory until the host ends.
    """

    # Why nothing becomes durable any more. Told to `on_failure` once: the host is of no use then.
    failure: DurableObjectError | None = None

    def __init__(
        self,
        *,
        classes: Mapping[str, type[DurableObject]],
        data_dir: Path,
        clock: Clock,
        entropy: Entropy,
        secrets: Secrets,
        durability: Durability = Durability.FULL,
        commit_path: CommitPathKind = CommitPathKind.LOG,
        limits: RuntimeLimits | None = None,
        bindings: Mapping[str, Any] | None = None,
        services: Mapping[str, object] | None = None,
        instrument: Instrument | None = None,
        unique_keys: Mapping[str, str] | None = None,
        backend: StorageBackend | None = None,
        prevent_eviction: Collection[str] = (),
        http_client: HttpClient | None = None,
        containers: ContainersPort | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.limits: RuntimeLimits = limits or RuntimeLimits()
        self._clock = clock
        self._secrets = secrets
        self._instrument = instrument or SilentInstrument()
        self.on_failure: Callable[[DurableObjectError], None] = lambda _: None
        self._hook: LoopHook | None = None
        self._is_closing = False
        self._live: dict[ObjectKey, LiveObject] = {}
        self._closing: dict[ObjectKey, asyncio.Task[None]] = {}
        self._sockets = HostSockets(self._find_or_activate, clock=clock, limits=self.limits)
        self._calls = HostCalls(
            self.connect, clock=clock, limits=self.limits, http_client=http_client
        )
        self._containers = ContainerSlots(containers, clock=clock)
        self._wheel = IdleWheel(
            clock,
            idle_ms=self.limits.idle_ms,
            evictions_per_sweep_max=self.limits.evictions_per_sweep_max,
            forced_eviction_ms=self.limits.forced_eviction_ms,
            evict=self._evict_idle,
            drop=self._drop_unattended,
        )
        self._databases = OpenDatabases(
            databases_max=self.limits.open_databases_max, evict=self._evict_idle
        )
        self._classes = {
            name: ActorClass(name, kind, prevents_eviction=name in prevent_eviction)
            for name, kind in classes.items()
        }
        self._namespaces = {
            name: Namespace(
                self, kind, unique_key=(unique_keys or {}).get(name, name), entropy=entropy
            )
            for name, kind in self._classes.items()
        }
        self.env: Env = self._make_env(bindings or {}, services or {})
        self._backend: StorageBackend = backend or make_local_backend(
            data_dir=data_dir,
            classes_with_alarms=[name for name, kind in self._classes.items() if kind.has_alarm],
            durability=durability,
            commit_path=commit_path,
            clock=clock,
            entropy=entropy,
            limits=self.limits,
            instrument=self._instrument,
            on_broken=self._fail,
        )
        self._backend.serve_alarms(self.deliver_alarm, self.abandon_alarm)
        self._backend.serve_schedules(self.deliver_schedules, self.abandon_schedules, self._classes)

    def _make_env(self, bindings: Mapping[str, Any], services: Mapping[str, object]) -> Env:
        named: dict[str, Any] = {
            binding_name(name): namespace for name, namespace in self._namespaces.items()
        }
        for name, value in bindings.items():
            named[name] = value
        for name, service in services.items():
            named[name] = ServiceBinding(service, self._calls)
        assert len(named) == len(self._namespaces) + len(bindings) + len(services), (
            "no two bindings have the same name"
        )
        return Env(named)

    # Life.

    async def start(self) -> None:
        """Belong to the running loop, load the alarm index and fire overdue alarms.

        RuntimeError where the loop cannot be hooked, or the data directory is in use.
        """
        self._hook = install_hook(asyncio.get_running_loop())
        self._calls.start(self._hook)
        await self._backend.start()

    async def aclose(self) -> None:
        """Evict every object, let commits become durable, drop calls that still run.

        An object that is busy is ended as by a reset: its callers get an error that they may
        retry.
        """
        self._is_closing = True
        self._wheel.stop()
        await self._backend.stop_alarms()
        for live in list(self._live.values()):
            if live.is_busy():
                live.reset(reset_error("The host is shutting down", retryable=True))
            else:
                self._evict(live, "shutdown")
        self._sockets.disconnect_all()
        await self._containers.aclose()
        await self._calls.aclose()
        while self._closing:
            await asyncio.wait(list(self._closing.values()))
        await self._backend.aclose()

    async def __aenter__(self) -> Host:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def namespace(self, class_name: str) -> Namespace:
        """The objects of a class; KeyError where it is not registered."""
        return self._namespaces[class_name]

    def _fail(self, error: DurableObjectError) -> None:
        self.failure = error
        self.on_failure(error)

    @property
    def clock(self) -> Clock:
        """The clock that the host was given."""
        return self._clock

    def statistics(self) -> HostStatistics:
        """What is in memory now."""
        return HostStatistics(
            live_objects=len(self._live),
            closing_objects=len(self._closing),
            open_databases=self._databases.count,
            outgoing_calls=len(self._calls),
            busy_objects=sum(1 for live in self._live.values() if live.is_busy()),
        )

    async def evict(
        self, class_name: str, object_id: str, *, disconnects_sockets: bool = False
    ) -> None:
        """Drop an idle object's memory, for tests; returns when its file is closed. Its sockets
        hibernate, unless they are to be disconnected.

        DurableObjectError where it is not live, or busy.
        """
        key = ObjectKey(class_name, object_id)
        live = self._live.get(key)
        if live is None or live.is_busy() or live.prevents_eviction:
            state = "not running" if live is None else "busy, or its class prevents it"
            raise DurableObjectError(f"cannot evict: the object is {state}")
        self._evict(live, "evicted")
        if disconnects_sockets:
            self._sockets.disconnect(key)
        await self._closed(key)

    async def abort(self, class_name: str, object_id: str, reason: str) -> None:
        """Reset an object, for tests; returns when its file is closed."""
        key = ObjectKey(class_name, object_id)
        live = self._live.get(key)
        if live is None:
            raise DurableObjectError("cannot abort: the object is not running")
        live.reset(reset_error(reason))
        await self._closed(key)

    def connect(self, connection: Connection) -> LiveObject:
        """The instance that a stub's next call is delivered to, started where there is none."""
        live = connection.pinned
        if live is None or live.stage is Stage.EVICTED:
            live = self._find_or_activate(connection.key, connection.name)
            connection.pinned = live
            return live
        live.was_used = True
        live.seen_tick = self._wheel.tick
        return live

    def find_live(self, key: ObjectKey) -> LiveObject | None:
        """The instance of an object that is in memory."""
        return self._live.get(key)

    def live_objects(self) -> list[LiveObject]:
        """Every instance that is in memory, the oldest first."""
        return list(self._live.values())

    def class_names(self) -> list[str]:
        """The registered classes, sorted."""
        return sorted(self._classes)

    def list_alarms(self) -> list[AlarmRow]:
        """Every alarm that is set, the earliest first."""
        return self._backend.list_alarms()

    def list_object_ids(self, class_name: str) -> list[str]:
        """The ids of a class that have a file, sorted."""
        return self._backend.list_object_ids(class_name)

    async def erase(self) -> None:
        """Reset every object, then delete all data and all alarms, for tests. Calls that come
        meanwhile fail and may be retried."""
        self._is_closing = True
        try:
            await self._backend.stop_alarms()
            for live in self.live_objects():
                live.reset(reset_error("All objects are deleted", retryable=True))
            while self._closing:
                await asyncio.wait(list(self._closing.values()))
            await self._backend.erase()
        finally:
            self._is_closing = False

    # Calls.

    async def call(
        self,
        connection: Connection,
        method: RpcMethod,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call a method; from inside an object, once what it wrote is durable."""
        args, kwargs = method.copy_arguments(args, kwargs)
        return await self._calls.deliver(connection, lambda live: live.invoke(method, args, kwargs))

    async def fetch(self, connection: Connection, method: RpcMethod, request: Request) -> Response:
        """Deliver a request; from inside an object, once what it wrote is durable."""
        response: Response = await self._calls.deliver(
            connection, lambda live: live.invoke_fetch(method, request)
        )
        return response

    def begin_fetch(
        self, class_name: str, name: str, request: Request
    ) -> tuple[bool, Response | asyncio.Future[Response]]:
        """Deliver a request from outside every object, at once: (True, the answer) where the
        object waited for nothing, else (False, a future of it).

        Raises as a stub's `fetch`, here or, as the object raised it, from the future. For fronts
        that have a callback and no task to wait in; KeyError where the class is not registered.
        """
        assert not self.is_in_turn(), "an object's calls are held until its writes are durable"
        fetch = self._classes[class_name].get_fetch()
        live = self._find_or_activate(self._namespaces[class_name].key_of_name(name), name)
        try:
            return live.invoke_fetch(fetch, request)
        except Exception as error:
            arrived = for_caller(error, object_id=live.key.object_id)
            raise arrived from error.__cause__

    async def deliver_alarm(
        self, key: ObjectKey, name: str | None, scheduled_at_ms: int, retry_count: int
    ) -> AlarmOutcome:
        """Run an object's alarm handler; returns when what it wrote is durable."""
        if not self._classes[key.class_name].has_alarm:
            return AlarmOutcome.DROPPED
        live = self._find_or_activate(key, name)
        return await alarm_events.deliver(
            live,
            scheduled_at_ms=scheduled_at_ms,
            retry_count=retry_count,
            clock=self._clock,
            limit_ms=self.limits.alarm_handler_ms_max,
        )

    async def abandon_alarm(self, key: ObjectKey, name: str | None, scheduled_at_ms: int) -> None:
        """Have an object clear an alarm that is given up; returns when that is durable."""
        await alarm_events.abandon(self._find_or_activate(key, name), scheduled_at_ms)

    async def deliver_schedules(
        self, key: ObjectKey, name: str | None, scheduled_at_ms: int, _: int
    ) -> AlarmOutcome:
        """Run what an object has scheduled; returns when what it wrote is durable."""
        return await alarm_events.deliver_schedules(
            self._find_or_activate(key, name),
            scheduled_at_ms=scheduled_at_ms,
            clock=self._clock,
            limit_ms=self.limits.alarm_handler_ms_max,
        )

    async def abandon_schedules(
        self, key: ObjectKey, name: str | None, scheduled_at_ms: int
    ) -> None:
        """Have an object put its schedules off; returns when that is durable."""
        await alarm_events.abandon_schedules(self._find_or_activate(key, name), scheduled_at_ms)

    def is_in_turn(self) -> bool:
        """Whether an object's code runs now."""
        return self._calls.is_in_turn()

    # Instances.

    def _find_or_activate(self, key: ObjectKey, name: str | None) -> LiveObject:
        live = self._live.get(key)
        if live is None:
            live = self._activate(key, name)
        else:
            live.was_used = True
        live.seen_tick = self._wheel.tick
        return live

    def _activate(self, key: ObjectKey, name: str | None) -> LiveObject:
        if self._hook is None or self._is_closing:
            raise DurableObjectError("The host is not running", retryable=True)
        live = LiveObject(
            key,
            name,
            self._classes[key.class_name],
            hook=self._hook,
            clock=self._clock,
            limits=self.limits,
            sockets_of=self._sockets.get,
            container_of=self._container_of,
            on_broken=self._object_broke,
        )
        live.gates.outbound = self._calls.fetch
        self._live[key] = live
        if not live.prevents_eviction:
            self._wheel.add(live)
        self._instrument.object_started(key)
        closing = self._closing.get(key)
        if closing is None:
            self._databases.open(live, lambda: live.start(self._backend, self.env))
        else:
            closing.add_done_callback(
                lambda _: self._databases.open(live, lambda: live.start(self._backend, self.env))
            )
        return live

    def _container_of(self, live: LiveObject, command: Command | None) -> ObjectContainer | None:
        slot = self._containers.attach(live.key, command)
        return None if slot is None else ObjectContainer(slot, live, self._calls, self._clock)

    def _object_broke(self, live: LiveObject) -> None:
        # Its storage is closed in the next pass: the code that broke it is still on the stack.
        assert self._hook is not None
        if self._live.get(live.key) is live:
            del self._live[live.key]
            self._sockets.disconnect(live.key)
            self._containers.let_go(live.key)
        self._instrument.object_stopped(live.key, "reset")
        storage = live.take_broken_storage()
        if storage is not None:
            self._close_soon(live, storage)

    def _drop_unattended(self, live: Idler) -> None:
        assert isinstance(live, LiveObject)
        if live.is_unattended() and self._sockets.count(live.key) == 0:
            live.drop()

    def _evict_idle(self, live: Idler | Evictable) -> None:
        assert isinstance(live, LiveObject)
        self._evict(live, "idle")

    def _evict(self, live: LiveObject, reason: str) -> None:
        del self._live[live.key]
        self._instrument.object_stopped(live.key, reason)
        storage = live.evict()
        self._sockets.hibernate(live.key)
        self._containers.let_go(live.key)
        if storage is not None:
            self._close_soon(live, storage)

    def _close_soon(self, live: LiveObject, storage: ObjectStorage) -> None:
        assert self._hook is not None
        key = live.key
        self._databases.close_began(live)
        task = self._hook.loop.create_task(storage.close())
        self._closing[key] = task

        def closed(ended: asyncio.Task[None]) -> None:
            if self._closing.get(key) is ended:
                del self._closing[key]
            if not ended.cancelled():
                ended.exception()  # a file that cannot be closed is found at its next opening
            self._databases.close_ended()

        task.add_done_callback(closed)

    async def _closed(self, key: ObjectKey) -> None:
        closing = self._closing.get(key)
        if closing is not None:
            await asyncio.wait([closing])
