"""Agents from outside: hire, find, dismiss, reset."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands import ReassignBead, SubmitReview
from boomtown.actors.town.commands_of_agents import (
    DeleteAgent,
    GetOrCreateAgent,
    RegisterAgent,
    ResetAgent,
    WriteCheckpoint,
)
from boomtown.actors.town.model import BeadStatus, SessionState
from boomtown.actors.town.questions import GetAgent, ListAgents
from boomtown.actors.town.store_agents import find_agent_by_identity
from boomtown.actors.town.store_beads import get_bead, update_bead
from boomtown.actors.town.views import AgentView, ListView
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId
from support.town_desk import OTHER_RIG, RIG, Desk


def _names(desk: Desk, **filters: object) -> list[str]:
    question = ListAgents(rig_id=RIG, **filters)  # type: ignore[arg-type]
    return [getattr(item, "name", "") for item in desk.query(question, ListView).items]


def test_scenario_B_a_registered_agent_is_idle_and_found_by_id_and_identity() -> None:
    desk = Desk()
    agent_id = desk.add_agent("Ada")
    view = desk.query(GetAgent(rig_id=RIG, agent_id=agent_id), AgentView)
    assert (view.status, view.current_hook_bead_id, view.rig_id) == ("idle", None, RIG)
    found = find_agent_by_identity(desk.tx, "Ada-identity")
    assert found is not None
    assert found.agent_id == agent_id


def test_scenario_B_agents_are_listed_by_role() -> None:
    desk = Desk()
    desk.add_agent("Ada")
    desk.add_agent("Bob")
    desk.add_agent("Ref", role=AgentRole.REFINERY)
    counts = [len(_names(desk, role=role)) for role in (None, *list(AgentRole)[:2])]
    assert counts == [3, 2, 1]


def test_scenario_B_a_missing_agent_is_not_found() -> None:
    with pytest.raises(BoomtownError) as caught:
        Desk().query(GetAgent(rig_id=RIG, agent_id=AgentId("nobody")), AgentView)
    assert caught.value.code == ErrorCode.AGENT_NOT_FOUND


@pytest.mark.parametrize(
    ("name", "identity", "role"),
    [
        ("Ada", "new", AgentRole.POLECAT),
        ("New", "Ada-identity", AgentRole.POLECAT),
        ("Second", "second", AgentRole.REFINERY),
    ],
    ids=["name", "identity", "second refinery"],
)
def test_names_identities_and_the_refinerys_place_are_taken_once(
    name: str, identity: str, role: AgentRole
) -> None:
    desk = Desk()
    desk.add_agent("Ada")
    desk.add_agent("Ref", role=AgentRole.REFINERY)
    with pytest.raises(BoomtownError) as caught:
        desk.do(RegisterAgent(rig_id=RIG, role=role, name=name, identity=identity))
    assert caught.value.code == ErrorCode.AGENT_NAME_TAKEN


def test_a_name_is_free_again_after_its_agent_but_an_identity_is_not() -> None:
    desk = Desk()
    desk.do(DeleteAgent(rig_id=RIG, agent_id=desk.add_agent("Ada")))
    again = RegisterAgent(rig_id=RIG, role=AgentRole.POLECAT, name="Ada", identity="Ada-2")
    assert desk.get(again, AgentView).name == "Ada"
    used = RegisterAgent(rig_id=RIG, role=AgentRole.POLECAT, name="Bob", identity="Ada-identity")
    with pytest.raises(BoomtownError):
        desk.do(used)


def test_a_name_may_be_used_in_each_rig() -> None:
    desk = Desk()
    desk.add_rig(OTHER_RIG, "gadgets")
    desk.add_agent("Ada")
    other = RegisterAgent(rig_id=OTHER_RIG, role=AgentRole.POLECAT, name="Ada", identity="a2")
    assert desk.get(other, AgentView).rig_id == OTHER_RIG


@pytest.mark.parametrize("role", [AgentRole.REFINERY, AgentRole.MAYOR, AgentRole.POLECAT])
def test_get_or_create_answers_the_same_agent_while_it_is_free(role: AgentRole) -> None:
    desk = Desk()
    command = GetOrCreateAgent(rig_id=RIG, role=role)
    assert desk.get(command, AgentView) == desk.get(command, AgentView)


def test_get_or_create_answers_another_polecat_when_the_first_is_busy() -> None:
    desk = Desk()
    command = GetOrCreateAgent(rig_id=RIG, role=AgentRole.POLECAT)
    first = desk.get(command, AgentView)
    desk.attach(AgentId(first.id), desk.add_bead())
    assert desk.get(command, AgentView).id != first.id


def test_a_dismissed_agent_is_dead_and_its_row_stays() -> None:
    desk = Desk()
    agent_id = desk.add_agent("Ada")
    assert desk.facts(DeleteAgent(rig_id=RIG, agent_id=agent_id)) == {"deleted": True}
    assert desk.facts(DeleteAgent(rig_id=RIG, agent_id=agent_id)) == {"deleted": False}
    view = desk.query(GetAgent(rig_id=RIG, agent_id=agent_id), AgentView)
    assert (view.status, view.employment, view.name) == ("dead", "offboarded", "Ada")
    assert (_names(desk), _names(desk, status="dead")) == ([], ["Ada"])


def test_an_agent_at_work_is_not_dismissed() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    desk.attach(agent_id, desk.add_bead())
    with pytest.raises(BoomtownError) as caught:
        desk.do(DeleteAgent(rig_id=RIG, agent_id=agent_id))
    assert caught.value.code == ErrorCode.AGENT_BUSY


def test_defect_65_a_dismissal_touches_no_bead_in_review() -> None:
    desk = Desk()
    agent_id, reviewed, preferred = desk.add_agent(), desk.add_bead("1"), desk.add_bead("2")
    update_bead(desk.tx, reviewed, assignee_agent_id=agent_id)
    desk.do(SubmitReview(rig_id=RIG, bead_id=reviewed, agent_id=agent_id, branch="b"))
    desk.do(ReassignBead(rig_id=RIG, bead_id=preferred, agent_id=agent_id))
    desk.do(DeleteAgent(rig_id=RIG, agent_id=agent_id))
    bead = get_bead(desk.tx, reviewed)
    assert (bead.status, bead.assignee_agent_id) == (BeadStatus.IN_REVIEW, agent_id)
    assert get_bead(desk.tx, preferred).assignee_agent_id is None


def test_a_reset_stops_the_session_and_forgives_the_bead() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    update_bead(desk.tx, bead_id, dispatch_attempts=3, not_before_ms=5)
    session = desk.start(agent_id, bead_id, kind=SessionKind.WORK)
    view = desk.get(ResetAgent(rig_id=RIG, agent_id=agent_id), AgentView)
    bead = get_bead(desk.tx, bead_id)
    assert (bead.status, bead.assignee_agent_id) == (BeadStatus.OPEN, None)
    assert (bead.dispatch_attempts, bead.not_before_ms) == (0, None)
    assert desk.session(session.session_id).state == SessionState.ENDING
    assert view.process == "ending"


def test_a_reset_clears_the_checkpoint() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    desk.do(WriteCheckpoint(rig_id=RIG, agent_id=agent_id, data=1))
    assert desk.get(ResetAgent(rig_id=RIG, agent_id=agent_id), AgentView).checkpoint is None
