"""Watched requests: one review per reviewer and head, posted through the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boomtown.actors.town.commands_of_roster import RemoveWatch, UseGateway
from boomtown.actors.town.model import BeadStatus
from boomtown.actors.town.questions import ListBeads
from boomtown.actors.town.roster_views import GatewayView
from boomtown.container_sim.forge.forge_faults import ForgeFaultKind
from boomtown.container_sim.forge.model import Fetched, PullRequest
from boomtown.container_sim.model import Verdict
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.forge_town import CALL_MS, REPO, ForgeTownWorld
from support.town_world import RIG_ID, speaker


async def ready(world: ForgeTownWorld) -> AgentId:
    """A reviewer who watches the repository that the town's rig is a clone of."""
    await world.add_forge_rig()
    agent = await world.hire_reviewer()
    await world.watch(agent)
    await world.settle()
    return agent


async def review(
    world: ForgeTownWorld, pull: PullRequest, verdict: str = "approved", **changed: Any
) -> GatewayView:
    session = await world.patrol_session()
    args = {
        "repo": world.forge.git_url(REPO.full_name),
        "number": pull.number,
        "head_sha": pull.head_sha,
        "verdict": verdict,
        "body": "It is good.",
        **changed,
    }
    view = await world.execute(UseGateway(action="pr.review", args=args), speaker(session))
    assert isinstance(view, GatewayView)
    return view


async def posted(world: ForgeTownWorld, pull: PullRequest) -> list[str]:
    answer = await world.people.list_reviews(REPO, pull.number, timeout_ms=CALL_MS)
    assert isinstance(answer, Fetched)
    return [said.verdict.value for said in answer.value.items]


async def reviewed(world: ForgeTownWorld) -> list[tuple[Any, ...]]:
    return await world.rows("SELECT number, head_sha FROM reviewed_prs ORDER BY reviewed_at_ms")


async def test_a_new_request_is_reviewed_once_and_a_new_head_again(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        pull = await world.open_pull()
        await world.poll()
        session = await world.patrol_session()
        assert (session.branch, session.target_branch) == ("work", "main")
        started = world.containers.starts[-1]
        assert started.pull_request is not None
        assert started.pull_request.head_sha == pull.head_sha
        beads: Any = await world.query(ListBeads(rig_id=RIG_ID))
        (shown,) = [bead for bead in beads.items if bead.metadata.get("pr_url") == pull.url]
        assert (shown.type, shown.status) == ("merge_request", "in_progress")
        assert (await review(world, pull)).result["is_new"] is True
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        await world.poll()
        assert await world.patrols() == [("closed", pull.head_sha)]
        assert await posted(world, pull) == ["approved"]
        head = world.push("work", "more\n")
        await world.poll()
        assert await world.patrols() == [("closed", pull.head_sha), ("in_progress", head)]
        assert await world.violations() == []


async def test_i18_a_row_of_reviewed_prs_needs_a_posted_review(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        pull = await world.open_pull()
        await world.poll()
        world.way.failing.add("/reviews")
        refused = await review(world, pull)
        assert refused.refusal is not None
        assert refused.refusal.code == ErrorCode.SCM_UNAVAILABLE
        assert await reviewed(world) == []
        world.way.failing.clear()
        await review(world, pull)
        assert await reviewed(world) == [(pull.number, pull.head_sha)]


async def test_a_post_whose_answer_was_lost_is_found_and_not_said_twice(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        pull = await world.open_pull()
        await world.poll()
        await world.arm(ForgeFaultKind.LOST, "pulls/create-review")
        assert (await review(world, pull)).refusal is None
        assert (await review(world, pull)).result["is_new"] is False
        assert await posted(world, pull) == ["approved"]


async def test_a_done_without_a_posted_review_is_asked_for_again_later(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        pull = await world.open_pull()
        await world.poll()
        session = await world.patrol_session()
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        assert await world.patrols() == [("open", pull.head_sha)]
        await world.completed(session.session_id)
        for _ in range(2):
            await world.poll()
        assert (await world.patrol_session()).session_id != session.session_id


async def test_a_busy_reviewer_gets_the_next_request_when_it_is_free(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        one = await world.open_pull("one")
        two = await world.open_pull("two")
        await world.poll()
        assert sorted(status for status, _ in await world.patrols()) == ["in_progress", "open"]
        session = await world.patrol_session()
        first = one if session.branch == "one" else two
        await review(world, first)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        await world.completed(session.session_id)
        await world.poll()
        assert (await world.patrol_session()).branch != session.branch


async def test_requests_older_than_the_watch_are_let_be_until_somebody_pushes(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.open_pull()
        await world.advance_ms(1_000)
        await ready(world)
        await world.poll()
        assert await world.patrols() == []
        head = world.push("work", "more\n")
        await world.poll()
        assert [sha for _, sha in await world.patrols()] == [head]


async def test_the_first_poll_after_a_boot_lets_old_requests_be_and_later_polls_do_not(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        world.way.failing.add("/pulls")  # the server cannot see what is opened now
        await world.open_pull("old")
        await world.advance_ms(world.limits.patrol_boot_age_ms + 60_000)
        young = await world.open_pull("young")
        await world.restart()
        world.way.failing.clear()
        await world.settle()
        await world.poll()
        assert [sha for _, sha in await world.patrols()] == [young.head_sha]


async def test_a_restart_asks_for_no_review_twice(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        await world.open_pull()
        await world.poll()
        before = await world.patrols()
        await world.restart()
        await world.settle()
        await world.poll()
        assert await world.patrols() == before


async def test_without_a_rig_of_the_repository_one_escalation_says_to_add_one(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        await world.open_pull("one")
        await world.open_pull("two")
        for _ in range(3):
            await world.poll()
        titles = await world.escalation_titles()
        assert titles == [
            "Pull requests of acme/widgets cannot be reviewed: no rig has this repository"
        ]
        await world.plant("UPDATE escalations SET is_live = 0")
        await world.poll()
        assert await world.escalation_titles() == titles


async def test_drafts_and_closed_requests_are_not_reviewed(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        await world.open_pull("draft", is_draft=True)
        await world.poll()
        assert await world.patrols() == []


async def test_a_review_nobody_needs_any_more_is_superseded(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        agent = await ready(world)
        await world.plant("UPDATE town SET is_paused = 1")
        await world.open_pull()
        await world.poll()
        assert [status for status, _ in await world.patrols()] == ["open"]
        (watch_id,) = (await world.rows("SELECT watch_id FROM watches"))[0]
        await world.execute(RemoveWatch(agent_id=agent, watch_id=watch_id))
        await world.poll()
        assert [status for status, _ in await world.patrols()] == [BeadStatus.FAILED.value]


async def test_a_repository_out_of_reach_is_refused_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        world.add_repository("acme/secret")
        pull = await world.open_pull()
        await world.poll()
        world.way.asked.clear()
        view = await review(world, pull, repo=world.forge.git_url("acme/secret"))
        assert view.refusal is not None
        assert view.refusal.code == ErrorCode.ACTION_DENIED
        assert world.way.asked == []


async def test_the_gateway_lists_and_comments_too(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await ready(world)
        pull = await world.open_pull()
        await world.poll()
        caller = speaker(await world.patrol_session())
        repo = {"repo": world.forge.git_url(REPO.full_name)}
        listed = await world.execute(UseGateway(action="pr.list", args=repo), caller)
        assert isinstance(listed, GatewayView)
        assert [one["number"] for one in listed.result["pull_requests"]] == [pull.number]
        args = {**repo, "number": pull.number, "body": "A word."}
        said = await world.execute(UseGateway(action="pr.comment", args=args), caller)
        assert isinstance(said, GatewayView)
        assert said.refusal is None
        assert await posted(world, pull) == ["commented"]
        assert await reviewed(world) == []
