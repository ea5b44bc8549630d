"""The base class of durable objects, and the state that the runtime gives each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol, TypeVar

import msgspec

from boomtown.actors.runtime.container_port import Command
from boomtown.actors.runtime.environment import Env
from boomtown.actors.runtime.hibernation import ObjectSockets
from boomtown.actors.runtime.object_container import ObjectContainer
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.object_ids import DurableObjectId
from boomtown.actors.runtime.ports import ObjectGate
from boomtown.actors.runtime.runtime_errors import ObjectReset, reset_error
from boomtown.actors.runtime.schedule_rules import Cron, Every, RetryPolicy
from boomtown.actors.runtime.schedule_table import Schedule
from boomtown.actors.runtime.web_sockets import WebSocket

if TYPE_CHECKING:
    from boomtown.actors.runtime.storage import Storage

T = TypeVar("T")

ABORT_MESSAGE = "Application called abort() to reset Durable Object"


class AlarmInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What `alarm` is told. The count of failures is this process's: a restart begins anew."""

    scheduled_time: int  # milliseconds: the stored instant, not the actual one
    retry_count: int  # counted failures of this alarm before this run

    @property
    def is_retry(self) -> bool:
        """Whether a run of this alarm has failed before, as far as this process knows."""
        return self.retry_count > 0


class StateOwner(ObjectGate, Protocol):
    """What a DurableObjectState needs of its live object (instance.py)."""

    gates: ObjectGates

    @property
    def sockets(self) -> ObjectSockets:
        """What of its sockets outlives the instance."""
        ...

    def abort(self, reason: Exception, *, retry_alarm: bool) -> None:
        """Reset the object."""
        ...

    def check_scheduled(self, method: str | None) -> None:
        """TypeError unless the class has a method for a schedule to call."""
        ...


class DurableObjectState:
    """`ctx`: the identity and storage of an object, and what it may ask of the runtime. Every
    method is for the object's own turns."""

    def __init__(
        self,
        owner: StateOwner,
        object_id: DurableObjectId,
        storage: Storage,
        container: ObjectContainer | None,
    ) -> None:
        self.id = object_id
        self.storage = storage
        self.container = container  # None unless the class has one, and the host containers
        self._owner = owner

    def block_concurrency_while(self, callback: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Deliver nothing to the object but what `callback` starts, until it has returned.

        Need not be awaited. When `callback` raises, or runs for 30 s, the object is reset and
        the code that awaits this never goes on. ValueError past 64 levels.
        """
        return self._owner.block_concurrency_while(callback)

    def wait_until(self, work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
        """Keep the object in memory until `work` has ended; its request need not wait for it.

        As any task that the object starts: it passes the gate at each step, and ends with a
        reset. A failure is logged by asyncio as that of any task nobody awaits.
        """
        try:
            self._owner.check_turn("ctx.wait_until")
        except Exception:
            if isinstance(work, Coroutine):
                work.close()
            raise
        # The coroutine is the task's own: a reset before its first step then ends it as well.
        work = work if isinstance(work, Coroutine) else _outlast(work)
        asyncio.get_running_loop().create_task(work)

    def abort(self, reason: str | None = None, *, retry_alarm: bool = True) -> NoReturn:
        """Reset the object: what this turn wrote is lost, callers get `reason`, and this call
        does not return. `finally` blocks run, and storage refuses in them."""
        self._owner.check_turn("ctx.abort")
        self._owner.abort(reset_error(reason or ABORT_MESSAGE), retry_alarm=retry_alarm)
        raise ObjectReset(reason or ABORT_MESSAGE)

    def accept_web_socket(self, web_socket: WebSocket, tags: Sequence[str] = ()) -> None:
        """Accept the server's end of a pair so that it does not keep the object in memory: its
        frames come to `web_socket_message`, `web_socket_close` and `web_socket_error`.

        RuntimeError where either end was accepted or returned before; ValueError past 10
        different tags, for a tag of more than 256 characters, and past 32768 sockets.
        """
        self._owner.sockets.accept(self._owner.gates, web_socket, tags)

    def get_web_sockets(self, tag: str | None = None) -> list[WebSocket]:
        """The hibernatable sockets, the newest first; with `tag` those that have it, in the order
        of their acceptance. One that closes is listed until its event was delivered."""
        return self._owner.sockets.list_web_sockets(self._owner.gates, tag)

    def get_tags(self, web_socket: WebSocket) -> list[str]:
        """The tags of a hibernatable socket; RuntimeError for any other."""
        return self._owner.sockets.get_tags(self._owner.gates, web_socket)

    def set_web_socket_auto_response(self, request: str | None = None, response: str = "") -> None:
        """Have messages whose text equals `request` answered with `response`, on every
        hibernatable socket: no handler is called and nothing wakes. Without arguments, no longer.
        ValueError where either has more than 2048 bytes. Survives hibernation, while there are
        sockets."""
        self._owner.sockets.set_auto_response(self._owner.gates, request, response)

    def get_web_socket_auto_response(self) -> tuple[str, str] | None:
        """The request and the response that were set; None where nothing is, or no longer."""
        return self._owner.sockets.get_auto_response(self._owner.gates)

    def get_web_socket_auto_response_timestamp(self, web_socket: WebSocket) -> int | None:
        """When this socket was last answered automatically, in milliseconds; None for never."""
        return self._owner.sockets.find_auto_response_at_ms(self._owner.gates, web_socket)

    def set_hibernatable_web_socket_event_timeout(self, timeout_ms: int | None = None) -> None:
        """Reset the object, as disconnected, when a handler of its sockets runs for longer. 0 and
        None lift the bound. ValueError past seven days."""
        self._owner.sockets.set_event_timeout(self._owner.gates, timeout_ms)

    def get_hibernatable_web_socket_event_timeout(self) -> int | None:
        """The bound in milliseconds, None where there is none."""
        return self._owner.sockets.get_event_timeout(self._owner.gates)

    # Schedules (schedules.py): any number, beside the one alarm and without touching it.

    def schedule(
        self,
        name: str,
        at: float | datetime | Every | Cron,
        *,
        payload: object = None,
        method: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Schedule:
        """Have `on_schedule(name, payload)`, or the method named `method` with the payload,
        called at an instant (ms since the epoch, or a datetime with a zone), every so often, or
        by a cron expression in UTC. In place of any schedule of that name; written as storage is,
        with this turn's other writes.

        Never early, and at least once. Missed occurrences are made up for by one run. A run that
        raises is tried again by `retry`, and becomes a dead letter when that is used up.

        Raises TypeError where the class has no such method, or `at` is no instant; ValueError for
        an empty or too long name; DataCloneError where the payload cannot be kept.
        """
        self._owner.check_scheduled(method)
        return self.storage.schedules.schedule(
            name, at, payload=payload, method=method, retry=retry or RetryPolicy()
        )

    def schedules(self) -> list[Schedule]:
        """What is scheduled, by name; dead letters that are tried again too."""
        return self.storage.schedules.list_living()

    def cancel_schedule(self, name: str) -> bool:
        """Forget a schedule; False where there is none. A run under way goes on; dead letters
        stay."""
        return self.storage.schedules.cancel(name)

    def dead_schedules(self) -> list[Schedule]:
        """Occurrences whose attempts are used up, with their last error; the newest are kept."""
        return self.storage.schedules.list_dead()

    def retry_dead_schedule(self, letter_id: int) -> Schedule:
        """Run a dead letter again, now, with all its attempts. KeyError where there is none."""
        return self.storage.schedules.retry_dead(letter_id)

    def drop_dead_schedule(self, letter_id: int) -> None:
        """Forget a dead letter. KeyError where there is none."""
        self.storage.schedules.drop_dead(letter_id)


class DurableObject:
    """Base of every class of durable objects.

    Public methods can be called by stubs. Handlers: `fetch(request)`, `alarm()` or `alarm(info)`,
    `on_schedule(name, payload)`, and of hibernatable sockets `web_socket_message(ws, message)`,
    `web_socket_close(ws, code, reason, was_clean)` and `web_socket_error(ws, error)`, where
    `error` is a text. `storage_edited()` is told, in the same turn, that an operator wrote into the
    tables past the class's code (`boomtown sql`), for a class that remembers what it has read.
    A subclass that has a constructor calls this one; what must be awaited before the first event
    goes into `ctx.block_concurrency_while`.
    """

    container: ClassVar[Command | None] = None  # what `ctx.container` starts

    ctx: DurableObjectState
    env: Env

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        self.ctx = ctx
        self.env = env


async def _outlast(work: asyncio.Future[Any]) -> None:
    await work
