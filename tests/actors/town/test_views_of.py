"""How rows look from outside."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands import SubmitReview
from boomtown.actors.town.commands_of_roster import OffboardAgent
from boomtown.actors.town.model import SessionState
from boomtown.actors.town.questions import GetAgent
from boomtown.actors.town.store_agents import get_agent, update_agent
from boomtown.actors.town.views import AgentView, BeadView
from boomtown.actors.town.views_of import agent_view, wire_status
from boomtown.container_sim.model import SessionKind
from support.town_desk import RIG, Desk


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (None, "idle"),
        (SessionState.CLAIMED, "idle"),
        (SessionState.STARTING, "working"),
        (SessionState.RUNNING, "working"),
        (SessionState.ENDING, "idle"),
        (SessionState.ENDED, "idle"),
    ],
)
def test_the_one_word_follows_the_session(state: SessionState | None, word: str) -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    session = None
    if state is not None:
        session = desk.start(agent_id, desk.add_bead(), kind=SessionKind.WORK)
        ended = desk.tx.now_ms if state == SessionState.ENDED else None
        desk.tx.run("UPDATE sessions SET state = ?, ended_at_ms = ?", state.value, ended)
        session = desk.session(session.session_id)
    assert wire_status(get_agent(desk.tx, agent_id), session) == word


def test_dismissed_comes_before_stalled_and_stalled_before_working() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    session = desk.start(agent_id, desk.add_bead(), kind=SessionKind.WORK)
    update_agent(desk.tx, agent_id, stalled_at_ms=1)
    assert wire_status(get_agent(desk.tx, agent_id), session) == "stalled"
    update_agent(desk.tx, agent_id, employment="offboarded")
    assert wire_status(get_agent(desk.tx, agent_id), session) == "dead"


def test_a_boss_is_an_id_and_may_be_stale() -> None:
    desk = Desk()
    boss, worker = desk.add_agent("Boss"), desk.add_agent("Ada")
    update_agent(desk.tx, worker, boss_id=boss)
    view = desk.query(GetAgent(rig_id=RIG, agent_id=worker), AgentView)
    assert (view.boss_id, view.boss_name, view.boss_stale) == (boss, "Boss", False)
    desk.do(OffboardAgent(agent_id=boss, force=True))
    assert agent_view(desk.tx, get_agent(desk.tx, worker)).boss_stale is True


def test_an_agents_attempts_are_those_of_its_bead() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    desk.tx.run("UPDATE beads SET dispatch_attempts = 3 WHERE bead_id = ?", bead_id)
    desk.start(agent_id, bead_id, kind=SessionKind.WORK)
    view = agent_view(desk.tx, get_agent(desk.tx, agent_id))
    assert (view.dispatch_attempts, view.process, view.status) == (3, "running", "working")


def test_a_review_carries_its_source_and_its_request() -> None:
    desk = Desk()
    source = desk.add_bead(metadata={"pr_url": "mine"})
    command = SubmitReview(
        rig_id=RIG, bead_id=source, agent_id=None, branch="b", pr_url="https://x/pr/1"
    )
    metadata = desk.get(command, BeadView).metadata
    assert metadata == {
        "source_bead_id": source,
        "branch": "b",
        "target_branch": "main",
        "pr_url": "https://x/pr/1",
    }
