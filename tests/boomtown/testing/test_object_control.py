"""What a test may do to the objects of a host (durable-actors 8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    DurableObjectError,
    DurableObjectState,
    Host,
    Response,
)
from boomtown.testing import (
    ManualClock,
    abort,
    abort_all,
    evict,
    evict_all,
    list_ids,
    reset,
    run_in_object,
)
from boomtown.testing.manual_clock import run_passes
from support.rooms import FAR_AHEAD_MS, Room, room_host


@pytest.fixture
async def host(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[Host]:
    async with room_host(tmp_path, manual_clock) as started:
        yield started


@pytest.fixture
def room(host: Host) -> Any:
    return host.namespace("Room").get_by_name("lobby")


async def test_a_body_that_is_streamed_is_read_inside_the_object(room: Any) -> None:
    def stream(instance: Room, ctx: DurableObjectState) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield str(await ctx.storage.get("value")).encode()

        return Response(parts())

    await room.remember(5)
    assert await (await run_in_object(room, stream)).text() == "5"


async def test_a_function_is_an_event_of_the_object(room: Any) -> None:
    """Writes are committed, the gate holds it off, and its result is not copied."""
    order: list[str] = []

    async def block(instance: Room, ctx: DurableObjectState) -> Room:
        async def section() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            order.append("section")

        await ctx.block_concurrency_while(section)
        await ctx.storage.put("value", 7)
        return instance

    first = asyncio.create_task(run_in_object(room, block))
    await asyncio.sleep(0)
    await run_in_object(room, lambda instance, ctx: order.append("second"))
    assert order == ["section", "second"]
    assert isinstance(await first, Room)
    await evict(room)
    assert await room.recall() == [0, 7]


async def test_a_function_raises_what_it_raises(room: Any) -> None:
    class OfTheTest(Exception):
        """Would reach a caller of the stub as RemoteError."""

    def fail(instance: Room, ctx: DurableObjectState) -> None:
        raise OfTheTest

    with pytest.raises(OfTheTest):
        await run_in_object(room, fail)


async def test_an_aborted_object_gives_its_callers_the_reason(host: Host, room: Any) -> None:
    await room.remember(5)
    call = asyncio.create_task(room.wait_for_release())
    await run_passes()
    await abort(room, "the test says so")
    with pytest.raises(DurableObjectError, match="the test says so"):
        await call
    assert await host.namespace("Room").get_by_name("lobby").recall() == [0, 5]
    with pytest.raises(DurableObjectError, match="not running"):
        await abort(host.namespace("Room").get_by_name("nobody"))


async def test_all_objects_are_evicted_or_aborted(host: Host) -> None:
    stubs: list[Any] = [host.namespace("Room").get_by_name(name) for name in ("a", "b")]
    for stub in stubs:
        await stub.remember(5)
    await evict_all(host)
    assert host.statistics().live_objects == 0
    assert [await stub.recall() for stub in stubs] == [[0, 5], [0, 5]]
    await abort_all(host, "all of them")
    assert host.statistics().live_objects == 0
    with pytest.raises(DurableObjectError, match="all of them"):
        await stubs[0].recall()
    assert await host.namespace("Room").get_by_name("a").recall() == [0, 5]


@pytest.mark.parametrize("is_evicted_before", [False, True])
async def test_a_reset_deletes_all_data_and_all_alarms(
    host: Host, manual_clock: ManualClock, is_evicted_before: bool
) -> None:
    rooms = host.namespace("Room")
    old: Any = rooms.get_by_name("lobby")
    await old.remember(5)
    await old.set_alarm(FAR_AHEAD_MS)
    if is_evicted_before:
        await evict(old)
    await reset(host)
    assert list_ids(rooms) == []
    await manual_clock.advance_ms(2 * FAR_AHEAD_MS)
    assert list_ids(rooms) == []
    fresh: Any = rooms.get_by_name("lobby")
    assert await fresh.recall() == [0, None]
    assert await fresh.runs() == []
    await fresh.set_alarm(FAR_AHEAD_MS)
    await manual_clock.advance_ms(FAR_AHEAD_MS)
    assert len(await fresh.runs()) == 1


async def test_objects_may_not_use_what_is_for_tests(host: Host, room: Any) -> None:
    def evict_myself(instance: Room, ctx: DurableObjectState) -> Any:
        return list_ids(host.namespace("Room"))

    with pytest.raises(RuntimeError, match="it is for tests"):
        await run_in_object(room, evict_myself)
