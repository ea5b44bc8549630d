"""Rows of the old system's defects about binding, starting and losing sessions."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

from boomtown.actors.town.commands import SetBeadStatus
from boomtown.actors.town.model import BeadKind, BeadStatus, SessionState
from boomtown.container_sim.model import NotFound, Rejected, SessionKind, Unknown, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.ids import InstanceId, RigId
from support.scripted_containers import Reply
from support.town_steps import run_session_of, sling, start_review, start_work, submit_work
from support.town_world import RIG_ID, TOWN_ID, TownWorld

LOST = Unknown(reason="timeout")
REFUSED = Rejected(code=ErrorCode.CONTAINER_ERROR, message="no room")
OTHER_RIG = RigId("01890000-0000-7000-8000-000000000003")
MINUTE_MS = 60_000


async def test_defect_02_review_start_that_times_out_is_sent_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        world.containers.start_replies.append(
            Reply(outcome=LOST, is_effective=True, after_ms=MINUTE_MS)
        )
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.advance_ms(5 * MINUTE_MS)
        reviews = [s for s in world.containers.starts if s.kind == SessionKind.REVIEW]
        assert len(reviews) == 1
        assert len(await world.live_sessions()) == 1


async def test_defect_19_work_start_that_times_out_is_sent_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(
            Reply(outcome=LOST, is_effective=True, after_ms=MINUTE_MS)
        )
        await sling(world)
        await world.advance_ms(10 * MINUTE_MS)
        assert len(world.containers.starts) == 1
        assert len(await world.live_sessions()) == 1


async def test_defect_08_token_travels_in_the_start_and_needs_no_call_of_its_own(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=LOST, after_ms=15_000))
        bead_id = await sling(world)
        await world.settle()
        session = await world.session_of(bead_id)
        (start,) = world.containers.starts
        assert start.session_token == f"token-of-{session.session_id}"
        assert [call.verb for call in world.containers.calls] == ["start"]


async def test_defect_10_source_of_a_failed_review_is_dispatched_again(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        source_id = review.subject
        assert source_id is not None
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=review.bead_id, status=BeadStatus.FAILED)
        )
        source = await world.bead(source_id)
        assert (source.status, source.assignee_agent_id) == (BeadStatus.OPEN, None)
        await world.advance_ms(world.limits.dispatch_backoff_ms[0])
        await world.tick(2)
        assert (await world.session_of(source_id)).state == SessionState.STARTING


async def test_defect_11_rejected_start_does_not_reopen_a_closed_bead(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=REFUSED, after_ms=5_000))
        bead_id = await sling(world)
        await world.settle()
        assert (await world.bead(bead_id)).status == BeadStatus.IN_PROGRESS
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=bead_id, status=BeadStatus.CLOSED))
        await world.advance_ms(2 * MINUTE_MS)
        bead = await world.bead(bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.CLOSED, 0)
        assert await world.live_sessions() == []


async def test_defect_13_not_found_counts_twice_and_in_silence_only(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        unknown_there = NotFound(instance_id=InstanceId(session.instance_id or ""))
        world.containers.probe_replies.append(Reply(outcome=unknown_there, after_ms=1_000))
        await world.advance_ms(world.limits.lease_ms + 500)
        await world.heartbeat(session.session_id)
        await world.advance_ms(30_000)
        current = await world.session(session.session_id)
        assert (current.state, current.probe_misses) == (SessionState.RUNNING, 0)
        world.containers.probe_replies.extend([Reply(outcome=unknown_there)] * 2)
        await world.advance_ms(world.limits.lease_ms - 28_000)  # silent for a lease and 2 s
        current = await world.session(session.session_id)
        assert (current.state, current.probe_misses) == (SessionState.RUNNING, 1)
        await world.advance_ms(2 * world.limits.alarm_active_ms)
        ended = await world.session(session.session_id)
        assert (ended.state, ended.end_reason) == (SessionState.ENDED, "not_found")
        assert (await world.bead(session.bead_id)).dispatch_attempts == 1


async def test_defect_14_proof_of_death_is_followed_by_a_dispatch_at_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        await world.end_instance()
        await world.settle()
        second = await world.session_of(first.bead_id)
        assert second.session_id != first.session_id
        assert (await world.bead(first.bead_id)).dispatch_attempts == 0
        assert (await world.session(first.session_id)).end_reason == "container_gone"


async def test_defect_21_start_that_fails_after_a_timeout_is_noticed(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=LOST, is_effective=True))
        bead_id = await sling(world)
        await world.tick(2)
        session = await world.session_of(bead_id)
        world.containers.end_session(session.session_id, exit_code=1)
        await world.advance_ms(world.limits.start_deadline_ms + world.limits.alarm_active_ms)
        bead = await world.bead(bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 1)
        assert await world.live_sessions() == []
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] + 1_000)
        assert len(world.containers.starts) == 2
        assert world.containers.peak_live_count == 1


async def test_defect_24_failing_rig_does_not_starve_another(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.add_rig(OTHER_RIG, "other")
        world.containers.start_replies.extend([Reply(outcome=REFUSED)] * 100)
        await sling(world, "Never starts")
        await world.settle()
        world.containers.start_replies.clear()
        world.containers.start_replies.append(Reply())
        working = await start_work(world, "Fine", rig_id=OTHER_RIG)
        world.containers.start_replies.append(Reply())
        await world.done(working.session_id, Verdict.SUBMITTED)
        await world.settle()
        (review,) = await world.reviews_of(working.bead_id)
        assert (await world.session_of(review.bead_id)).rig_id == OTHER_RIG


async def test_defect_26_unknown_probes_move_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=LOST, is_effective=True))
        world.containers.probe_replies.extend([Reply(outcome=LOST)] * 500)
        bead_id = await sling(world)
        await world.advance_ms(world.limits.start_deadline_ms - 10_000)
        session = await world.session_of(bead_id)
        assert session.state == SessionState.STARTING
        for _ in range(20):  # ten minutes
            await world.heartbeat(session.session_id)
            await world.advance_ms(world.limits.heartbeat_ms)
        assert (await world.session(session.session_id)).state == SessionState.RUNNING
        assert len(world.containers.starts) == 1


async def test_defect_31_late_success_goes_on_in_the_same_session(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(
            Reply(outcome=LOST, is_effective=True, after_ms=MINUTE_MS)
        )
        bead_id = await sling(world)
        await world.advance_ms(70_000)
        session = await world.session_of(bead_id)
        await world.heartbeat(session.session_id)
        await world.settle()
        assert (await world.session(session.session_id)).state == SessionState.RUNNING
        assert (await world.bead(bead_id)).status == BeadStatus.IN_PROGRESS
        assert len(world.containers.starts) == 1


async def test_defect_32_cold_start_is_unknown_for_two_minutes_and_lives(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=LOST, is_effective=True))
        world.containers.probe_replies.extend(
            [Reply(outcome=NotFound(instance_id=InstanceId("cold")))] * 24
        )
        bead_id = await sling(world)
        await world.advance_ms(2 * MINUTE_MS)
        session = await world.session_of(bead_id)
        await world.heartbeat(session.session_id)
        await world.advance_ms(MINUTE_MS)
        assert (await world.session_of(bead_id)).session_id == session.session_id
        assert len(world.containers.starts) == 1


async def test_defect_34_steady_work_stores_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.settle()
        before = await _row_counts(world)
        for _ in range(40):  # twenty minutes, 240 ticks
            await world.heartbeat(session.session_id)
            await world.advance_ms(world.limits.heartbeat_ms)
        assert await _row_counts(world) == before


async def test_defect_68_slow_clone_is_one_start(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        await world.settle()
        session = await world.session_of(bead_id)
        for _ in range(8):  # 240 seconds, past the start's deadline
            await world.heartbeat(session.session_id, body_status="starting")
            await world.advance_ms(world.limits.heartbeat_ms)
        assert (await world.session_of(bead_id)).session_id == session.session_id
        assert len(world.containers.starts) == 1


async def test_defect_69_slings_and_ticks_at_once_start_each_bead_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        deeds = [sling(world, f"Wall {index}") for index in range(4)]
        ticks = [world.tick_now() for _ in range(4)]
        await asyncio.gather(*(deed for pair in zip(deeds, ticks, strict=True) for deed in pair))
        await world.settle()
        started = [start.bead_id for start in world.containers.starts]
        assert len(started) == len(set(started)) == 4


async def test_defect_70_slow_stop_does_not_hit_the_next_session(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        other = await start_work(world, "Another")
        await world.done(other.session_id, Verdict.SUBMITTED)
        world.containers.stop_replies.clear()
        await world.settle()
        world.containers.stop_replies.append(Reply(after_ms=10_000))
        await world.done(first.session_id, Verdict.MERGED)
        await world.advance_ms(9_000)
        refinery = [s for s in await world.live_sessions() if s.kind == SessionKind.REVIEW]
        assert [s.session_id for s in refinery] == [first.session_id]
        await world.advance_ms(2_000)
        (waiting,) = await world.reviews_of(other.bead_id)
        second = await run_session_of(world, waiting.bead_id)
        await world.advance_ms(10_000)
        assert (await world.session(second.session_id)).state == SessionState.RUNNING
        assert world.containers.peak_live_count == 1


async def test_defect_76_hung_stop_does_not_stop_the_ticks(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        world.containers.stop_replies.append(Reply(after_ms=3_600_000))
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        before = await world.counter("ticks")
        await world.advance_ms(50_000)
        assert await world.counter("ticks") - before == 10


async def test_defect_96_rejection_is_retried_by_backoff(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.extend([Reply(outcome=REFUSED)] * 2)
        bead_id = await sling(world)
        await world.settle()
        assert (await world.bead(bead_id)).status == BeadStatus.OPEN
        await world.advance_ms(80_000)
        at_ms = [call.at_ms for call in world.containers.calls_of("start")]
        waits = [after - before for before, after in itertools.pairwise(at_ms)]
        assert [wait // 1_000 for wait in waits] == [30]
        await world.advance_ms(20_000)
        assert len(world.containers.starts) == 3


async def test_unreachable_origin_is_one_escalation_and_no_session(tmp_path: Path) -> None:
    """Decisions 44."""
    unreachable = Rejected(code=ErrorCode.GIT_UNREACHABLE, message="no such host")
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.extend([Reply(outcome=unreachable)] * 10)
        bead_id = await sling(world)
        await world.advance_ms(30 * MINUTE_MS)
        bead = await world.bead(bead_id)
        assert (bead.status, bead.failure_code) == (BeadStatus.FAILED, "max_dispatch_attempts")
        assert len(world.containers.starts) == world.limits.dispatch_attempts_max
        assert await world.escalation_titles() == ["Agents cannot start: GIT_UNREACHABLE"]
        assert await world.live_sessions() == []


async def test_silent_agent_is_asked_then_stopped_then_lost(tmp_path: Path) -> None:
    """Decisions 33: a lease alone never frees."""
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        world.containers.probe_replies.extend([Reply(outcome=LOST)] * 500)
        world.containers.stop_replies.extend([Reply(outcome=LOST)] * 500)
        await world.advance_ms(world.limits.lease_ms + 60_000)
        current = await world.session(session.session_id)
        assert current.state == SessionState.RUNNING
        assert current.stop_sent_at_ms is not None
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS
        await world.advance_ms(world.limits.silence_after_stop_ms)
        ended = await world.session(session.session_id)
        assert (ended.state, ended.end_reason) == (SessionState.ENDED, "lost")
        assert world.containers.calls_of("probe")[0].town_id == TOWN_ID
        assert len(await world.beads(BeadKind.WORK)) == 1


async def _row_counts(world: TownWorld) -> list[int]:
    counts: list[int] = []
    for table in ("inbox", "effects", "bead_events", "sessions", "beads"):
        counts += [row[0] for row in await world.rows(f"SELECT count(*) FROM {table}")]
    return counts
