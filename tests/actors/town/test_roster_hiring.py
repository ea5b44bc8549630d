"""Hire: templates, names, places and bosses; and the grouped view of who is there."""

from __future__ import annotations

from typing import Any

import pytest

from boomtown.actors.town.commands_of_roster import ReassignWorkers
from boomtown.actors.town.questions_of_roster import ListTownAgents, ListWorkers
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_roster import list_roster_log
from boomtown.actors.town.views import AgentView, ListView
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.roster_desk import RosterDesk, hiring
from support.town_desk import OTHER_RIG, RIG


def _names(desk: RosterDesk, **options: Any) -> list[str]:
    found = desk.query(ListTownAgents(**options), ListView)
    return [item.name for item in found.items if isinstance(item, AgentView)]


def test_a_hire_is_an_idle_identity_with_its_template_and_a_log_entry() -> None:
    desk = RosterDesk()
    agent_id = desk.hire(template="code-review-engineer", config={"review_sla_minutes": 5})
    agent = get_agent(desk.tx, agent_id)
    assert (agent.role, agent.name, agent.rig_id) == (AgentRole.REVIEWER, "reviewer-1", None)
    assert agent.template == "code-review-engineer"
    assert agent.config == {"review_sla_minutes": 5, "reviews_per_hour_max": 15}
    assert desk.tx.rows("SELECT * FROM sessions") == []
    [entry] = list_roster_log(desk.tx, agent_id)
    assert (entry.verb, entry.actor) == ("hired", "operator:local")


def test_a_role_alone_gets_the_template_of_that_role() -> None:
    desk = RosterDesk()
    assert get_agent(desk.tx, desk.hire(role="architect")).template == "architect"
    assert get_agent(desk.tx, desk.mayor).template is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"template": "wizard"}, ErrorCode.UNKNOWN_TEMPLATE),
        ({}, ErrorCode.INVALID_BODY),
        ({"template": "architect", "role": "polecat"}, ErrorCode.INVALID_BODY),
        ({"role": "polecat"}, ErrorCode.RIG_ID_REQUIRED),
        ({"role": "polecat", "rig_id": OTHER_RIG}, ErrorCode.RIG_NOT_FOUND),
        ({"role": "architect", "rig_id": RIG}, ErrorCode.INVALID_BODY),
        ({"role": "mayor"}, ErrorCode.AGENT_NAME_TAKEN),
        ({"role": "architect", "boss": "nobody"}, ErrorCode.NO_COORDINATOR),
        ({"role": "architect", "name": "main"}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "boss"}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": ""}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "2nd"}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "Ann"}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "a\n"}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "a" * 65}, ErrorCode.INVALID_AGENT_NAME),
        ({"role": "architect", "name": "ann"}, ErrorCode.AGENT_NAME_TAKEN),
        ({"role": "reviewer", "name": "ann"}, ErrorCode.AGENT_NAME_TAKEN),
    ],
    ids=str,
)
def test_a_refused_hire_writes_nothing(fields: dict[str, Any], code: ErrorCode) -> None:
    desk = RosterDesk()
    desk.hire(role="architect", name="ann")
    before = desk.contents()
    assert desk.refusal_of(hiring(**fields))[0] == code
    assert desk.contents() == before


def test_a_name_of_64_characters_is_one() -> None:
    desk = RosterDesk()
    assert get_agent(desk.tx, desk.hire(role="architect", name="a" * 64)).name == "a" * 64


def test_unnamed_architects_take_the_smallest_free_number_from_two() -> None:
    desk = RosterDesk()
    made = [desk.hire(role="architect") for _ in range(3)]
    assert _names(desk) == ["Mayor", "architect-2", "architect-3", "architect-4"]
    desk.offboard(made[1])
    again = desk.hire(role="architect")
    assert get_agent(desk.tx, again).name == "architect-3"
    identities = [get_agent(desk.tx, one).identity for one in (made[1], again)]
    assert len(set(identities)) == 2


def test_a_name_may_be_used_in_each_rig_and_once_in_one() -> None:
    desk = RosterDesk()
    desk.add_rig(OTHER_RIG, "gadgets")
    desk.hire(role="polecat", rig_id=RIG, name="ada")
    desk.hire(role="polecat", rig_id=OTHER_RIG, name="ada")
    code, _ = desk.refusal_of(hiring(role="polecat", rig_id=RIG, name="ada"))
    assert code == ErrorCode.AGENT_NAME_TAKEN


def test_a_rig_has_one_refinery() -> None:
    desk = RosterDesk()
    desk.hire(role="refinery", rig_id=RIG)
    code, _ = desk.refusal_of(hiring(role="refinery", rig_id=RIG))
    assert code == ErrorCode.AGENT_NAME_TAKEN


def test_the_same_key_hires_once() -> None:
    desk = RosterDesk()
    first = desk.ask_to(hiring(role="architect"), idempotency_key="k")
    again = desk.ask_to(hiring(role="architect"), idempotency_key="k")
    assert first == again
    other = desk.ask_to(hiring(role="reviewer"), idempotency_key="k")
    assert other.refusal is not None
    assert other.refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH
    assert sorted(_names(desk)) == ["Mayor", "architect-2"]


@pytest.mark.parametrize("word", ["id", "name", "main", "mayor"])
def test_a_boss_is_named_by_id_name_or_place(word: str) -> None:
    desk = RosterDesk()
    ann = desk.hire(role="architect", name="ann")
    said, expected = {
        "id": (ann, ann),
        "name": ("ann", ann),
        "main": ("main", desk.mayor),
        "mayor": ("mayor", desk.mayor),
    }[word]
    worker = desk.hire(role="polecat", rig_id=RIG, boss=said)
    assert desk.boss_of(worker) == expected


def test_a_polecat_is_nobodys_boss() -> None:
    desk = RosterDesk()
    polecat = desk.hire(role="polecat", rig_id=RIG)
    code, _ = desk.refusal_of(hiring(role="polecat", rig_id=RIG, boss=polecat))
    assert code == ErrorCode.NO_COORDINATOR


def test_the_roster_by_boss_has_the_mayor_first_then_every_live_coordinator_by_name() -> None:
    desk = RosterDesk()
    zoe = desk.hire(role="architect", name="zoe")
    desk.hire(role="architect", name="ann")
    desk.worker(zoe, "w-1")
    desk.hire(role="polecat", rig_id=RIG, name="w-2")
    assert desk.roster() == [("Mayor", False, ["w-2"]), ("ann", False, []), ("zoe", False, ["w-1"])]
    desk.offboard(zoe, force=True)
    assert desk.roster() == [("Mayor", False, ["w-2"]), ("ann", False, []), ("zoe", True, ["w-1"])]


def test_the_roster_by_stage_and_by_rig_names_everybody_once() -> None:
    desk = RosterDesk()
    desk.hire(role="polecat", rig_id=RIG, name="w-1")
    desk.reviewer("rex")
    assert desk.roster("rig") == [("town", False, ["Mayor", "rex"]), ("widgets", False, ["w-1"])]
    assert {name: names for name, _, names in desk.roster("stage")} == {
        "working": [],
        "waiting": [],
        "stalled": [],
        "idle": ["Mayor", "w-1", "rex"],
    }


def test_workers_are_reassigned_all_at_once_and_the_log_says_so() -> None:
    desk = RosterDesk()
    ann, bob = desk.hire(role="architect", name="ann"), desk.hire(role="architect", name="bob")
    workers = [desk.worker(ann), desk.worker(ann)]
    facts = desk.facts(ReassignWorkers(agent_id=ann, to="bob"))
    assert facts == {"to": bob, "moved": workers}
    assert [desk.boss_of(worker) for worker in workers] == [bob, bob]
    assert [entry.verb for entry in list_roster_log(desk.tx, ann)] == ["hired", "reassigned"]
    before = desk.contents()
    assert desk.facts(ReassignWorkers(agent_id=ann, to="bob"))["moved"] == []
    assert desk.contents() == before
    assert len(desk.query(ListWorkers(agent_id=bob), ListView).items) == 2


def test_the_workers_of_one_who_left_get_a_boss_again() -> None:
    desk = RosterDesk()
    ann = desk.hire(role="architect", name="ann")
    worker = desk.worker(ann)
    desk.offboard(ann, force=True)
    desk.do(ReassignWorkers(agent_id=ann, to="mayor"))
    assert desk.boss_of(worker) == desk.mayor
    assert [name for name, _, _ in desk.roster()] == ["Mayor"]


def test_no_reassignment_makes_a_cycle() -> None:
    desk = RosterDesk()
    ann = desk.hire(role="architect", name="ann")
    bob = desk.hire(role="architect", name="bob", boss=ann)
    carl = desk.hire(role="architect", name="carl", boss=bob)
    worker = desk.worker(ann)
    assert desk.facts(ReassignWorkers(agent_id=ann, to="carl"))["moved"] == [worker]
    assert [desk.boss_of(one) for one in (ann, bob, carl, worker)] == [None, ann, bob, carl]
    desk.offboard(ann, reassign_to=AgentId(carl))
    assert [desk.boss_of(one) for one in (bob, carl, worker)] == [None, bob, carl]
