"""Requests of agents: who owns one, what they are told of it, and what a merge ends."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.model import BeadStatus, Session, SessionState
from boomtown.actors.town.views import BeadView
from boomtown.container_sim.forge.forge_faults import ForgeFaultKind
from boomtown.container_sim.forge.model import CheckStatus, PullRequest, ReviewVerdict
from boomtown.container_sim.model import Verdict
from boomtown.ids import BeadId
from support.forge_town import REPO, ForgeTownWorld
from support.town_world import RIG_ID


async def working(world: ForgeTownWorld) -> tuple[Session, PullRequest]:
    """A polecat at work, and the request of its branch, found by the observer."""
    await world.add_forge_rig()
    view = await world.execute(CreateBead(rig_id=RIG_ID, title="Widen it"))
    assert isinstance(view, BeadView)
    await world.settle()
    session = await world.session_of(BeadId(view.bead_id))
    world.containers.run_session(session.session_id)
    await world.heartbeat(session.session_id)
    pull = await world.open_pull(session.branch)
    await poll(world, session)
    return session, pull


async def poll(world: ForgeTownWorld, session: Session) -> None:
    await world.heartbeat(session.session_id)
    await world.poll()
    await world.heartbeat(session.session_id)


async def fail_check(world: ForgeTownWorld, head_sha: str, name: str = "test") -> None:
    await world.operator.set_check(
        REPO, head_sha=head_sha, name=name, status=CheckStatus.FAILED, log="line 7: too short"
    )


async def test_i17_a_request_is_owned_by_the_agent_on_its_branch(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        (pr,) = await world.prs()
        assert (pr.number, pr.agent_id, pr.session_id) == (
            pull.number,
            session.agent_id,
            session.session_id,
        )
        owned = [
            event.payload["before"]["agent_id"]
            for event in await world.feed()
            if event.topic == "pr.updated" and "agent_id" in event.payload["before"]
        ]
        changes = [before for before in owned if before is None]
        assert changes
        assert await world.violations() == []


async def test_stmt_C05_a_thread_is_added_once_and_resolved_once(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        await world.operator.add_thread(
            REPO, pull.number, head_sha=pull.head_sha, path="work.txt", line=1, body="Which?"
        )
        await world.advance_ms(world.limits.patrol_reviews_ms)
        await poll(world, session)
        ((thread_id,),) = await world.rows("SELECT thread_id FROM pr_threads")
        await world.operator.mark_thread(REPO, thread_id=thread_id, is_resolved=True)
        for _ in range(6):
            await poll(world, session)
        told = [e for e in await world.feed() if e.topic.startswith("pr_thread.")]
        assert [event.topic for event in told] == ["pr_thread.created", "pr_thread.updated"]
        assert [event.payload["is_resolved"] for event in told] == [False, True]


async def test_a_truncated_listing_of_threads_never_prunes(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        for line in (1, 2):
            await world.operator.add_thread(
                REPO, pull.number, head_sha=pull.head_sha, path="work.txt", line=line, body="?"
            )
        for _ in range(5):
            await poll(world, session)
        assert len(await world.rows("SELECT thread_id FROM pr_threads")) == 2
        await world.arm(ForgeFaultKind.TRUNCATED, "graphql", times=10)
        for _ in range(5):
            await poll(world, session)
        assert len(await world.rows("SELECT thread_id FROM pr_threads")) == 2
        assert "pr_thread.deleted" not in await world.topics("pr_thread")


async def test_failing_ci_is_told_once_per_head_and_set_of_checks_with_its_log(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        await fail_check(world, pull.head_sha)
        for _ in range(3):
            await poll(world, session)
        assert await world.mail_to(session.agent_id) == [f"CI fails on #{pull.number}"]
        ((body,),) = await world.rows("SELECT body FROM beads WHERE type = 'message'")
        assert "line 7: too short" in body
        head = world.push(session.branch, "longer\n")
        await fail_check(world, head)
        for _ in range(2):
            await poll(world, session)
        assert len(await world.mail_to(session.agent_id)) == 2


async def test_review_feedback_is_told_at_most_three_times(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        for line in range(1, 6):
            await world.operator.add_thread(
                REPO, pull.number, head_sha=pull.head_sha, path="work.txt", line=line, body="Hm"
            )
            for _ in range(5):
                await poll(world, session)
        titles = await world.mail_to(session.agent_id)
        assert titles == [f"Review feedback on #{pull.number}"] * 3


async def test_a_wish_for_changes_is_feedback(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        await world.say_review(pull, ReviewVerdict.CHANGES_REQUESTED)
        for _ in range(5):
            await poll(world, session)
        assert await world.mail_to(session.agent_id) == [f"Review feedback on #{pull.number}"]
        (pr,) = await world.prs()
        assert pr.review_decision == "changes_requested"


async def test_a_conflict_is_told_once(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        world.push("main", "something else\n")
        for _ in range(3):
            await poll(world, session)
        assert await world.mail_to(session.agent_id) == [f"#{pull.number} conflicts with main"]


async def test_a_waiting_agent_is_told_when_it_goes_on(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        await world.plant("UPDATE agents SET waiting_since_ms = 1 WHERE role = 'polecat'")
        await fail_check(world, pull.head_sha)
        for _ in range(2):
            await poll(world, session)
        assert await world.mail_to(session.agent_id) == []
        await world.plant("UPDATE agents SET waiting_since_ms = NULL")
        await poll(world, session)
        assert await world.mail_to(session.agent_id) == [f"CI fails on #{pull.number}"]


async def test_an_agent_whose_session_is_over_is_told_nothing(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        session, pull = await working(world)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        await fail_check(world, pull.head_sha)
        await world.poll()
        assert await world.mail_to(session.agent_id) == []


async def test_facts_without_their_reaction_are_reacted_to_after_a_restart(tmp_path: Path) -> None:
    """Ack-after-reaction: the facts of a poll were stored, and then the server died."""
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        url = (await world.prs())[0].url
        await fail_check(world, pull.head_sha)  # so that the next poll leaves the fact as it is
        await world.plant(
            "INSERT INTO pr_checks (pr_url, name, head_sha, status)"
            f" VALUES ('{url}', 'test', '{pull.head_sha}', 'failed')"
        )
        await world.restart()
        await world.settle()
        assert await world.mail_to(session.agent_id) == [f"CI fails on #{pull.number}"]
        await world.restart()
        await world.settle()
        assert len(await world.mail_to(session.agent_id)) == 1


async def test_a_merge_ends_the_session_as_a_kill_does_and_closes_its_bead(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, pull = await working(world)
        await world.merge(pull)
        await poll(world, session)
        await world.settle()
        ended = await world.session(session.session_id)
        assert (ended.state, ended.end_reason, ended.ended_by) == (
            SessionState.ENDED,
            "pr_merged",
            "observer",
        )
        assert [call.session_id for call in world.containers.calls_of("stop")] == [
            session.session_id
        ]
        assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED
        log = await world.rows("SELECT verb, actor, reason FROM roster_log WHERE verb = 'ended'")
        assert log == [("ended", "observer", "pr_merged")]
        for _ in range(2):
            await world.poll()
        assert await world.violations() == []


async def test_i15_a_failed_look_at_a_request_ends_nothing(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, _ = await working(world)
        before = await world.prs()
        world.way.failing.add("/pulls/")
        for _ in range(3):
            await poll(world, session)
        assert await world.prs() == before
        assert (await world.session(session.session_id)).state == SessionState.RUNNING


async def test_a_done_brings_the_next_poll_forward_once_for_several(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session, _ = await working(world)
        await world.watch(await world.hire_reviewer())
        await world.settle()
        world.way.asked.clear()
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.advance_ms(world.limits.patrol_poke_ms + 200)
        await world.settle()
        assert [url for url in world.way.asked if "/pulls?" in url]
