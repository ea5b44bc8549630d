"""Rows of the old system's defects, provoked by the very means that their last column names.

The other files of defects show the rule of a row; what is here adds the course of events in which
the old system showed the defect: the order of two answers, the instant of a word, the number of
ticks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from boomtown.actors.town.commands import DeleteBeads, ReportContainerGone, SetBeadStatus
from boomtown.actors.town.model import BeadStatus, SessionState
from boomtown.actors.town.views import PostedView
from boomtown.container_sim.model import Rejected, SessionKind, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.wire import encode_json_text
from support.scripted_containers import Reply
from support.town_steps import run_session_of, sling, start_review, start_work
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, TownWorld

MINUTE_MS = 60_000
PASSES_MAX = 12  # of the loop, between a sling and a tick: past the last await of either


async def test_defect_12_done_of_an_unhooked_refinery_finds_no_other_review(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        other = await start_work(world, "Another")
        await world.done(other.session_id, Verdict.SUBMITTED)
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=first.bead_id, status=BeadStatus.FAILED)
        )
        await world.settle()
        (waiting,) = await world.reviews_of(other.bead_id)
        second = await run_session_of(world, waiting.bead_id)
        assert second.agent_id == first.agent_id, "one refinery had both"
        failed = await world.bead(first.bead_id)
        answer = cast(PostedView, await world.done(first.session_id, Verdict.MERGED))
        await world.settle()
        assert answer.stale
        assert await world.bead(first.bead_id) == failed
        assert (await world.bead(waiting.bead_id)).status == BeadStatus.IN_PROGRESS
        assert (await world.bead(other.bead_id)).status == BeadStatus.IN_REVIEW
        assert (await world.session(second.session_id)).state == SessionState.RUNNING


async def test_defect_14_proof_of_death_clears_a_cooldown_and_keeps_the_count(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        stamp_ms = world.clock.now_ms() + 10 * MINUTE_MS
        await world.plant(
            f"UPDATE beads SET not_before_ms = {stamp_ms}, dispatch_attempts = 2"
            f" WHERE bead_id = '{first.bead_id}'"
        )
        await world.end_instance()
        await world.settle()
        second = await world.session_of(first.bead_id)
        assert second.session_id != first.session_id
        assert second.state == SessionState.STARTING
        assert (await world.bead(first.bead_id)).dispatch_attempts == 2


async def test_defect_17_two_refused_starts_end_for_their_own_reasons(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        codes = (ErrorCode.AGENT_BINARY_NOT_FOUND, ErrorCode.INVALID_BRANCH)
        for code, after_ms in zip(codes, (4_000, 2_000), strict=True):
            refused = Rejected(code=code, message=code.value)
            world.containers.start_replies.append(Reply(outcome=refused, after_ms=after_ms))
        beads = await sling(world, "One"), await sling(world, "Two")
        await world.settle()
        assert len(world.containers.starts) == 2, "both are under way at once"
        await world.advance_ms(5_000)
        reasons = {session.bead_id: session.end_reason for session in await world.sessions()}
        started = [start.bead_id for start in world.containers.starts]
        assert sorted(started) == sorted(beads)
        assert [reasons[bead_id] for bead_id in started] == [code.value for code in codes]


async def test_defect_21_start_that_runs_already_and_then_fails_is_noticed(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(after_ms=50_000))
        bead_id = await sling(world)
        await world.settle()
        (start,) = world.containers.starts
        # It has arrived, and its answer is on nobody's way: the town restarts and asks again.
        await world.containers.start_session(start, timeout_ms=1_000)
        await world.restart()
        await world.settle()
        session = await world.session_of(bead_id)
        assert [call.session_id for call in world.containers.calls_of("start")] == (
            [session.session_id] * 3
        )
        assert (session.state, session.instance_id is None) == (SessionState.STARTING, False)
        world.containers.end_session(session.session_id, exit_code=1)
        await world.advance_ms(world.limits.start_deadline_ms + world.limits.alarm_active_ms)
        bead = await world.bead(bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 1)
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] + 1_000)
        again = await world.session_of(bead_id)
        assert again.session_id != session.session_id
        assert world.containers.peak_live_count == 1


async def test_defect_34_a_thousand_ticks_store_nothing_and_an_exit_one_event(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.settle()
        ticks, rows = await world.counter("ticks"), await _row_counts(world)
        while await world.counter("ticks") < ticks + 1_000:
            await world.heartbeat(session.session_id)
            await world.advance_ms(world.limits.heartbeat_ms)
        assert await _row_counts(world) == rows
        world.containers.end_session(session.session_id, exit_code=1)
        most = 0
        for _ in range(30):  # seconds; the silence is noticed, and its cause is asked for
            await world.advance_ms(world.limits.alarm_active_ms)
            pending = "SELECT count(*) FROM inbox WHERE applied_at_ms IS NULL"
            most = max(most, (await world.rows(pending))[0][0])
        assert most <= 1
        assert (await world.session(session.session_id)).end_reason == "exit 1"


async def test_defect_36_events_of_a_deleted_bead_are_consumed_in_one_tick(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.completed(session.session_id, exit_code=1)
        await world.settle()
        await world.execute(DeleteBeads(rig_id=RIG_ID, bead_ids=(session.bead_id,)))
        before = (await world.rows("SELECT max(seq) FROM inbox"))[0][0] or 0
        key = {"session_id": session.session_id}
        await _post(world, "agent_done", {**key, "branch": "b"})
        await _post(world, "review_ended", {**key, "is_conflict": True, "message": "no"})
        completed = {**key, "is_failure": True, "reason": None, "is_proof": True}
        await _post(world, "agent_completed", completed)
        await world.tick_now()
        outcomes = await world.rows("SELECT outcome FROM inbox WHERE seq > ? ORDER BY seq", before)
        assert [outcome for (outcome,) in outcomes if outcome in (None, "dead")] == []
        assert len(outcomes) == 3
        assert await world.violations() == []


async def test_defect_67_old_words_during_a_start_are_no_words_about_it(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        await world.completed(first.session_id, exit_code=1)
        gone = world.containers.end_instance(TOWN_ID, reason="crashed")
        assert gone is not None, "its end is told late"
        world.containers.start_replies.append(Reply(after_ms=20_000))
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] + 1_000)
        second = await world.session_of(first.bead_id)
        assert (second.session_id == first.session_id, second.state) == (
            False,
            SessionState.STARTING,
        )
        await world.execute(ReportContainerGone(gone=gone), SYSTEM)
        await world.completed(first.session_id)
        await world.settle()
        assert (await world.session(second.session_id)).state == SessionState.STARTING
        await world.advance_ms(20_000)
        await world.heartbeat(second.session_id)
        assert (await world.session(second.session_id)).state == SessionState.RUNNING
        assert len(world.containers.starts) == 2


@pytest.mark.parametrize("passes", range(PASSES_MAX))
async def test_defect_69_a_tick_at_any_await_of_a_sling_starts_it_once(
    tmp_path: Path, passes: int
) -> None:
    async with TownWorld(tmp_path) as world:
        slinging = asyncio.create_task(sling(world))
        for _ in range(passes):
            await asyncio.sleep(0)
        ticking = asyncio.create_task(world.tick_now())
        await asyncio.gather(slinging, ticking)
        await world.settle()
        assert [start.bead_id for start in world.containers.starts] == [slinging.result()]
        assert [start.kind for start in world.containers.starts] == [SessionKind.WORK]


async def _post(world: TownWorld, tag: str, fields: Mapping[str, object]) -> None:
    payload = encode_json_text({"type": tag, **fields})
    await world.plant(
        "INSERT INTO inbox (kind, payload, created_at_ms)"
        f" VALUES ('{tag}', '{payload}', {world.clock.now_ms()})"
    )


async def _row_counts(world: TownWorld) -> list[int]:
    tables = ("inbox", "effects", "bead_events", "sessions", "beads")
    return [(await world.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]
