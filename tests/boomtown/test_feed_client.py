"""The client's side of the feed, against a front over a real town."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from boomtown.client import BoomtownClient, ServerRefused, ServerUnreachable
from boomtown.limits import HttpLimits
from support.feed_front import FeedWorld, open_feed_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with open_feed_world(tmp_path) as made:
        yield made


@pytest.fixture
async def client(world: FeedWorld) -> AsyncIterator[BoomtownClient]:
    async with BoomtownClient(world.front.origin, world.key) as made:
        yield made


async def test_a_stream_is_read_from_a_cursor(client: BoomtownClient, world: FeedWorld) -> None:
    await world.bead()
    head = await world.head()
    seen: list[int] = []
    async with aclosing(client.follow_feed(world.town, after=1)) as frames:
        async for frame in frames:
            assert frame.event is not None
            assert frame.event["seq"] == frame.seq
            seen.append(frame.seq)
            if frame.seq == head:
                break
    assert seen == list(range(2, head + 1))


async def test_a_large_change_arrives_whole(client: BoomtownClient, world: FeedWorld) -> None:
    body = {"title": "t", "labels": ["gt:held", "x" * 300_000]}
    await world.ok("POST", f"/api/towns/{world.town}/rigs/{world.rig}/beads", body)
    async with aclosing(client.follow_feed(world.town, after=0, topic="bead")) as frames:
        frame = await anext(frames)
    assert frame.event is not None
    assert len(frame.event["payload"]["labels"][1]) == 300_000


async def test_a_cursor_that_is_no_use_is_refused(client: BoomtownClient, world: FeedWorld) -> None:
    with pytest.raises(ServerRefused) as refused:
        await anext(client.follow_feed(world.town, after=999))
    assert refused.value.code == "CURSOR_AHEAD"


async def test_the_end_of_a_town_is_no_reason_to_come_back(
    client: BoomtownClient, world: FeedWorld
) -> None:
    frames = client.follow_feed(world.town, after=await world.head())
    assert (await anext(frames)).event is None
    await world.ok("DELETE", f"/api/users/local/towns/{world.town}")
    await world.clock.advance_ms(HttpLimits().feed_heartbeat_ms)
    with pytest.raises(ServerRefused) as refused:
        await anext(frames)
    assert refused.value.code == "TOWN_NOT_FOUND"


async def test_the_end_of_a_server_is_one(tmp_path: Path) -> None:
    async with open_feed_world(tmp_path) as world:
        client = BoomtownClient(world.front.origin, world.key)
        frames = client.follow_feed(world.town, after=await world.head())
        assert (await anext(frames)).event is None
    with pytest.raises(ServerUnreachable, match="SHUTTING_DOWN"):
        await anext(frames)
    await client.aclose()


async def test_cursors_are_kept_read_and_listed(client: BoomtownClient, world: FeedWorld) -> None:
    await client.put_feed_cursor(world.town, "panel", 2)
    assert (await client.put_feed_cursor(world.town, "panel", 1))["seq"] == 2
    assert (await client.put_feed_cursor(world.town, "panel", 1, rewind=True))["seq"] == 1
    assert (await client.get_feed_cursor(world.town, "panel"))["seq"] == 1
    assert [each["consumer"] for each in await client.list_feed_cursors(world.town)] == ["panel"]
    page = await client.read_feed(world.town, after=1, limit=1)
    assert page["events"][0]["seq"] == 2
