"""The feed of a living town: whoever replays it has the tables; whoever waits is told at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead, DeleteBeads, DestroyTown
from boomtown.actors.town.feed_views import FeedEventView
from boomtown.actors.town.model import TownConfig
from boomtown.container_sim.model import Verdict
from boomtown.errors import BoomtownError
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from boomtown.testing.manual_clock import run_passes
from support.feed_town import FeedTownWorld, replayed
from support.town_steps import obey, serial_tasks, sling, sling_convoy, start_work
from support.town_world import RIG_ID

WAIT_MS = 5_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FeedTownWorld]:
    async with FeedTownWorld(tmp_path) as made:
        assert isinstance(made, FeedTownWorld)
        yield made


def of(events: list[FeedEventView], topic: str) -> list[FeedEventView]:
    return [event for event in events if event.topic == topic]


async def test_i10_the_feed_replayed_is_what_the_tables_hold(world: FeedTownWorld) -> None:
    await sling_convoy(world, *serial_tasks(3))
    lost = await start_work(world, "Lost with its container")
    await world.end_instance()
    await world.settle()
    await obey(world)
    await world.execute(CreateBead(rig_id=RIG_ID, title="Dropped", labels=("gt:held",)))
    dropped = of(await world.feed(), "bead.created")[-1].entity_id
    await world.execute(DeleteBeads(rig_id=RIG_ID, bead_ids=(BeadId(dropped),)))
    events = await world.feed()
    held, misfits = replayed(events)
    assert misfits == []
    assert held == await world.stored()
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert of(events, "session.updated")
    assert any(event.session_id == lost.session_id for event in events)
    assert await world.violations() == []


async def test_i10_a_quiet_town_tells_nothing(world: FeedTownWorld) -> None:
    session = await start_work(world)
    await world.settle()
    head = (await world.feed())[-1].seq
    for _ in range(3):
        await world.heartbeat(session.session_id)
        await world.tick_now()
    assert await world.feed(after=head) == []


async def test_i19_a_change_names_who_made_it_and_why(world: FeedTownWorld) -> None:
    session = await start_work(world)
    await world.done(session.session_id, Verdict.SUBMITTED)
    await world.settle()
    events = await world.feed()
    slung = of(events, "bead.created")[0]
    assert (slung.actor, slung.reason) == ("operator:local", "sling_bead")
    ended = next(
        event for event in of(events, "session.updated") if event.payload["verdict"] == "submitted"
    )
    assert (ended.actor, ended.reason) == (f"session:{session.session_id}", "agent_done")
    claimed = next(
        event for event in of(events, "session.updated") if event.payload["state"] == "starting"
    )
    assert claimed.actor == "system"
    assert claimed.reason


async def test_a_follower_is_told_when_something_changes(world: FeedTownWorld) -> None:
    head = (await world.feed())[-1].seq
    waiting = await world.follow(after=head, wait_ms=WAIT_MS)
    assert not waiting.done()
    await sling(world)
    page = await waiting
    assert page.events[0].seq == head + 1
    assert page.next == page.events[-1].seq


async def test_a_follower_that_hears_nothing_is_answered_in_time(world: FeedTownWorld) -> None:
    head = (await world.feed())[-1].seq
    waiting = await world.follow(after=head, wait_ms=WAIT_MS)
    await world.advance_ms(WAIT_MS - 1)
    assert not waiting.done()
    await world.advance_ms(1)
    page = await waiting
    assert (page.events, page.next) == ((), head)


async def test_a_follower_of_a_topic_sleeps_through_the_others(world: FeedTownWorld) -> None:
    head = (await world.feed())[-1].seq
    waiting = await world.follow(after=head, wait_ms=WAIT_MS, topic="mail")
    await sling(world)
    await run_passes()
    assert not waiting.done()
    await world.advance_ms(WAIT_MS)
    page = await waiting
    assert page.events == ()
    assert page.next > head


async def test_many_followers_are_each_told_and_too_many_are_refused(tmp_path: Path) -> None:
    limits = TownLimits(feed_followers_max=3)
    async with FeedTownWorld(tmp_path, limits=limits) as world:
        assert isinstance(world, FeedTownWorld)
        head = (await world.feed())[-1].seq
        waiting = [await world.follow(after=head, wait_ms=WAIT_MS) for _ in range(3)]
        with pytest.raises(BoomtownError) as refused:
            await world.next_changes(after=head, wait_ms=WAIT_MS)
        assert refused.value.code == "OVERLOADED"
        await sling(world)
        assert {(await each).events[0].seq for each in waiting} == {head + 1}


async def test_the_feed_goes_on_after_a_restart(world: FeedTownWorld) -> None:
    await sling(world)
    before = await world.feed()
    await world.restart()
    await sling(world, "Of the next life")
    after = await world.feed()
    assert after[: len(before)] == before
    assert of(after, "bead.created")[-1].payload["title"] == "Of the next life"


async def test_retention_is_a_step_of_the_tick(tmp_path: Path) -> None:
    limits = TownLimits(feed_rows_max=5)
    async with FeedTownWorld(tmp_path, limits=limits, config=TownConfig()) as world:
        assert isinstance(world, FeedTownWorld)
        for number in range(8):
            await sling(world, f"Wall {number}")
        await world.tick_now()
        page = await world.next_changes(after=await head_of(world), wait_ms=0)
        assert page.oldest == page.head - limits.feed_rows_max + 1
        assert await world.violations() == []
        with pytest.raises(BoomtownError) as refused:
            await world.feed()
        assert refused.value.code == "CURSOR_EXPIRED"


async def head_of(world: FeedTownWorld) -> int:
    ((seq,),) = await world.rows("SELECT max(seq) FROM feed_log")
    return int(seq)


async def test_a_town_that_ended_has_no_feed(world: FeedTownWorld) -> None:
    head = (await world.feed())[-1].seq
    waiting = await world.follow(after=head, wait_ms=WAIT_MS)
    await world.execute(DestroyTown(force=True))
    await world.advance_ms(WAIT_MS)
    with pytest.raises(BoomtownError) as refused:
        await waiting
    assert refused.value.code == "TOWN_NOT_FOUND"
