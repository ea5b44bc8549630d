"""Pages of the feed and its named cursors, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.feed_front import FeedWorld, open_feed_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedWorld]:
    async with open_feed_world(tmp_path) as made:
        yield made


async def test_a_page_says_where_it_is_and_where_to_go_on(world: FeedWorld) -> None:
    await world.bead()
    whole = await world.ok("GET", world.feed)
    assert set(whole) == {"events", "head", "oldest", "next"}
    assert [event["seq"] for event in whole["events"]] == list(range(1, whole["head"] + 1))
    assert (whole["oldest"], whole["next"]) == (1, whole["head"])
    first = await world.ok("GET", world.feed + "?limit=1")
    assert ([event["seq"] for event in first["events"]], first["next"]) == ([1], 1)
    last = await world.ok("GET", f"{world.feed}?after={whole['head']}")
    assert (last["events"], last["next"]) == ([], whole["head"])


async def test_a_page_can_be_of_one_topic(world: FeedWorld) -> None:
    bead = await world.bead()
    page = await world.ok("GET", world.feed + "?topic=bead.created")
    assert [event["entity_id"] for event in page["events"]] == [bead]
    assert page["next"] == page["head"]


async def test_a_deleted_bead_leaves_its_tombstone(world: FeedWorld) -> None:
    bead = await world.bead()
    await world.ok("DELETE", f"/api/towns/{world.town}/rigs/{world.rig}/beads/{bead}")
    page = await world.ok("GET", world.feed + "?topic=bead")
    assert [event["topic"] for event in page["events"]] == ["bead.created", "bead.deleted"]


async def test_cursors_are_put_read_listed_and_deleted(world: FeedWorld) -> None:
    await world.bead()
    path = world.feed + "/cursors/panel"
    assert (await world.call("GET", path)).code == "CURSOR_NOT_FOUND"
    made = await world.ok("PUT", path, {"seq": 2})
    assert (made["consumer"], made["seq"]) == ("panel", 2)
    assert made["updated_at"].endswith("Z")
    assert (await world.ok("PUT", path, {"seq": 1}))["seq"] == 2
    assert (await world.ok("PUT", path, {"seq": 1, "rewind": True}))["seq"] == 1
    assert (await world.ok("GET", path))["seq"] == 1
    assert [each["consumer"] for each in await world.ok("GET", world.feed + "/cursors")] == [
        "panel"
    ]
    assert (await world.call("DELETE", path)).status == 204
    gone = await world.call("DELETE", path)
    assert (gone.status, gone.code) == (404, "CURSOR_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"seq": 999}, "CURSOR_AHEAD"),
        ({"seq": -1}, "INVALID_CURSOR"),
        ({"seq": "x"}, "INVALID_BODY"),
        ({}, "INVALID_BODY"),
    ],
)
async def test_a_cursor_that_is_none_is_not_kept(
    world: FeedWorld, body: dict[str, object], code: str
) -> None:
    reply = await world.call("PUT", world.feed + "/cursors/panel", body)
    assert (reply.status, reply.code) == (400, code)
    assert await world.ok("GET", world.feed + "/cursors") == []


async def test_i7_a_refusal_tells_nothing(world: FeedWorld) -> None:
    await world.bead()
    head = await world.head()
    path = f"/api/towns/{world.town}/rigs/{world.rig}/beads"
    assert (await world.call("POST", path, {"title": ""})).status == 400
    missing = {"title": "t", "depends_on": [world.town]}
    assert (await world.call("POST", path, missing)).status == 404
    assert await world.head() == head


async def test_the_invariants_hold_with_a_feed(world: FeedWorld) -> None:
    await world.bead()
    assert await world.ok("GET", f"/api/towns/{world.town}/invariants") == []
