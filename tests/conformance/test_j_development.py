"""What a test may do to objects: the specification's cases 193 to 196 (facets have none here).

The sockets of case 196 are in test_h_web_sockets.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObjectState, Host, Response
from boomtown.testing import ManualClock, evict, evict_all, list_ids, run_alarm, run_in_object
from support.rooms import FAR_AHEAD_MS, Room, room_host


@pytest.fixture
async def host(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[Host]:
    async with room_host(tmp_path, manual_clock) as started:
        yield started


@pytest.fixture
def room(host: Host) -> Any:
    return host.namespace("Room").get_by_name("lobby")


async def test_case_193_an_alarm_that_is_run_is_gone(manual_clock: ManualClock, room: Any) -> None:
    await room.set_alarm(FAR_AHEAD_MS)
    assert await run_alarm(room)
    assert not await run_alarm(room)
    assert await room.runs() == [[manual_clock.now_ms() + FAR_AHEAD_MS, 0]]
    await manual_clock.advance_ms(FAR_AHEAD_MS)
    assert len(await room.runs()) == 1


async def test_case_193_a_failed_alarm_raises_here_and_is_not_retried(
    manual_clock: ManualClock, room: Any
) -> None:
    await run_in_object(room, lambda instance, ctx: ctx.storage.put("fails", True))
    await room.set_alarm(FAR_AHEAD_MS)
    with pytest.raises(ValueError, match="the handler failed"):
        await run_alarm(room)
    await run_in_object(room, lambda instance, ctx: ctx.storage.delete("fails"))
    await manual_clock.advance_ms(2 * FAR_AHEAD_MS)
    assert await room.runs() == []


async def test_case_193_a_class_without_alarms_has_none_to_run(host: Host) -> None:
    assert not await run_alarm(host.namespace("Plain").get_by_name("p"))


async def test_case_194_a_redirect_passes_through(room: Any) -> None:
    def redirect(instance: Room, ctx: DurableObjectState) -> Response:
        return Response(status=302, headers={"location": "/elsewhere"})

    response = await run_in_object(room, redirect)
    assert (response.status, response.headers["location"]) == (302, "/elsewhere")


async def test_case_195_used_ids_are_listed_and_the_alarm_index_is_not(host: Host) -> None:
    rooms = host.namespace("Room")
    assert list_ids(rooms) == []
    stubs: list[Any] = [rooms.get_by_name(name) for name in ("a", "b", "c")]
    rooms.get_by_name("never called")
    for stub in stubs:
        await stub.set_alarm(FAR_AHEAD_MS)
    await host.namespace("Plain").get_by_name("other").touch()
    assert list_ids(rooms) == sorted((stub.id for stub in stubs), key=str)
    await evict_all(host)
    assert len(list_ids(rooms)) == 3


async def test_case_196_an_evicted_object_answers_its_next_call(room: Any) -> None:
    await room.remember(5)
    await evict(room)
    await room.remember(6)
    assert await room.recall() == [6, 6]
