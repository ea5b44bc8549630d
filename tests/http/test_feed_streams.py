"""Streams of the feed: exact from the cursor, alive while nothing happens, ended with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from boomtown.limits import HttpLimits
from support.feed_front import READ_S_MAX, FeedReader, FeedWorld, Frame, open_feed_world
from support.front_world import LOOPBACK

HEARTBEAT_MS = HttpLimits().feed_heartbeat_ms


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with open_feed_world(tmp_path) as made:
        yield made


async def test_a_stream_replays_and_then_follows(world: FeedWorld) -> None:
    bead = await world.bead()
    head = await world.head()
    async with world.stream() as reader:
        events = await reader.events_until(head)
        assert [frame.id for frame in events] == list(range(1, head + 1))
        assert (events[0].event, events[0].data["seq"]) == ("town.created", 1)
        created = [frame for frame in events if frame.event == "bead.created"]
        assert created[0].data["entity_id"] == bead
        assert created[0].data["actor"] == "operator:local"
        assert created[0].data["reason"] == "create_bead"
        assert created[0].data["created_at"].endswith("Z")
        waiting = asyncio.ensure_future(reader.frame())
        await world.bead("Another")
        live = await waiting
        assert live is not None
        assert (live.id, live.event) == (head + 1, "bead.created")


async def test_a_stream_goes_on_after_last_event_id_and_after_counts_more(
    world: FeedWorld,
) -> None:
    await world.bead()
    head = await world.head()
    async with world.stream(Last_Event_ID=str(head - 1)) as reader:
        assert [frame.id for frame in await reader.events_until(head)] == [head]
    async with world.stream("?after=1", Last_Event_ID=str(head - 1)) as reader:
        assert [frame.id for frame in await reader.events_until(head)] == list(range(2, head + 1))


async def test_a_stream_goes_on_exactly_over_a_restart(tmp_path: Path) -> None:
    async with open_feed_world(tmp_path) as first:
        await first.bead()
        head = await first.head()
        async with first.stream() as reader:
            seen = [frame.id for frame in await reader.events_until(head)]
            await first.bead("Nobody reads of it before the end")
    async with open_feed_world(tmp_path, after=first) as second:
        await second.bead("Of the second life")
        head = await second.head()
        async with second.stream(Last_Event_ID=str(seen[-1])) as reader:
            seen += [frame.id for frame in await reader.events_until(head)]
    assert seen == list(range(1, head + 1))


async def test_i12_a_heartbeat_says_how_far_the_feed_is_where_a_filter_shows_nothing(
    world: FeedWorld,
) -> None:
    await world.bead()
    head = await world.head()
    async with world.stream("?topic=mail") as reader:
        first = await reader.frame()
        assert first is not None
        assert (first.id, first.event) == (head, None)
        await world.bead("Hidden by the filter")
        waiting = asyncio.ensure_future(reader.frame())
        await world.clock.advance_ms(HEARTBEAT_MS - 1)
        assert not waiting.done()
        await world.clock.advance_ms(1)
        beat = await waiting
        assert beat is not None
        assert (beat.id, beat.event) == (await world.head(), None)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?after=x", 400, "INVALID_CURSOR"),
        ("?after=-1", 400, "INVALID_CURSOR"),
        ("?after=1.5", 400, "INVALID_CURSOR"),
        ("?after=999", 400, "CURSOR_AHEAD"),
    ],
)
async def test_a_cursor_that_is_none_is_refused_before_the_stream_begins(
    world: FeedWorld, query: str, status: int, code: str
) -> None:
    for path in ("", "/stream"):
        reply = await world.call("GET", world.feed + path + query)
        assert (reply.status, reply.code) == (status, code)
    bad = await world.call("GET", world.feed + "/stream", headers={"Last-Event-ID": "x"})
    assert (bad.status, bad.code) == (400, "INVALID_CURSOR")


async def test_a_reset_town_is_asked_again_by_its_stream(world: FeedWorld) -> None:
    head = await world.head()
    async with world.stream(f"?after={head}") as reader:
        await reader.frame()
        object_id = str(world.host.namespace("Town").id_from_name(world.town))
        waiting = asyncio.ensure_future(reader.frame())
        await world.host.abort("Town", object_id, "for the test")
        await world.clock.advance_ms(HttpLimits().feed_retry_ms)
        await world.bead()
        frame = await waiting
        while frame is not None and frame.event is None:
            frame = await reader.frame()
        assert frame is not None
        assert (frame.id, frame.event) == (head + 1, "bead.created")


async def test_a_stream_of_a_town_that_ends_says_so(world: FeedWorld) -> None:
    async with world.stream(f"?after={await world.head()}") as reader:
        await reader.frame()
        await world.ok("DELETE", f"/api/users/local/towns/{world.town}")
        await world.clock.advance_ms(HEARTBEAT_MS)
        frame = await reader.frame()
        assert frame is not None
        assert (frame.event, frame.data["code"]) == ("closing", "TOWN_NOT_FOUND")
        assert await reader.frame() is None


async def open_raw(world: FeedWorld, query: str) -> tuple[asyncio.StreamReader, Any]:
    """A stream on a connection of its own, whose reading is the test's alone."""
    reader, writer = await asyncio.open_connection(LOOPBACK, world.front.port, limit=1024)
    writer.write(
        f"GET {world.feed}/stream{query} HTTP/1.1\r\nHost: {LOOPBACK}\r\n"
        f"Authorization: Bearer {world.key}\r\n\r\n".encode()
    )
    await reader.readline()
    return reader, writer


async def test_a_server_that_ends_says_so_to_its_streams(tmp_path: Path) -> None:
    async with open_feed_world(tmp_path) as world:
        reader, writer = await open_raw(world, f"?after={await world.head()}")
        await reader.readuntil(b"id: ")
    rest = await asyncio.wait_for(reader.read(), READ_S_MAX)
    writer.close()
    assert b'"code":"SHUTTING_DOWN"' in rest


async def test_a_reader_that_takes_nothing_is_let_go_with_a_reason(tmp_path: Path) -> None:
    async with open_feed_world(tmp_path) as world:
        body = {"title": "t" * 500, "labels": ["gt:held", "y" * 200_000]}
        for _ in range(60):  # more than the buffers between two sockets of one machine
            await world.ok("POST", f"/api/towns/{world.town}/rigs/{world.rig}/beads", body)
        reader, writer = await open_raw(world, "")
        await world.clock.advance_ms(HttpLimits().feed_write_ms_max)
        rest = await asyncio.wait_for(reader.read(), READ_S_MAX)
        writer.close()
    assert b'"code":"SLOW_READER"' in rest[-200:]


async def receive(socket: ClientWebSocketResponse) -> dict[str, object]:
    message = await asyncio.wait_for(socket.receive(), READ_S_MAX)
    assert message.type is WSMsgType.TEXT, message
    return msgspec.json.decode(message.data, type=dict[str, object])


async def test_a_socket_has_the_same_frames(world: FeedWorld) -> None:
    await world.bead()
    head = await world.head()
    async with world.socket("&after=0") as socket:
        frames = [await receive(socket) for _ in range(head)]
        assert [frame["id"] for frame in frames] == list(range(1, head + 1))
        assert frames[0]["event"] == "town.created"
        await world.bead("Another")
        assert (await receive(socket))["event"] == "bead.created"
        waiting = asyncio.ensure_future(receive(socket))
        await world.clock.advance_ms(HEARTBEAT_MS)
        assert await waiting == {"id": head + 1}


async def test_a_socket_goes_on_at_its_cursor_and_moves_it(world: FeedWorld) -> None:
    await world.bead()
    head = await world.head()
    await world.ok("PUT", world.feed + "/cursors/panel", {"seq": head - 1})
    async with world.socket("&cursor=panel") as socket:
        assert (await receive(socket))["id"] == head
        await socket.send_str(msgspec.json.encode({"ack": head}).decode())
        waiting = asyncio.ensure_future(receive(socket))
        await world.clock.advance_ms(HEARTBEAT_MS)
        await waiting
        cursor = await world.ok("GET", world.feed + "/cursors/panel")
        assert cursor["seq"] == head


@pytest.mark.parametrize("said", ["nonsense", '{"ack": 9999}', '{"ack": "x"}'])
async def test_a_message_that_asks_nothing_ends_the_socket(world: FeedWorld, said: str) -> None:
    await world.ok("PUT", world.feed + "/cursors/panel", {"seq": 0})
    async with world.socket("&cursor=panel") as socket:
        await socket.send_str(said)
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            assert message.data
        assert message.type is WSMsgType.CLOSE
        assert (message.data, message.extra) == (1008, "INVALID_CURSOR")


async def test_an_unknown_cursor_opens_no_socket(world: FeedWorld) -> None:
    reply = await world.call("GET", f"{world.feed}/ws?ticket={await world.ticket()}&cursor=nobody")
    assert (reply.status, reply.code) == (404, "CURSOR_NOT_FOUND")


async def test_stmt_C04a_a_reader_across_a_rollback_learns_that_the_seed_never_was(
    world: FeedWorld,
) -> None:
    sessions = world.feed.removesuffix("/feed") + "/sessions"
    async with world.stream("?topic=session") as reader:
        seed = await world.ok("POST", sessions, {"rig_id": world.rig, "prompt": "Write"})
        told = await _next_event(reader)
        assert (told.event, told.data["entity_id"]) == ("session.created", seed["id"])
        done = await world.ok("POST", f"{sessions}/{seed['id']}/rollback")
        assert done["deleted"] is True
        told = await _next_event(reader)
        assert (told.event, told.data["entity_id"]) == ("session.rolled_back", seed["id"])
        assert (told.data["agent_id"], told.data["session_id"]) == (None, None)


async def _next_event(reader: FeedReader) -> Frame:
    """The next change; frames that only say how far the feed is are passed over."""
    while (frame := await reader.frame()) is not None:
        if frame.event is not None:
            return frame
    raise AssertionError("the stream ended")
