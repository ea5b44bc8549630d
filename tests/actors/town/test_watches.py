"""Watched repositories: one agent each, released by a dismissal and by nothing else."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands_of_roster import RemoveWatch
from boomtown.actors.town.questions_of_roster import ListWatches
from boomtown.actors.town.roster_views import WatchView
from boomtown.actors.town.session_moves import end_session
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_roster import ReviewedPr, keep_reviewed_pr, put_memory
from boomtown.actors.town.views import ListView
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.roster_desk import FORGE, RosterDesk
from support.town_desk import RIG


def _watched(desk: RosterDesk, agent_id: AgentId | None = None) -> list[str]:
    items = desk.query(ListWatches(agent_id=agent_id), ListView).items
    return [f"{item.owner}/{item.repo}" for item in items if isinstance(item, WatchView)]


def _leave_traces(desk: RosterDesk, agent_id: AgentId) -> None:
    session = desk.start(agent_id, desk.add_bead(), kind=SessionKind.WORK)
    desk.act(session, "memory.put", key="style", value={"tabs": False})
    desk.act(session, "forbidden.thing")
    keep_reviewed_pr(
        desk.tx,
        ReviewedPr(
            agent_id=agent_id,
            forge=FORGE,
            repo_owner="acme",
            repo_name="app",
            number=7,
            head_sha="c0ffee",
            reviewed_at_ms=desk.tx.now_ms,
        ),
    )


def test_stmt_A01_a_dismissal_removes_every_watch_of_the_agent_and_no_other() -> None:
    desk = RosterDesk()
    rex, kim = desk.reviewer("rex"), desk.reviewer("kim")
    for repo in ("acme/app", "acme/web"):
        desk.watch(rex, repo)
    desk.watch(kim, "acme/api")
    desk.offboard(rex)
    assert _watched(desk) == ["acme/api"]
    assert _watched(desk, rex) == []


def test_stmt_A02_after_the_dismissal_another_agent_may_subscribe() -> None:
    desk = RosterDesk()
    rex, kim = desk.reviewer("rex"), desk.reviewer("kim")
    desk.watch(rex)
    desk.offboard(rex)
    assert desk.watch(kim).is_new is True


def test_stmt_A03_memory_actions_and_reviews_are_untouched_by_a_dismissal() -> None:
    desk = RosterDesk()
    rex = desk.hire(template="code-review-engineer", rig_id=RIG, name="rex")
    _leave_traces(desk, rex)
    kept = ("agent_memory", "agent_actions", "reviewed_prs")
    before = {table: rows for table, rows in desk.contents().items() if table in kept}
    assert all(before.values())
    desk.offboard(rex)
    after = {table: rows for table, rows in desk.contents().items() if table in kept}
    assert after == before


def test_stmt_A04_the_row_stays_with_its_end() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    desk.offboard(rex, reason="budget")
    row = get_agent(desk.tx, rex)
    assert (row.name, row.employment, row.offboard_reason) == ("rex", "offboarded", "budget")


def test_stmt_A05_while_both_are_employed_the_second_is_refused_and_told_who_holds_it() -> None:
    desk = RosterDesk()
    rex, kim = desk.reviewer("rex"), desk.reviewer("kim")
    watch = desk.watch(rex, "Acme/App").watch
    code, details = desk.refusal_of(desk.watching(kim, "aCME/aPP"))
    assert code == ErrorCode.REPO_ALREADY_WATCHED
    assert details == {"agent": rex, "name": "rex", "watch": watch.id}
    assert _watched(desk) == ["Acme/App"]


def test_stmt_A06_another_owners_watch_stands_in_nobodys_way() -> None:
    desk = RosterDesk()
    rex, kim = desk.reviewer("rex"), desk.reviewer("kim")
    desk.watch(rex)
    desk.tx.run("UPDATE watches SET owner_user_id = 'somebody-else'")
    assert desk.watch(kim).is_new is True


def test_stmt_A07_hire_subscribe_offboard_hire_subscribe() -> None:
    desk = RosterDesk()
    first = desk.reviewer("rex")
    desk.watch(first)
    assert desk.offboard(first) is None
    assert desk.watch(desk.reviewer("rex")).is_new is True


def test_stmt_A08_a_dismissal_at_work_frees_the_repository_before_the_body_has_ended() -> None:
    desk = RosterDesk()
    rex = desk.hire(template="code-review-engineer", rig_id=RIG, name="rex")
    desk.watch(rex)
    desk.start(rex, desk.add_bead(), kind=SessionKind.WORK)
    assert desk.offboard(rex) is not None
    assert desk.watch(desk.reviewer("kim")).is_new is True


def test_stmt_A09_strangers_and_other_agents_watches_are_not_found() -> None:
    desk = RosterDesk()
    rex, kim = desk.reviewer("rex"), desk.reviewer("kim")
    watch_id = desk.watch(rex).watch.id
    assert desk.refusal_of(desk.watching(AgentId("nobody")))[0] == ErrorCode.AGENT_NOT_FOUND
    for agent_id, found in ((kim, watch_id), (rex, "nothing")):
        command = RemoveWatch(agent_id=agent_id, watch_id=found)
        assert desk.refusal_of(command)[0] == ErrorCode.WATCH_NOT_FOUND
    desk.do(RemoveWatch(agent_id=rex, watch_id=watch_id))
    assert _watched(desk) == []


def test_stmt_A10_another_database_error_is_not_an_already_watched_one() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    desk.tx.run(
        "CREATE TRIGGER planted BEFORE INSERT ON watches BEGIN SELECT"
        " RAISE(ABORT, 'UNIQUE constraint failed: watches.repo_owner, watches.repo_name'); END"
    )
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        desk.ask_to(desk.watching(rex))
    assert _watched(desk) == []


def test_the_same_agent_again_is_answered_with_the_row_that_is_there() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    first = desk.watch(rex, "acme/app")
    desk.advance_ms(1_000)
    again = desk.watch(rex, "ACME/app")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.watch == first.watch


def test_one_who_has_left_may_not_subscribe() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    desk.offboard(rex)
    assert desk.refusal_of(desk.watching(rex))[0] == ErrorCode.AGENT_OFFBOARDED


def test_a_body_that_dies_is_no_dismissal() -> None:
    desk = RosterDesk()
    rex = desk.hire(template="code-review-engineer", rig_id=RIG, name="rex")
    desk.watch(rex)
    session = desk.start(rex, desk.add_bead(), kind=SessionKind.WORK)
    end_session(desk.tx, session, reason="crashed", counts_attempt=True, is_proven=True)
    assert _watched(desk, rex) == ["acme/app"]


def test_an_agent_watches_so_many_and_no_more() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    for number in range(desk.tx.limits.watches_per_agent_max):
        desk.watch(rex, f"acme/app-{number}")
    assert desk.refusal_of(desk.watching(rex, "acme/one-more"))[0] == ErrorCode.INVALID_BODY
    assert len(_watched(desk)) == desk.tx.limits.watches_per_agent_max


def test_memory_is_by_agent_and_the_last_write_wins() -> None:
    desk = RosterDesk()
    rex = desk.reviewer("rex")
    for value in (1, 2):
        put_memory(desk.tx, rex, key="k", value=value)
    assert desk.tx.rows("SELECT agent_id, key, value FROM agent_memory") == [(rex, "k", "2")]
