"""Beads by command: created, read, moved, edited, deleted, retried, slung."""

from __future__ import annotations

import pytest

from boomtown.actors.town.bead_creation import block, create_escalation, track
from boomtown.actors.town.blockers import held_key
from boomtown.actors.town.commands import (
    CreateBead,
    DeleteBeads,
    DeleteBeadsByStatus,
    ReassignBead,
    RetryBead,
    SetBeadStatus,
    SetPaused,
    SlingBead,
    SubmitReview,
    UpdateBead,
)
from boomtown.actors.town.commands_of_agents import ReportDone
from boomtown.actors.town.model import (
    BeadStatus,
    BeadType,
    DependencyType,
    Priority,
    SessionState,
    TownConfig,
)
from boomtown.actors.town.questions import GetBead, ListAgents, ListBeads, ListEvents
from boomtown.actors.town.session_moves import end_session
from boomtown.actors.town.store_beads import get_bead, list_blockers, list_dependencies
from boomtown.actors.town.store_sessions import find_live_session_of_bead
from boomtown.actors.town.views import BeadView, ListView, SlingView
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, Conflict, InvalidRequest, NotFound
from boomtown.ids import BeadId, RigId
from support.town_desk import OTHER_RIG, RIG, Desk, session_caller


def _set_status(desk: Desk, bead_id: BeadId, status: BeadStatus) -> BeadView:
    return desk.get(SetBeadStatus(rig_id=RIG, bead_id=bead_id, status=status), BeadView)


def _beads(desk: Desk, **filters: object) -> list[str]:
    question = ListBeads(rig_id=RIG, **filters)  # type: ignore[arg-type]
    items = desk.query(question, ListView).items
    return [item.title for item in items if isinstance(item, BeadView)]


def test_scenario_A_a_created_bead_reads_back() -> None:
    desk = Desk()
    made = desk.get(
        CreateBead(
            rig_id=RIG,
            title="Title",
            body="Body",
            priority=Priority.HIGH,
            labels=("a", "b"),
            metadata={"k": {"n": 1}},
        ),
        BeadView,
    )
    read = desk.query(GetBead(rig_id=RIG, bead_id=BeadId(made.bead_id)), BeadView)
    assert read == made
    assert (read.status, read.assignee_agent_bead_id, read.closed_at) == ("open", None, None)
    assert (read.priority, read.labels, read.metadata) == ("high", ("a", "b"), {"k": {"n": 1}})


def test_scenario_A_priority_is_medium_by_default() -> None:
    desk = Desk()
    assert get_bead(desk.tx, desk.add_bead()).priority == Priority.MEDIUM


@pytest.mark.parametrize("bead_id", ["nobody", "01900000-0000-7000-8000-000000000001"])
def test_scenario_A_an_unknown_bead_is_not_found(bead_id: str) -> None:
    with pytest.raises(NotFound) as caught:
        Desk().query(GetBead(rig_id=RIG, bead_id=BeadId(bead_id)), BeadView)
    assert caught.value.code == ErrorCode.BEAD_NOT_FOUND


def test_a_bead_of_another_rig_is_not_found() -> None:
    desk = Desk()
    desk.add_rig(OTHER_RIG, "gadgets")
    with pytest.raises(NotFound):
        desk.query(GetBead(rig_id=OTHER_RIG, bead_id=desk.add_bead()), BeadView)


def test_scenario_A_lists_are_filtered_by_type() -> None:
    desk = Desk()
    desk.add_bead("one")
    desk.add_bead("two")
    desk.add_bead("note", type=BeadType.MESSAGE)
    counts = [len(_beads(desk, type=kind)) for kind in (None, BeadType.ISSUE, BeadType.MESSAGE)]
    assert counts == [3, 2, 1]


def test_scenario_A_pages_are_of_the_size_asked_for() -> None:
    desk = Desk()
    for number in range(5):
        desk.add_bead(str(number))
    pages = [_beads(desk, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert pages == [["0", "1"], ["2", "3"], ["4"]]


def test_scenario_A_in_progress_has_no_closing_time_and_closed_has() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    started = _set_status(desk, bead_id, BeadStatus.IN_PROGRESS)
    assert (started.status, started.closed_at) == ("in_progress", None)
    closed = _set_status(desk, bead_id, BeadStatus.CLOSED)
    assert (closed.status, closed.closed_at) == ("closed", desk.tx.now_ms)


def test_scenario_A_lists_are_filtered_by_status() -> None:
    desk = Desk()
    desk.add_bead("stays")
    _set_status(desk, desk.add_bead("goes"), BeadStatus.CLOSED)
    assert _beads(desk, status=BeadStatus.OPEN) == ["stays"]
    assert _beads(desk, status=BeadStatus.CLOSED) == ["goes"]


@pytest.mark.parametrize(
    "bead_type",
    [BeadType.MERGE_REQUEST, BeadType.ESCALATION, BeadType.CONVOY, BeadType.AGENT],
)
def test_defect_81_a_bead_with_a_satellite_is_not_created_plain(bead_type: BeadType) -> None:
    with pytest.raises(InvalidRequest):
        Desk().add_bead(type=bead_type)


@pytest.mark.parametrize("final", [BeadStatus.CLOSED, BeadStatus.FAILED])
@pytest.mark.parametrize("asked", [BeadStatus.CLOSED, BeadStatus.FAILED, BeadStatus.OPEN])
def test_defect_15_a_final_bead_stays_and_nothing_follows(
    final: BeadStatus, asked: BeadStatus
) -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    _set_status(desk, bead_id, final)
    events = desk.query(ListEvents(), ListView).items
    before = get_bead(desk.tx, bead_id)
    desk.advance_ms(1_000)
    assert _set_status(desk, bead_id, asked).status == final
    assert get_bead(desk.tx, bead_id) == before
    assert desk.query(ListEvents(), ListView).items == events


def test_an_absent_edge_is_refused_and_changes_nothing() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    _set_status(desk, bead_id, BeadStatus.IN_REVIEW)
    with pytest.raises(Conflict) as caught:
        _set_status(desk, bead_id, BeadStatus.IN_PROGRESS)
    assert caught.value.code == ErrorCode.ILLEGAL_TRANSITION
    assert get_bead(desk.tx, bead_id).status == BeadStatus.IN_REVIEW


def test_closing_a_bead_takes_its_sessions_right_away() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    session = desk.start(desk.add_agent(), bead_id, kind=SessionKind.WORK)
    _set_status(desk, bead_id, BeadStatus.CLOSED)
    after = desk.session(session.session_id)
    assert (after.state, after.stop_sent_at_ms) == (SessionState.ENDING, desk.tx.now_ms)
    assert get_bead(desk.tx, bead_id).status == BeadStatus.CLOSED


def test_failing_a_source_ends_its_review() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    submit = SubmitReview(rig_id=RIG, bead_id=bead_id, agent_id=None, branch="gt/x")
    review_id = BeadId(desk.get(submit, BeadView).bead_id)
    _set_status(desk, bead_id, BeadStatus.FAILED)
    assert get_bead(desk.tx, review_id).status == BeadStatus.FAILED


def test_an_agent_moves_no_bead_but_its_own() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead("own"), kind=SessionKind.WORK)
    foreign = desk.add_bead("foreign")
    command = SetBeadStatus(rig_id=RIG, bead_id=foreign, status=BeadStatus.CLOSED)
    with pytest.raises(BoomtownError) as caught:
        desk.do(command, caller=session_caller(session))
    assert caught.value.code == ErrorCode.SESSION_ENDED
    assert get_bead(desk.tx, foreign).status == BeadStatus.OPEN


def test_defect_98_a_metadata_edit_is_a_merge_patch() -> None:
    desk = Desk()
    bead_id = desk.add_bead(metadata={"kept": 1, "gone": 2, "deep": {"a": 1}})
    patch = {"gone": None, "new": 3, "deep": {"b": 2}}
    view = desk.get(UpdateBead(rig_id=RIG, bead_id=bead_id, metadata=patch), BeadView)
    assert view.metadata == {"kept": 1, "new": 3, "deep": {"a": 1, "b": 2}}


def test_an_edit_touches_what_it_names_and_says_so() -> None:
    desk = Desk()
    bead_id = desk.add_bead(body="Body")
    edit = UpdateBead(rig_id=RIG, bead_id=bead_id, title="New", priority=Priority.LOW)
    view = desk.get(edit, BeadView)
    assert (view.title, view.body, view.priority) == ("New", "Body", "low")
    newest = desk.query(ListEvents(), ListView).items[-1]
    assert getattr(newest, "metadata", None) == {"fields": ["priority", "title"]}


def test_depends_on_replaces_and_refuses_a_ring() -> None:
    desk = Desk()
    first, second, third = desk.add_bead("1"), desk.add_bead("2"), desk.add_bead("3")
    desk.do(UpdateBead(rig_id=RIG, bead_id=third, depends_on=(first,)))
    desk.do(UpdateBead(rig_id=RIG, bead_id=third, depends_on=(second,)))
    assert [bead.bead_id for bead in list_blockers(desk.tx, third)] == [second]
    with pytest.raises(InvalidRequest) as caught:
        desk.do(UpdateBead(rig_id=RIG, bead_id=second, title="New", depends_on=(third,)))
    assert caught.value.code == ErrorCode.DEPENDENCY_CYCLE
    assert get_bead(desk.tx, second).title == "2"


def test_defect_85_two_relations_of_one_pair_are_both_kept() -> None:
    desk = Desk()
    first, second = desk.add_bead("1"), desk.add_bead("2")
    for _ in range(2):
        block(desk.tx, first, second)
        track(desk.tx, first, second)
    kinds = (DependencyType.BLOCKS, DependencyType.TRACKS)
    assert [len(list_dependencies(desk.tx, kind)) for kind in kinds] == [1, 1]


def test_deleting_is_all_or_nothing() -> None:
    desk = Desk()
    busy, free = desk.add_bead("busy"), desk.add_bead("free")
    desk.start(desk.add_agent(), busy, kind=SessionKind.WORK)
    with pytest.raises(Conflict) as caught:
        desk.do(DeleteBeads(rig_id=RIG, bead_ids=(free, busy)))
    assert (caught.value.code, caught.value.details) == (ErrorCode.BEAD_BUSY, {"beads": [busy]})
    assert get_bead(desk.tx, free).title == "free"
    missing = BeadId("missing")
    assert desk.facts(DeleteBeads(rig_id=RIG, bead_ids=(free, missing))) == {"deleted": 1}
    with pytest.raises(NotFound):
        desk.do(DeleteBeads(rig_id=RIG, bead_ids=(free,)))


def test_deleting_by_status_takes_that_status_only() -> None:
    desk = Desk()
    desk.add_bead("open")
    _set_status(desk, desk.add_bead("failed"), BeadStatus.FAILED)
    command = DeleteBeadsByStatus(rig_id=RIG, status=BeadStatus.FAILED)
    assert desk.facts(command) == {"deleted": 1}
    assert _beads(desk) == ["open"]


def test_only_a_failed_issue_is_retried() -> None:
    desk = Desk()
    with pytest.raises(Conflict) as caught:
        desk.do(RetryBead(rig_id=RIG, bead_id=desk.add_bead()))
    assert caught.value.code == ErrorCode.BEAD_NOT_FAILED


def test_a_retry_takes_over_what_waits_and_what_it_waits_for() -> None:
    desk = Desk()
    before, old, after = desk.add_bead("before"), desk.add_bead("old"), desk.add_bead("after")
    desk.do(UpdateBead(rig_id=RIG, bead_id=old, depends_on=(before,)))
    desk.do(UpdateBead(rig_id=RIG, bead_id=after, depends_on=(old,)))
    _set_status(desk, old, BeadStatus.FAILED)
    new = BeadId(desk.get(RetryBead(rig_id=RIG, bead_id=old), BeadView).bead_id)
    assert [bead.bead_id for bead in list_blockers(desk.tx, new)] == [before]
    assert [bead.bead_id for bead in list_blockers(desk.tx, after)] == [new]
    assert get_bead(desk.tx, old).status == BeadStatus.FAILED


def test_a_reassigned_bead_prefers_the_other_and_stops_the_first() -> None:
    desk = Desk()
    bead_id, first, second = desk.add_bead(), desk.add_agent("Ada"), desk.add_agent("Bob")
    session = desk.start(first, bead_id, kind=SessionKind.WORK)
    view = desk.get(ReassignBead(rig_id=RIG, bead_id=bead_id, agent_id=second), BeadView)
    assert (view.status, view.assignee_agent_bead_id) == ("open", second)
    assert desk.session(session.session_id).state == SessionState.ENDING


def test_a_sling_binds_a_polecat_at_once() -> None:
    desk = Desk()
    view = desk.get(SlingBead(rig_id=RIG, title="Now"), SlingView)
    assert (view.bead.status, view.bead.assignee_agent_bead_id) == ("open", view.agent.id)
    assert view.agent.current_hook_bead_id == view.bead.bead_id
    assert (view.agent.status, view.agent.process) == ("idle", "claimed")


def test_defect_95_slings_beyond_the_limit_wait() -> None:
    desk = Desk(config=TownConfig(max_polecats_per_rig=2))
    views = [desk.get(SlingBead(rig_id=RIG, title=str(n)), SlingView) for n in range(4)]
    live = [find_live_session_of_bead(desk.tx, BeadId(view.bead.bead_id)) for view in views]
    assert [session is not None for session in live] == [True, True, False, False]
    assert len(desk.query(ListAgents(rig_id=RIG), ListView).items) == 2


@pytest.mark.parametrize("label", ["gt:held", "gt:triage-request"])
def test_a_held_sling_is_bound_to_nobody(label: str) -> None:
    desk = Desk()
    view = desk.get(SlingBead(rig_id=RIG, title="Later", labels=(label,)), SlingView)
    assert find_live_session_of_bead(desk.tx, BeadId(view.bead.bead_id)) is None


@pytest.mark.parametrize("rig_id", [None, RIG], ids=["town", "rig"])
def test_a_sling_waits_while_paused(rig_id: RigId | None) -> None:
    desk = Desk()
    desk.do(SetPaused(is_paused=True, rig_id=rig_id))
    view = desk.get(SlingBead(rig_id=RIG, title="Later"), SlingView)
    assert view.agent.current_hook_bead_id is None
    assert view.bead.assignee_agent_bead_id == view.agent.id


def test_defect_37_a_deleted_bead_takes_its_pending_events_along() -> None:
    desk = Desk()
    kept, deleted = desk.add_bead("kept"), desk.add_bead("deleted")
    for name, bead_id in (("Ada", kept), ("Bob", deleted)):
        session = desk.start(desk.add_agent(name), bead_id, kind=SessionKind.WORK)
        done = ReportDone(rig_id=RIG, agent_id=session.agent_id, branch="b")
        desk.do(done, caller=session_caller(session))
        end_session(desk.tx, session, reason="test", counts_attempt=False, is_proven=True)
    desk.do(DeleteBeads(rig_id=RIG, bead_ids=(deleted,)))
    beads = "SELECT bead_id FROM inbox JOIN sessions USING (session_id) ORDER BY seq"
    assert desk.tx.rows(beads) == [(kept,)]


def test_a_retry_answers_the_escalation_of_what_waited() -> None:
    desk = Desk()
    old, waiting = desk.add_bead("old"), desk.add_bead("waiting")
    desk.do(UpdateBead(rig_id=RIG, bead_id=waiting, depends_on=(old,)))
    _set_status(desk, old, BeadStatus.FAILED)
    held = create_escalation(
        desk.tx,
        rig_id=RIG,
        title="Held",
        body=None,
        severity=Priority.MEDIUM,
        category="held",
        key=held_key(bead_id=waiting, blocker_id=old),
        metadata={},
    )
    assert held is not None
    desk.do(RetryBead(rig_id=RIG, bead_id=old))
    assert get_bead(desk.tx, held.bead_id).status == BeadStatus.CLOSED
