"""Offboarding on a real host: the body is ended after the commit, however long that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.commands_of_roster import AddWatch, HireAgent, OffboardAgent
from boomtown.actors.town.model import BeadStatus, Session, SessionState
from boomtown.actors.town.questions_of_roster import GetTownAgent
from boomtown.actors.town.roster_views import AddedWatchView
from boomtown.actors.town.views import AgentView, BeadView, NothingView
from boomtown.container_sim.model import AgentRole, SessionReport, Unknown
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId
from support.scripted_containers import Reply
from support.town_world import RIG_ID, TownWorld

_SQL_ERROR = "planted"


async def _hire(world: TownWorld, role: AgentRole, name: str | None = None) -> AgentId:
    rig_id = RIG_ID if role == AgentRole.POLECAT else None
    view = await world.execute(HireAgent(role=role, name=name, rig_id=rig_id))
    assert isinstance(view, AgentView)
    return AgentId(view.id)


async def _at_work(world: TownWorld) -> tuple[BeadId, Session]:
    """A bead, and the session that the town gave it to a polecat that was there."""
    view = await world.execute(CreateBead(rig_id=RIG_ID, title="Fix it"))
    assert isinstance(view, BeadView)
    await world.settle()
    return BeadId(view.bead_id), await world.session_of(BeadId(view.bead_id))


async def _agent(world: TownWorld, agent_id: AgentId) -> AgentView:
    view = await world.query(GetTownAgent(agent_id=agent_id))
    assert isinstance(view, AgentView)
    return view


async def test_a_body_that_ends_when_told_leaves_an_offboarded_agent(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        polecat = await _hire(world, AgentRole.POLECAT, "ada")
        bead, session = await _at_work(world)
        assert session.agent_id == polecat
        await world.heartbeat(session.session_id)
        view = await world.execute(OffboardAgent(agent_id=polecat))
        assert isinstance(view, AgentView)
        assert view.employment == "offboarding"
        await world.settle()
        left = await _agent(world, polecat)
        assert (left.employment, left.process) == ("offboarded", "none")
        assert left.offboarded_by == "operator:local"
        assert isinstance(await world.execute(OffboardAgent(agent_id=polecat)), NothingView)
        again = await world.session_of(bead)
        assert again.agent_id != polecat
        assert await world.violations() == []


async def test_a_stop_that_hangs_holds_no_slot_and_is_tried_again(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        polecat = await _hire(world, AgentRole.POLECAT, "ada")
        bead, session = await _at_work(world)
        await world.heartbeat(session.session_id)
        await world.execute(_watching(polecat))
        world.containers.stop_replies.append(Reply(outcome=Unknown(reason="no answer")))
        await world.execute(OffboardAgent(agent_id=polecat))
        await world.settle()
        assert (await _agent(world, polecat)).employment == "offboarding"
        assert (await world.bead(bead)).assignee_agent_id != polecat
        rival = await _hire(world, AgentRole.POLECAT, "bob")
        added = await world.execute(_watching(rival))
        assert isinstance(added, AddedWatchView)
        assert added.is_new
        with pytest.raises(BoomtownError):
            await _hire(world, AgentRole.POLECAT, "ada")
        await world.advance_ms(world.limits.effect_backoff_ms)
        await world.settle()
        assert len(world.containers.calls_of("stop")) == 2
        assert (await _agent(world, polecat)).employment == "offboarded"


async def test_a_restart_between_the_commit_and_the_stop_goes_on_with_it(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        polecat = await _hire(world, AgentRole.POLECAT, "ada")
        bead, session = await _at_work(world)
        await world.heartbeat(session.session_id)
        await world.execute(OffboardAgent(agent_id=polecat))
        assert world.containers.calls_of("stop") == []
        await world.restart()
        await world.settle()
        assert len(world.containers.calls_of("stop")) == 1
        assert (await _agent(world, polecat)).employment == "offboarded"
        assert (await world.bead(bead)).status != BeadStatus.CLOSED


async def test_a_dismissal_while_the_start_is_awaited_ends_the_body_that_comes(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        polecat = await _hire(world, AgentRole.POLECAT, "ada")
        world.containers.start_replies.append(Reply(after_ms=5_000))
        bead, session = await _at_work(world)
        assert session.state == SessionState.STARTING
        await world.execute(OffboardAgent(agent_id=polecat))
        assert (await world.bead(bead)).status == BeadStatus.OPEN
        await world.advance_ms(60_000)
        assert (await _agent(world, polecat)).employment == "offboarded"
        assert _bodies_of(world, session) == []


async def test_an_error_of_the_database_is_ours_and_no_conflict(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        reviewer = await _hire(world, AgentRole.REVIEWER, "rex")
        await world.plant(
            "CREATE TRIGGER planted BEFORE INSERT ON watches"
            " BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
        with pytest.raises(Exception, match=_SQL_ERROR) as caught:
            await world.execute(_watching(reviewer))
        assert not isinstance(caught.value, BoomtownError)
        await world.plant("DROP TRIGGER planted")
        await world.execute(_watching(reviewer))


def _bodies_of(world: TownWorld, session: Session) -> list[SessionReport]:
    live = world.containers.live_reports()
    return [report for report in live if report.session_id == session.session_id]


def _watching(agent_id: AgentId) -> AddWatch:
    return AddWatch(
        agent_id=agent_id, forge="https://github.com", repo_owner="acme", repo_name="app"
    )
