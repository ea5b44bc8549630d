"""The base class of durable objects, and the state that the runtime gives each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import msgspec

from boomtown.actors.runtime.environment import Env
from boomtown.actors.runtime.object_ids import DurableObjectId
from boomtown.actors.runtime.ports import ObjectGate
from boomtown.actors.runtime.runtime_errors import ObjectReset, reset_error

if TYPE_CHECKING:
    from boomtown.actors.runtime.storage import Storage

T = TypeVar("T")

ABORT_MESSAGE = "Application called abort() to reset Durable Object"


class AlarmInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What `alarm` is told."""

    scheduled_time: int  # milliseconds: the stored instant, not the actual one
    retry_count: int  # counted failures of this alarm before this run

    @property
    def is_retry(self) -> bool:
        return self.retry_count > 0


class StateOwner(ObjectGate, Protocol):
    """What a DurableObjectState needs of its live object (instance.py)."""

    def abort(self, reason: Exception, *, retry_alarm: bool) -> None:
        """Reset the object."""
        ...


class DurableObjectState:
    """`ctx`: the identity and storage of an object, and what it may ask of the runtime. Every
    method is for the object's own turns."""

    def __init__(self, owner: StateOwner, object_id: DurableObjectId, storage: Storage) -> None:
        self.id = object_id
        self.storage = storage
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
        self._owner.check_turn("ctx.wait_until")
        asyncio.get_running_loop().create_task(_outlast(work))

    def abort(self, reason: str | None = None, *, retry_alarm: bool = True) -> NoReturn:
        """Reset the object: what this turn wrote is lost, callers get `reason`, and this call
        does not return. `finally` blocks run, and storage refuses in them."""
        self._owner.check_turn("ctx.abort")
        self._owner.abort(reset_error(reason or ABORT_MESSAGE), retry_alarm=retry_alarm)
        raise ObjectReset(reason or ABORT_MESSAGE)


class DurableObject:
    """Base of every class of durable objects.

    Public methods can be called by stubs. `fetch` and `alarm` are handlers. A subclass that has
    a constructor calls this one; what must be awaited before the first event goes into
    `ctx.block_concurrency_while`.
    """

    ctx: DurableObjectState
    env: Env

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        self.ctx = ctx
        self.env = env


async def _outlast(work: Awaitable[Any]) -> None:
    await work
