"""WebSocket hibernation: the cases 159 to 170 and 196 of the durable actors' specification."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import CloseEvent, DurableObjectError, ReadyState
from boomtown.actors.runtime.web_sockets import disconnect
from boomtown.testing import evict
from support.socket_world import SocketWorld

LOST = CloseEvent(1006, "WebSocket disconnected without sending Close frame.", was_clean=False)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SocketWorld]:
    world = SocketWorld(tmp_path)
    async with world.host:
        yield world


async def test_case_159_a_message_reaches_its_handler_and_the_reply_arrives(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    ws.send("hello")
    assert await ws.receive() == "echo hello"
    ws.send(b"\x01\x02")
    assert await ws.receive() == b"\x02\x01"
    assert world.heard() == ["hello", b"\x01\x02"]


async def test_case_160_a_peers_close_is_told_and_the_handlers_code_comes_back(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    ws.close(1000, "done")
    assert await ws.receive() is None
    assert world.heard() == [("close", 1000, "done", True)]
    assert ws.close_event == CloseEvent(4000, "bye", was_clean=True)
    assert ws.ready_state is ReadyState.CLOSED
    assert await world.room.count() == 0


async def test_case_161_a_request_after_ten_idle_seconds_finds_the_socket_in_a_new_instance(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    await world.hibernate()
    assert await world.room.count() == 1
    assert world.made() == [0, 1]
    await world.room.broadcast("still there")
    assert await ws.receive() == "still there"


async def test_case_162_a_message_after_ten_idle_seconds_makes_a_new_instance(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    await world.hibernate()
    ws.send("wake up")
    assert await ws.receive() == "echo wake up"
    assert world.made() == [0, 1]


async def test_case_163_an_abort_disconnects_the_sockets_of_a_hibernated_object(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    await world.hibernate()
    with pytest.raises(DurableObjectError, match="no more"):
        await world.room.abort("no more")
    assert await ws.receive() is None
    assert ws.close_event == LOST
    assert await world.room.count() == 0


async def test_case_164_a_drop_without_a_close_frame_is_code_1006(world: SocketWorld) -> None:
    ws = await world.connect()
    disconnect(ws)
    await world.until(world.heard)
    assert world.heard() == [("close", 1006, LOST.reason, False)]
    assert await world.room.count() == 0


async def test_case_165_a_constructor_that_throws_on_a_wake_closes_the_socket(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    await world.hibernate()
    world.fails.append("not today")
    ws.send("lost")
    assert await ws.receive() is None
    assert ws.close_event == LOST
    assert world.heard() == []


async def test_case_166_sockets_are_found_by_tag_and_are_independent(world: SocketWorld) -> None:
    red, blue, both = (
        await world.connect("red"),
        await world.connect("blue"),
        await world.connect("red", "blue"),
    )
    assert await world.room.broadcast("r", "red") == [["red"], ["red", "blue"]]
    assert await world.room.broadcast("all") == [["red", "blue"], ["blue"], ["red"]]
    assert await world.room.count("green") == 0
    assert [await red.receive(), await red.receive()] == ["r", "all"]
    assert await blue.receive() == "all"
    assert [await both.receive(), await both.receive()] == ["r", "all"]
    red.send("wait")
    blue.send("meanwhile")
    assert await blue.receive() == "echo meanwhile"


async def test_case_167_tags_are_bounded_and_doubles_collapse(world: SocketWorld) -> None:
    with pytest.raises(ValueError, match="at most 10 tags"):
        await world.connect(*(str(number) for number in range(11)))
    with pytest.raises(ValueError, match="at most 256 characters"):
        await world.connect("t" * 257)
    assert await world.room.count() == 0
    await world.connect(*"aabbccddeeffgghhiijj")
    assert await world.room.broadcast("x") == [list("abcdefghij")]


@pytest.mark.parametrize("sleeps", [False, True], ids=["active", "hibernated"])
async def test_case_168_an_automatic_response_wakes_nobody(
    world: SocketWorld, *, sleeps: bool
) -> None:
    ws = await world.connect()
    await world.room.set_auto_response("ping", "pong")
    if sleeps:
        await world.hibernate()
    asked_at_ms = world.clock.now_ms()
    ws.send("ping")
    assert await ws.receive() == "pong"
    assert world.heard() == []
    assert world.host.statistics().live_objects == (0 if sleeps else 1)
    ws.send("ping ")
    assert await ws.receive() == "echo ping "
    assert await world.room.auto_response_times() == [asked_at_ms]
    await world.room.set_auto_response()
    ws.send("ping")
    assert await ws.receive() == "echo ping"


async def test_case_169_a_socket_whose_event_could_not_be_dispatched_is_not_listed(
    world: SocketWorld,
) -> None:
    ws = await world.connect("red")
    await world.hibernate()
    world.fails.append("not today")
    ws.send("lost")
    await ws.receive()
    assert await world.room.count() == 0
    assert await world.room.count("red") == 0


async def test_case_170_attachments_are_bounded_and_survive_an_eviction(
    world: SocketWorld,
) -> None:
    await world.connect()
    assert await world.room.attached() is None
    with pytest.raises(ValueError, match="at most 16384 bytes"):
        await world.room.attach("x" * 16_384)
    await world.room.attach({"user": ("ada", 7)})
    await world.hibernate()
    assert await world.room.attached() == {"user": ("ada", 7)}


async def test_case_196_an_eviction_may_close_the_sockets_or_let_them_hibernate(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    await evict(world.room)
    ws.send("again")
    assert await ws.receive() == "echo again"
    await evict(world.room, web_sockets="close")
    assert await ws.receive() is None
    assert ws.close_event == LOST
    assert await world.room.count() == 0
