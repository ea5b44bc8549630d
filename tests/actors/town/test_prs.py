"""Claims of pull requests, in the order of roster.md 3.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.commands_of_observer import ClaimPr
from boomtown.actors.town.commands_of_roster import HireAgent
from boomtown.actors.town.commands_of_sessions import KillSession
from boomtown.actors.town.model import Session
from boomtown.actors.town.observer_views import PrView
from boomtown.actors.town.views import BeadView
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import BeadId, SessionId
from support.forge_town import REPO, ForgeTownWorld
from support.town_world import RIG_ID


async def at_work(world: ForgeTownWorld, title: str = "Widen it") -> Session:
    view = await world.execute(CreateBead(rig_id=RIG_ID, title=title))
    assert isinstance(view, BeadView)
    await world.settle()
    session = await world.session_of(BeadId(view.bead_id))
    world.containers.run_session(session.session_id)
    await world.heartbeat(session.session_id)
    return await world.session(session.session_id)


async def claim(
    world: ForgeTownWorld, session_id: SessionId, pr: str, *, takeover: bool = False
) -> PrView:
    view = await world.execute(ClaimPr(session_id=session_id, pr=pr, takeover=takeover))
    assert isinstance(view, PrView)
    return view


async def refusal(world: ForgeTownWorld, session_id: SessionId, pr: str) -> ErrorCode:
    prs = await world.prs()
    with pytest.raises(BoomtownError) as refused:
        await claim(world, session_id, pr)
    assert await world.prs() == prs, "a refusal changes nothing (I7)"
    return refused.value.code


@pytest.mark.parametrize("way", ["{url}", "{number}", "#{number}", "acme/widgets#{number}"])
async def test_a_claimed_request_is_the_agents_however_it_is_named(
    tmp_path: Path, way: str
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        session = await at_work(world)
        pull = await world.open_pull("by-hand")
        named = way.format(url=pull.url, number=pull.number)
        view = await claim(world, session.session_id, named)
        assert (view.number, view.agent_id, view.session_id) == (
            pull.number,
            session.agent_id,
            session.session_id,
        )
        await world.poll()
        assert await world.violations() == []


async def test_claims_are_refused_in_the_order_of_the_specification(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        pull = await world.open_pull("by-hand")
        nobody = SessionId("01890000-0000-7000-8000-00000000dead")
        assert await refusal(world, nobody, "?") == ErrorCode.SESSION_NOT_FOUND
        session = await at_work(world)
        assert await refusal(world, session.session_id, "?") == ErrorCode.INVALID_PR_REF
        assert await refusal(world, session.session_id, "acme/gears#1") == ErrorCode.PR_RIG_MISMATCH
        assert await refusal(world, session.session_id, "99") == ErrorCode.PR_NOT_FOUND
        world.way.failing.add("/pulls/")
        assert (
            await refusal(world, session.session_id, str(pull.number)) == ErrorCode.SCM_UNAVAILABLE
        )
        world.way.failing.clear()
        draft = await world.open_pull("draft", is_draft=True)
        assert await refusal(world, session.session_id, draft.url) == ErrorCode.PR_NOT_OPEN
        await world.operator.close_pull_request(REPO, pull.number)
        assert await refusal(world, session.session_id, pull.url) == ErrorCode.PR_NOT_OPEN
        await world.execute(KillSession(session_id=session.session_id, force=True))
        assert await refusal(world, session.session_id, "?") == ErrorCode.SESSION_TERMINATED


async def test_a_session_without_a_worktree_has_no_workspace(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        session = await at_work(world)
        await world.plant("UPDATE sessions SET state = 'claimed', phase = 'seed', worktree = NULL")
        assert await refusal(world, session.session_id, "1") == ErrorCode.SESSION_NO_WORKSPACE


async def test_i17_coordinators_own_no_request(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        session = await at_work(world)
        await world.execute(HireAgent(role=AgentRole.ARCHITECT, name="arch"))
        await world.plant(
            "UPDATE agents SET role = 'architect' WHERE role = 'polecat'",
        )
        assert await refusal(world, session.session_id, "1") == ErrorCode.SESSION_NOT_CLAIMABLE


async def test_a_rig_of_no_forge_has_no_requests(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        session = await at_work(world)
        assert await refusal(world, session.session_id, "1") == ErrorCode.PR_RIG_MISMATCH


async def test_i16_a_disabled_observer_asks_nothing_for_a_claim(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path, has_token=False) as world:
        await world.add_forge_rig()
        session = await at_work(world)
        assert await refusal(world, session.session_id, "1") == ErrorCode.SCM_UNAVAILABLE
        assert world.way.asked == []


async def test_another_agent_at_work_keeps_its_request_unless_it_is_taken_over(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        one = await at_work(world, "One")
        two = await at_work(world, "Two")
        pull = await world.open_pull("by-hand")
        await claim(world, one.session_id, pull.url)
        with pytest.raises(BoomtownError) as refused:
            await claim(world, two.session_id, pull.url)
        assert refused.value.code == ErrorCode.PR_CLAIMED_BY_ACTIVE_AGENT
        assert refused.value.details["session"] == one.session_id
        view = await claim(world, two.session_id, pull.url, takeover=True)
        assert view.agent_id == two.agent_id
        changed = [
            (event.payload["before"]["agent_id"], event.payload["agent_id"])
            for event in await world.feed()
            if event.topic == "pr.updated"
        ]
        assert changed[-1] == (one.agent_id, two.agent_id)
        assert changed.count((one.agent_id, two.agent_id)) == 1


async def test_an_owner_whose_session_is_over_never_blocks(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.add_forge_rig()
        one = await at_work(world, "One")
        pull = await world.open_pull("by-hand")
        await claim(world, one.session_id, pull.url)
        await world.execute(KillSession(session_id=one.session_id, force=True))
        await world.settle()
        two = await at_work(world, "Two")
        assert (await claim(world, two.session_id, pull.url)).agent_id == two.agent_id
