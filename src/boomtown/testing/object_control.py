"""What a test may do to the objects of a host, beside calling them (durable-actors 8).

Theory of operation. Every function acts on the host behind a stub or a namespace, whatever its
clock and its disk, and holds no state. What looks into an object is an *event* of it: it starts
the object where it is not running, waits at the gates as a request does, and its writes are
committed with its turn. What ends an object goes through the host's own eviction or reset, so
that it leaves what those would leave. Nothing here is for code that runs inside an object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, cast, overload

from boomtown.actors.runtime.durable_object import AlarmInfo, DurableObject, DurableObjectState
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.instance import LiveObject
from boomtown.actors.runtime.namespace import (
    DurableObjectStub,
    Namespace,
    connection_of,
    router_of,
)
from boomtown.actors.runtime.object_ids import DurableObjectId
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.testing.manual_clock import run_passes

T = TypeVar("T")


@overload
async def run_in_object(
    stub: DurableObjectStub, function: Callable[[Any, DurableObjectState], Awaitable[T]]
) -> T: ...
@overload
async def run_in_object(
    stub: DurableObjectStub, function: Callable[[Any, DurableObjectState], T]
) -> T: ...
async def run_in_object(
    stub: DurableObjectStub, function: Callable[[Any, DurableObjectState], Any]
) -> Any:
    """Run `function(instance, ctx)` as an event of the object; its result, or its exception.

    The object is started where it is not running. `function` may be a coroutine function. The
    result is handed out as it is, not copied: what of it is mutable is still the object's. A
    Response passes through with its status, whatever that is, and a body that it streams is read
    through the object's gate. Raises DurableObjectError where the object cannot start, or is
    reset meanwhile.
    """
    live = _host_of(stub).connect(connection_of(stub))
    is_done, value = live.invoke_function(lambda instance: function(instance, instance.ctx))
    return value if is_done else await value


async def run_alarm(stub: DurableObjectStub) -> bool:
    """Run the object's alarm now, whenever it is due: whether one was set.

    The alarm is deleted first, then `alarm` is called, once: its exception is raised here, and
    nothing is tried again. A handler that takes an AlarmInfo is told the instant that was set
    and no retries.
    """
    takes_info = connection_of(stub).actor_class.alarm_takes_info

    async def fire(instance: DurableObject, ctx: DurableObjectState) -> bool:
        at_ms = await ctx.storage.get_alarm()
        if at_ms is None:
            return False
        await ctx.storage.delete_alarm()
        handler: Any = getattr(instance, "alarm")  # noqa: B009 - not every class has it
        info = (AlarmInfo(scheduled_time=at_ms, retry_count=0),) if takes_info else ()
        await handler(*info)
        return True

    return await run_in_object(stub, fire)


async def evict(
    stub: DurableObjectStub, *, web_sockets: Literal["hibernate", "close"] = "hibernate"
) -> None:
    """Drop the object's memory and keep its storage; returns when its file is closed. Its
    hibernatable sockets stay, or are disconnected.

    Waits while the object is busy, for `RuntimeLimits.eviction_wait_ms_max` of the host's clock.
    Raises DurableObjectError where the object is not running, and where it is still busy then.
    """
    host, key = _host_of(stub), _key_of(stub)
    live = host.find_live(key)
    if live is None:
        raise DurableObjectError("cannot evict: the object is not running")
    await _wait_until_idle(host, live)
    if host.find_live(key) is live:
        await host.evict(key.class_name, key.object_id, disconnects_sockets=web_sockets == "close")


async def abort(stub: DurableObjectStub, reason: str = "The object was aborted by a test") -> None:
    """Reset the object: what it has not committed is lost, its callers get `reason`.

    Stubs that were connected stay broken. Returns when its file is closed. Raises
    DurableObjectError where the object is not running.
    """
    key = _key_of(stub)
    await _host_of(stub).abort(key.class_name, key.object_id, reason)


async def evict_all(host: Host) -> None:
    """Evict every object that is running, as `evict` does, the oldest first."""
    for live in host.live_objects():
        await _wait_until_idle(host, live)
        if host.find_live(live.key) is live:
            await host.evict(live.key.class_name, live.key.object_id)


async def abort_all(host: Host, reason: str = "The object was aborted by a test") -> None:
    """Reset every object that is running; their data stays. Returns when all files are closed."""
    for live in host.live_objects():
        if host.find_live(live.key) is live:
            await host.abort(live.key.class_name, live.key.object_id, reason)


async def reset(host: Host) -> None:
    """Reset every object, then delete all data and all alarms.

    Calls that come meanwhile fail and may be retried; the host goes on empty.
    """
    await host.erase()


def list_ids(namespace: Namespace) -> list[DurableObjectId]:
    """The ids of the class that have a file, used or running ones, sorted by their digits.

    An id is told without its name. An object that was emptied by `delete_all` still has one.
    """
    host = _host_of(namespace)
    ids = host.list_object_ids(namespace.class_name)
    return [namespace.id_from_string(digits) for digits in ids]


def _host_of(place: DurableObjectStub | Namespace) -> Host:
    host = router_of(place)
    assert isinstance(host, Host), "the stub or namespace of a Host"
    if host.is_in_turn():
        raise RuntimeError("boomtown.testing was used inside an object: it is for tests")
    return host


def _key_of(stub: DurableObjectStub) -> ObjectKey:
    return connection_of(stub).key


async def _wait_until_idle(host: Host, live: LiveObject) -> None:
    deadline: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def strike() -> None:
        if not deadline.done():
            deadline.set_result(None)

    wait_ms = host.limits.eviction_wait_ms_max
    timer = host.clock.call_at_ms(host.clock.now_ms() + wait_ms, strike)
    try:
        while live.is_live() and live.is_busy():
            if deadline.done():
                raise DurableObjectError(f"cannot evict: the object is busy for {wait_ms} ms")
            pending = live.gates.pending()
            if pending:
                awaited = [*pending, cast("asyncio.Future[Any]", deadline)]
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            else:
                await run_passes(1)  # what keeps it has no future: a lock, a turn cut in two
    finally:
        timer.cancel()
        strike()
