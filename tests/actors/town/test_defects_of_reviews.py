"""Rows of the old system's defects about reviews, their sources and their verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from boomtown.actors.town.commands import (
    CompleteReview,
    SetBeadStatus,
    SlingConvoy,
    SubmitReview,
)
from boomtown.actors.town.commands_of_agents import RequestChanges
from boomtown.actors.town.model import BeadKind, BeadStatus, Session, SessionState
from boomtown.actors.town.views import PostedView
from boomtown.container_sim.model import SessionKind, Unknown, Verdict
from boomtown.errors import BoomtownError
from boomtown.ids import BeadId
from support.scripted_containers import Reply
from support.town_steps import (
    obey,
    run_session_of,
    serial_tasks,
    sling_convoy,
    start_review,
    start_work,
    submit_work,
)
from support.town_world import OPERATOR, RIG_ID, TownWorld, speaker

HOUR_MS = 3_600_000
PULL = "https://forge.invalid/app/pull/7"


async def test_defect_01_late_done_of_an_ended_review_session_is_stale(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        second_work = await start_work(world, "Another")
        await world.done(second_work.session_id, Verdict.SUBMITTED)
        await world.completed(first.session_id, exit_code=1)
        await world.settle()
        (second_review,) = await world.reviews_of(second_work.bead_id)
        second = await run_session_of(world, second_review.bead_id)
        answer = cast(PostedView, await world.done(first.session_id, Verdict.MERGED))
        await world.settle()
        assert answer.stale
        assert (await world.bead(first.bead_id)).status == BeadStatus.OPEN
        assert (await world.bead(second_review.bead_id)).status == BeadStatus.IN_PROGRESS
        assert (await world.session(second.session_id)).state == SessionState.RUNNING


async def test_defect_03_only_the_newest_submission_is_reviewed(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        for branch in ("first", "second"):
            await world.execute(
                SubmitReview(
                    rig_id=RIG_ID, bead_id=session.bead_id, agent_id=session.agent_id, branch=branch
                )
            )
        await world.settle()
        older, newer = await world.reviews_of(session.bead_id)
        assert (older.status, older.failure_code) == (BeadStatus.FAILED, "superseded")
        started = [s.branch for s in world.containers.starts if s.kind == SessionKind.REVIEW]
        assert started == ["second"]
        assert (await world.bead(newer.bead_id)).status == BeadStatus.IN_PROGRESS


async def test_defect_04_pull_request_that_waits_does_not_freeze_the_queue(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        await world.done(first.session_id, Verdict.PR_CREATED, pr_url=PULL)
        second = await start_review(world, "Another")
        assert second.bead_id != first.bead_id
        assert (await world.bead(first.bead_id)).status == BeadStatus.IN_PROGRESS


async def test_defect_18_merge_leaves_failed_siblings_as_they_are(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await submit_work(world)
        assert first.subject is not None
        await world.execute(
            CompleteReview(
                rig_id=RIG_ID, review_id=first.bead_id, status="failed", message="not good"
            )
        )
        await world.advance_ms(world.limits.dispatch_backoff_ms[0])
        await obey(world)
        failed, merged = await world.reviews_of(first.subject)
        assert (failed.status, failed.failure_message) == (BeadStatus.FAILED, "not good")
        assert merged.status == BeadStatus.CLOSED
        assert (await world.bead(first.subject)).status == BeadStatus.CLOSED


async def test_defect_20_failed_review_of_a_lone_bead_is_worked_on_again(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        await world.execute(
            CompleteReview(rig_id=RIG_ID, review_id=review.bead_id, status="failed", message="no")
        )
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] + 1_000)
        works = [s.bead_id for s in world.containers.starts if s.kind == SessionKind.WORK]
        assert works == [review.subject, review.subject]


async def test_defect_22_refinery_is_free_only_when_its_body_is_proven_over(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        other = await start_work(world, "Another")
        await world.done(other.session_id, Verdict.SUBMITTED)
        await world.settle()
        world.containers.stop_replies.extend([Reply(outcome=Unknown(reason="503"))] * 3)
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=first.bead_id, status=BeadStatus.FAILED)
        )
        await world.advance_ms(10_000)
        (waiting,) = await world.reviews_of(other.bead_id)
        assert (await world.session(first.session_id)).state == SessionState.ENDING
        assert (await world.bead(waiting.bead_id)).status == BeadStatus.OPEN
        await world.advance_ms(20_000)
        assert (await world.session(first.session_id)).state == SessionState.ENDED
        assert (await world.session_of(waiting.bead_id)).kind == SessionKind.REVIEW


async def test_defect_23_late_done_after_completion_counts(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.completed(session.session_id)
        await world.advance_ms(20_000)
        answer = cast(PostedView, await world.done(session.session_id, Verdict.MERGED))
        await world.settle()
        assert not answer.stale
        assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED
        reviews = [s for s in world.containers.starts if s.kind == SessionKind.REVIEW]
        assert len(reviews) == 1


async def test_defect_25_long_review_with_heartbeats_is_left_alone(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        for _ in range(80):  # forty minutes
            await world.heartbeat(session.session_id)
            await world.advance_ms(world.limits.heartbeat_ms)
        assert (await world.session(session.session_id)).state == SessionState.RUNNING
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS


async def test_defect_27_completed_refinery_is_not_reused_within_the_grace(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        other = await start_work(world, "Another")
        await world.done(other.session_id, Verdict.SUBMITTED)
        await world.settle()
        await world.completed(session.session_id)
        await world.advance_ms(world.limits.done_grace_ms - 1_000)
        live = [s for s in await world.live_sessions() if s.kind == SessionKind.REVIEW]
        assert [s.session_id for s in live] == [session.session_id]
        await world.advance_ms(2_000)
        ended = await world.session(session.session_id)
        assert (ended.state, ended.end_reason) == (SessionState.ENDED, "no_result")
        assert (await world.bead(session.bead_id)).dispatch_attempts == 1


async def test_defect_28_review_with_a_pull_request_stays_as_it_is(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id, Verdict.PR_CREATED, pr_url=PULL)
        await world.settle()
        starts = len(world.containers.starts)
        await world.advance_ms(HOUR_MS)
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS
        assert len(world.containers.starts) == starts


async def test_defect_30_fruitless_reviews_are_capped(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        for _ in range(world.limits.review_attempts_max):
            session = await _wait_for_session(world, review.bead_id)
            await world.completed(session.session_id)
            await world.advance_ms(world.limits.done_grace_ms)
        await world.settle()
        ended = await world.bead(review.bead_id)
        assert (ended.status, ended.failure_code) == (BeadStatus.FAILED, "max_dispatch_attempts")
        assert ended.dispatch_attempts == world.limits.review_attempts_max
        assert [s for s in await world.live_sessions() if s.kind == SessionKind.REVIEW] == []


async def test_defect_49_unproven_merge_waits_and_is_escalated_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id)
        await world.settle()
        review = await world.bead(session.bead_id)
        assert (review.status, review.dispatch_attempts) == (BeadStatus.OPEN, 1)
        assert (await world.bead(BeadId(review.subject or ""))).status == BeadStatus.IN_REVIEW
        assert len(await world.escalation_titles()) == 1
        assert (await world.session(session.session_id)).state == SessionState.ENDED


async def test_proven_merge_without_a_verdict_counts(tmp_path: Path) -> None:
    """http.md 5: an old refinery says done and names nothing."""
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        world.containers.merged_branches.add(session.branch)
        world.containers.proof_replies.extend([Reply(outcome=Unknown(reason="503"))] * 3)
        await world.done(session.session_id)
        await world.advance_ms(1_000)
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS
        assert (await world.session(session.session_id)).state == SessionState.ENDING
        await world.advance_ms(20_000)
        assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED
        assert (await world.session(session.session_id)).state == SessionState.ENDED
        assert await world.violations() == []


async def test_defect_61_changes_requested_then_done_is_never_merged(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await _request_changes(world, session)
        late = cast(PostedView, await world.done(session.session_id, Verdict.MERGED))
        await world.settle()
        review = await world.bead(session.bead_id)
        assert late.stale
        assert review.status == BeadStatus.OPEN
        assert (await world.bead(BeadId(review.subject or ""))).status == BeadStatus.IN_REVIEW
        (rework,) = await world.beads(BeadKind.REWORK)
        mending = await run_session_of(world, rework.bead_id)
        await world.done(mending.session_id, Verdict.SUBMITTED)
        await world.settle()
        again = await world.session_of(review.bead_id)
        assert (again.kind, again.session_id) != (SessionKind.REVIEW, session.session_id)


async def test_defect_61_merged_in_one_breath_with_changes_is_not_merged(tmp_path: Path) -> None:
    """Both are recorded before a tick, the done first: the later word finds a review that waits."""
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id, Verdict.CHANGES_REQUESTED, summary="mend it")
        await world.done(session.session_id, Verdict.MERGED)
        await world.settle()
        assert (await world.bead(session.bead_id)).status == BeadStatus.OPEN
        assert [bead.body for bead in await world.beads(BeadKind.REWORK)] == ["mend it"]


async def test_defect_63_merge_of_a_failed_review_is_escalated_only(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        for status in ("failed", "merged"):
            await world.execute(
                CompleteReview(
                    rig_id=RIG_ID, review_id=review.bead_id, status=status, message=status
                )
            )
        assert (await world.bead(review.bead_id)).status == BeadStatus.FAILED
        assert (await world.bead(BeadId(review.subject or ""))).status == BeadStatus.OPEN
        (title,) = await world.escalation_titles()
        assert title.startswith("A merge was reported of a review that had failed")


async def test_defect_64_late_pull_request_does_not_revive_a_failed_review(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id, Verdict.PR_CREATED, pr_url=PULL)
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=session.bead_id, status=BeadStatus.FAILED),
            OPERATOR,
        )
        await world.settle()
        assert (await world.bead(session.bead_id)).status == BeadStatus.FAILED


async def test_defect_64_pull_request_told_in_the_grace_revives_no_failed_review(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.completed(session.session_id)
        await world.settle()
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=session.bead_id, status=BeadStatus.FAILED)
        )
        failed = await world.bead(session.bead_id)
        await world.done(session.session_id, Verdict.PR_CREATED, pr_url=PULL)
        await world.settle()
        assert failed.status == BeadStatus.FAILED
        assert await world.bead(session.bead_id) == failed


async def test_defect_75_refused_convoy_leaves_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        tasks = serial_tasks(2)
        looped = (tasks[0].__class__(title="a", depends_on=(1,)), tasks[1])
        refused = None
        try:
            await world.execute(SlingConvoy(rig_id=RIG_ID, convoy_title="Loop", tasks=looped))
        except BoomtownError as error:
            refused = error.code
        assert refused == "DEPENDENCY_CYCLE"
        assert await world.rows("SELECT count(*) FROM beads") == [(0,)]
        assert await world.rows("SELECT count(*) FROM convoys") == [(0,)]


async def test_defect_75_convoy_is_whole_after_a_restart(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, beads = await sling_convoy(world, *serial_tasks(3))
        await world.restart()
        assert (await world.convoy(convoy_id)).total_beads == len(beads) == 3
        await obey(world)
        assert (await world.convoy(convoy_id)).landed_at_ms is not None


async def test_defect_77_stored_progress_equals_the_recount_after_each_tick(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, beads = await sling_convoy(world, *(task for task in serial_tasks(3)))
        await world.execute(
            SetBeadStatus(rig_id=RIG_ID, bead_id=beads[2], status=BeadStatus.FAILED)
        )
        for _ in range(12):
            await world.tick_now()
            assert await world.violations() == []
            for session in await world.live_sessions():
                await world.heartbeat(session.session_id)
                is_work = session.kind == SessionKind.WORK
                await world.done(
                    session.session_id, Verdict.SUBMITTED if is_work else Verdict.MERGED
                )
        convoy = await world.convoy(convoy_id)
        assert (convoy.closed_beads, convoy.landed_at_ms) == (3, None)
        assert await world.counter("repairs.convoy_progress") == 0


async def test_defect_85_two_relations_of_one_pair_are_both_kept(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, (bead_id,) = await sling_convoy(world, *serial_tasks(1))
        await world.plant(
            f"INSERT INTO bead_dependencies VALUES ('{bead_id}', '{convoy_id}', 'parent-child')"
        )
        found = await world.rows(
            "SELECT type FROM bead_dependencies WHERE bead_id = ? ORDER BY type", bead_id
        )
        assert found == [("parent-child",), ("tracks",)]


async def test_defect_86_two_pull_requests_of_a_rig_break_no_invariant(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        for title in ("One", "Two"):
            session = await start_review(world, title)
            await world.done(session.session_id, Verdict.PR_CREATED, pr_url=PULL)
        await world.settle()
        await world.tick_now()
        waiting = [bead.status for bead in await world.beads(BeadKind.REVIEW)]
        assert waiting == [BeadStatus.IN_PROGRESS] * 2
        assert await world.violations() == []


async def _request_changes(world: TownWorld, session: Session) -> None:
    await world.execute(
        RequestChanges(rig_id=RIG_ID, agent_id=session.agent_id, feedback="mend it"),
        speaker(session),
    )


async def _wait_for_session(world: TownWorld, bead_id: BeadId) -> Session:
    for _ in range(200):
        found = [s for s in await world.live_sessions() if s.bead_id == bead_id]
        if found and found[0].state != SessionState.ENDING:
            await world.settle()
            await world.heartbeat(found[0].session_id)
            return await world.session(found[0].session_id)
        await world.advance_ms(5_000)
    raise AssertionError("no session came")
