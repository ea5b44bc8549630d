"""What the loop makes of the less common answers: a start that comes too late, a place that is
taken, a container that vouches, a drain, and a town that is gone."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from boomtown.actors.town.commands import CreateBead, DestroyTown, SetBeadStatus
from boomtown.actors.town.commands_of_agents import (
    ReportContainerGone,
    ReportEviction,
    ReportWaiting,
)
from boomtown.actors.town.model import (
    BeadStatus,
    RefineryConfig,
    SessionState,
    TownConfig,
)
from boomtown.actors.town.questions import GetTownStatus
from boomtown.actors.town.views import BeadView, TownStatusView
from boomtown.container_sim.model import (
    Conflict,
    NotFound,
    Rejected,
    SessionKind,
    Unknown,
    Verdict,
)
from boomtown.error_codes import ErrorCode
from boomtown.ids import InstanceId, SessionId
from support.scripted_containers import Reply
from support.town_steps import run_session_of, sling, start_review, start_work, submit_work
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, TownWorld, speaker

LOST = Unknown(reason="timeout")


async def test_conflict_costs_no_attempt_and_stops_a_holder_that_is_over(tmp_path: Path) -> None:
    holder = SessionId("01890000-0000-7000-8000-00000000dead")
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=Conflict(holder_session_id=holder)))
        bead_id = await sling(world)
        await world.settle()
        bead = await world.bead(bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 0)
        assert [call.session_id for call in world.containers.calls_of("stop")] == [holder]
        assert len(world.containers.starts) == 1
        await world.advance_ms(world.limits.dispatch_backoff_ms[0])
        await world.settle()
        assert (await world.session_of(bead_id)).state == SessionState.STARTING


async def test_body_that_starts_after_its_session_was_lost_is_stopped(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(after_ms=30_000))
        bead_id = await sling(world)
        await world.settle()
        session = await world.session_of(bead_id)
        await world.plant("UPDATE sessions SET state = 'ended', ended_at_ms = 1")
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=bead_id, status=BeadStatus.CLOSED))
        await world.advance_ms(40_000)
        assert [call.session_id for call in world.containers.calls_of("stop")] == [
            session.session_id
        ]
        assert world.containers.live_reports() == []


async def test_container_that_dies_before_its_answer_is_applied_is_noticed_at_once(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        await world.tick()
        first = await world.session_of(bead_id)
        await world.plant("UPDATE inbox SET seq = seq + 1000")
        gone = world.containers.end_instance(TOWN_ID, reason="crashed")
        assert gone is not None
        await world.plant(
            "UPDATE sqlite_sequence SET seq = 500 WHERE name = 'inbox'",
        )
        await world.execute(ReportContainerGone(gone=gone), SYSTEM)
        await world.settle()
        assert (await world.session(first.session_id)).end_reason == "container_gone"
        assert (await world.session_of(bead_id)).session_id != first.session_id


async def test_start_that_lost_its_right_is_not_sent(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        await world.plant(
            "CREATE TRIGGER late AFTER INSERT ON effects WHEN new.kind = 'start' BEGIN"
            " UPDATE effects SET due_at_ms = new.due_at_ms + 20000 WHERE effect_id = new.effect_id;"
            " END"
        )
        await world.settle()
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=bead_id, status=BeadStatus.CLOSED))
        await world.advance_ms(60_000)
        assert world.containers.starts == []


async def test_probe_that_knows_the_body_renews_its_lease(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        world.containers.run_session(session.session_id)
        await world.advance_ms(10 * world.limits.lease_ms)
        current = await world.session(session.session_id)
        assert (current.state, current.stop_sent_at_ms) == (SessionState.RUNNING, None)


async def test_not_found_of_two_instances_is_no_series(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        for name in ("one", "two"):
            answer = NotFound(instance_id=InstanceId(name))
            world.containers.probe_replies.append(Reply(outcome=answer))
        world.containers.probe_replies.extend([Reply(outcome=LOST)] * 10)
        await world.advance_ms(world.limits.lease_ms + 8_000)
        current = await world.session(session.session_id)
        assert (current.state, current.probe_misses) == (SessionState.RUNNING, 1)


async def test_draining_container_costs_no_attempt_but_a_pause(tmp_path: Path) -> None:
    draining = Rejected(code=ErrorCode.TOWN_DRAINING, message="draining")
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(outcome=draining))
        bead_id = await sling(world)
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] - 1_000)
        assert len(world.containers.starts) == 1
        assert (await world.bead(bead_id)).dispatch_attempts == 0
        await world.advance_ms(2_000)
        assert len(world.containers.starts) == 2


async def test_eviction_is_noted_and_its_agent_goes_on(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        command = ReportEviction(
            rig_id=RIG_ID, agent_id=first.agent_id, branch=first.branch, saved_at_ms=1
        )
        await world.execute(command, speaker(first))
        await world.completed(first.session_id, reason="container eviction")
        await world.settle()
        second = await world.session_of(first.bead_id)
        bead = await world.bead(first.bead_id)
        assert (second.agent_id, second.branch) == (first.agent_id, first.branch)
        assert bead.dispatch_attempts == 0
        assert first.branch in world.containers.starts[-1].body


async def test_abandoned_work_goes_back_with_an_attempt(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.done(session.session_id, Verdict.ABANDONED)
        await world.settle()
        bead = await world.bead(session.bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 1)
        assert await world.reviews_of(session.bead_id) == []


async def test_merge_without_review_is_scripted_whatever_the_harness(tmp_path: Path) -> None:
    """Decisions 37."""
    config = TownConfig(
        harness="claude", review_harness="claude", refinery=RefineryConfig(code_review=False)
    )
    async with TownWorld(tmp_path, config=config) as world:
        await submit_work(world)
        orders = [(s.kind, s.harness, s.merge_only) for s in world.containers.starts]
        assert orders == [
            (SessionKind.WORK, "claude", False),
            (SessionKind.REVIEW, "scripted", True),
        ]


async def test_failed_merge_is_told_by_the_refinery_and_its_session_ends(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id, Verdict.ABANDONED)
        await world.settle()
        review = await world.bead(session.bead_id)
        assert (review.status, review.dispatch_attempts) == (BeadStatus.OPEN, 1)
        await world.advance_ms(world.limits.dispatch_backoff_ms[0])
        again = await run_session_of(world, review.bead_id)
        assert again.session_id != session.session_id


async def test_review_with_an_open_blocker_is_not_merged_by_its_word(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        made = CreateBead(rig_id=RIG_ID, title="First this", labels=("gt:held",))
        blocker = cast(BeadView, await world.execute(made)).bead_id
        await world.plant(
            f"INSERT INTO bead_dependencies VALUES ('{session.bead_id}', '{blocker}', 'blocks')"
        )
        await world.done(session.session_id, Verdict.MERGED)
        await world.settle()
        assert (await world.bead(session.bead_id)).status == BeadStatus.OPEN
        assert (await world.session(session.session_id)).state == SessionState.ENDED


async def test_claimed_review_is_in_progress_at_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        work = await start_work(world)
        await world.done(work.session_id, Verdict.SUBMITTED)
        await world.tick_now()
        (review,) = await world.reviews_of(work.bead_id)
        assert (await world.session_of(review.bead_id)).state == SessionState.CLAIMED
        assert review.status == BeadStatus.IN_PROGRESS


async def test_session_waits_for_the_proof_of_its_merge_however_long(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        world.containers.merged_branches.add(session.branch)
        world.containers.proof_replies.extend([Reply(outcome=LOST)] * 12)
        await world.done(session.session_id)
        await world.advance_ms(world.limits.silence_after_stop_ms + 60_000)
        assert (await world.session(session.session_id)).state == SessionState.ENDING
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS
        await world.advance_ms(600_000)
        assert (await world.session(session.session_id)).state == SessionState.ENDED
        assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED


async def test_defect_54_word_of_an_older_turn_is_no_waiting(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        begun_ms = session.started_at_ms
        assert begun_ms is not None
        for fired_at_ms, waiting_since_ms in ((begun_ms - 1, None), (begun_ms, begun_ms)):
            command = ReportWaiting(
                rig_id=RIG_ID, agent_id=session.agent_id, fired_at_ms=fired_at_ms
            )
            await world.execute(command, speaker(session))
            await world.settle()
            (agent,) = await world.agents()
            assert agent.waiting_since_ms == waiting_since_ms


async def test_action_that_raises_is_undone_counted_and_passed_over(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await sling(world, "First")
        await sling(world, "Second")
        first, second = await world.live_sessions()
        await world.plant(
            "CREATE TRIGGER breaks BEFORE INSERT ON effects"
            f" WHEN new.session_id = '{first.session_id}'"
            " BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
        await world.tick_now()
        assert (await world.session(first.session_id)).state == SessionState.CLAIMED
        assert (await world.session(second.session_id)).state == SessionState.STARTING
        assert await world.counter("actions.failed") == 1
        await world.plant("DROP TRIGGER breaks")
        await world.settle()
        assert (await world.session(first.session_id)).state == SessionState.STARTING


async def test_status_tells_of_the_last_tick(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await sling(world)
        await world.tick()
        status = cast(TownStatusView, await world.query(GetTownStatus()))
        assert status.reconciler["actionsByType"] == {"send_start": 1}
        assert status.reconciler["effectsStarted"] == 1


async def test_defect_93_destroyed_town_has_no_alarm(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        await world.execute(DestroyTown(force=True), SYSTEM)
        await world.tick_now()
        assert await world.alarm_at_ms() is None
        await world.restart()
        assert await world.alarm_at_ms() is None
        assert TOWN_ID not in str(await world.rows("SELECT * FROM town"))
