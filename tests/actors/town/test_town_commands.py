"""The town, its rigs, mail, escalations, reviews by command; and what holds for all commands."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from boomtown.actors.town.commands import (
    AcknowledgeEscalation,
    Approve,
    Command,
    CommandRequest,
    CompleteReview,
    ConvoyTask,
    CreateBead,
    CreateEscalation,
    CreateRig,
    DeleteRig,
    DestroyTown,
    InitTown,
    RenameTown,
    SendMail,
    SetPaused,
    SlingConvoy,
    SubmitReview,
    UpdateConfig,
    UpdateRigConfig,
)
from boomtown.actors.town.commands_of_agents import GetOrCreateAgent
from boomtown.actors.town.execution import HANDLERS, QUIET, STALE_ANSWERING, run_command
from boomtown.actors.town.model import BeadStatus, Priority, SessionState, TownConfig
from boomtown.actors.town.questions import (
    CheckInvariants,
    GetConfig,
    GetTown,
    GetTownStatus,
    ListBeads,
    ListEscalations,
    ListRigs,
)
from boomtown.actors.town.store_beads import get_bead
from boomtown.actors.town.store_satellites import get_review
from boomtown.actors.town.store_town import get_rig
from boomtown.actors.town.views import (
    AgentView,
    Answer,
    BeadView,
    ConfigView,
    EscalationView,
    ListView,
    MailView,
    RigView,
    SlingBatchView,
    TownStatusView,
    TownView,
)
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId, RigId
from support.town_database import open_town_transaction
from support.town_desk import OPERATOR, RIG, TOWN, Desk, session_caller


def _review(desk: Desk, source: BeadId, branch: str = "b") -> BeadId:
    command = SubmitReview(rig_id=RIG, bead_id=source, agent_id=None, branch=branch)
    return BeadId(desk.get(command, BeadView).bead_id)


def test_every_command_has_its_handler() -> None:
    assert set(HANDLERS) == set(get_args(Command))
    assert set(HANDLERS) >= STALE_ANSWERING | QUIET


def test_before_its_creation_a_town_is_not_found() -> None:
    request = CommandRequest(command=RenameTown(name="x"), caller=OPERATOR)
    answer = run_command(open_town_transaction(), request)
    assert answer.refusal is not None
    assert answer.refusal.code == ErrorCode.TOWN_NOT_FOUND


def test_the_same_town_again_changes_nothing() -> None:
    desk = Desk()
    before = desk.query(GetTown(), TownView)
    desk.advance_ms(1_000)
    again = InitTown(town_id=TOWN, name="Other", owner_user_id="x", config=TownConfig())
    assert desk.do(again) == before
    assert desk.query(GetTown(), TownView) == before


def test_a_handler_that_raises_has_changed_nothing() -> None:
    desk = Desk()
    before = desk.tx.rows("SELECT count(*) FROM beads")
    known = desk.add_bead()
    answer = desk.ask_to(CreateBead(rig_id=RIG, title="x", depends_on=(known, BeadId("missing"))))
    assert answer.refusal is not None
    assert desk.tx.rows("SELECT count(*) FROM beads") == [(before[0][0] + 1,)]


def test_an_idempotency_key_gives_the_first_answer_again() -> None:
    desk = Desk()
    command = CreateBead(rig_id=RIG, title="once", metadata={"b": 1, "a": [None, 2.5]})
    first = desk.ask_to(command, idempotency_key="k")
    desk.advance_ms(desk.tx.limits.idempotency_kept_ms - 1)
    assert desk.ask_to(command, idempotency_key="k") == first
    assert len(desk.query(ListBeads(rig_id=RIG), ListView).items) == 1


def test_another_body_under_the_key_is_a_conflict() -> None:
    desk = Desk()
    desk.ask_to(CreateBead(rig_id=RIG, title="one"), idempotency_key="k")
    answer = desk.ask_to(CreateBead(rig_id=RIG, title="two"), idempotency_key="k")
    assert answer.refusal is not None
    assert answer.refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH


def test_a_key_is_forgotten_after_its_day() -> None:
    desk = Desk()
    command = CreateBead(rig_id=RIG, title="one")
    first = desk.ask_to(command, idempotency_key="k")
    desk.advance_ms(desk.tx.limits.idempotency_kept_ms)
    assert desk.ask_to(command, idempotency_key="k") != first


def test_a_key_belongs_to_its_principal() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    command = CreateBead(rig_id=RIG, title="one")
    first = desk.ask_to(command, idempotency_key="k")
    other = desk.ask_to(command, caller=session_caller(session), idempotency_key="k")
    assert _bead_id(first) != _bead_id(other)


def test_a_refusal_is_not_kept() -> None:
    desk = Desk()
    command = CreateRig(rig_id=RigId("r2"), name="widgets", git_url="u", default_branch="main")
    assert desk.ask_to(command, idempotency_key="k").refusal is not None
    desk.do(DeleteRig(rig_id=RIG))
    assert desk.ask_to(command, idempotency_key="k").refusal is None


def _bead_id(answer: Answer) -> str:
    assert isinstance(answer.view, BeadView)
    return answer.view.bead_id


def test_a_settings_patch_changes_what_it_names() -> None:
    desk = Desk()
    patch = {"max_polecats_per_rig": 3, "refinery": {"gates": [["make", "test"]]}}
    view = desk.get(UpdateConfig(patch=patch), ConfigView)
    assert view.config.max_polecats_per_rig == 3
    assert view.config.refinery.gates == (("make", "test"),)
    assert view.config.refinery.code_review is True
    reset = desk.get(UpdateConfig(patch={"max_polecats_per_rig": None}), ConfigView)
    assert reset.config.max_polecats_per_rig == TownConfig().max_polecats_per_rig


WRONG_PATCHES: list[dict[str, Any]] = [
    {"max_polecats_per_rig": 0},
    {"max_polecats_per_rig": 21},
    {"max_polecats_per_rig": "3"},
    {"max_dispatch_attempts": 0},
    {"merge_strategy": "pr"},
    {"refinery": {"gates": [[]]}},
    {"on_failed_bead": "shrug"},
]


@pytest.mark.parametrize("patch", WRONG_PATCHES, ids=str)
def test_settings_out_of_bounds_are_refused(patch: dict[str, Any]) -> None:
    desk = Desk()
    before = desk.query(GetConfig(), ConfigView)
    with pytest.raises(BoomtownError) as caught:
        desk.do(UpdateConfig(patch=patch))
    assert caught.value.code == ErrorCode.INVALID_BODY
    assert desk.query(GetConfig(), ConfigView) == before


def test_variables_are_shown_masked_and_a_mask_keeps_the_value() -> None:
    desk = Desk()
    desk.do(UpdateConfig(patch={"env_vars": {"LONG": "0123456789abcdef", "SHORT": "abc"}}))
    shown = desk.query(GetConfig(), ConfigView).config.env_vars
    assert shown == {"LONG": "****cdef", "SHORT": "****"}
    desk.do(UpdateConfig(patch={"env_vars": {**shown, "NEW": "n"}}))
    stored = desk.tx.rows("SELECT json_extract(config, '$.env_vars.LONG') FROM town")
    assert stored == [("0123456789abcdef",)]


def test_town_and_rig_are_paused_apart() -> None:
    desk = Desk()
    assert desk.get(SetPaused(is_paused=True, rig_id=RIG), RigView).paused is True
    assert desk.query(GetTown(), TownView).paused is False
    assert desk.get(SetPaused(is_paused=True), TownView).paused is True


def test_a_rig_name_is_unique_and_the_same_rig_again_is_itself() -> None:
    desk = Desk()
    again = CreateRig(rig_id=RIG, name="x", git_url="y", default_branch="z")
    assert desk.get(again, RigView).name == "widgets"
    other = CreateRig(rig_id=RigId("r2"), name="widgets", git_url="y", default_branch="z")
    with pytest.raises(BoomtownError) as caught:
        desk.do(other)
    assert caught.value.code == ErrorCode.RIG_ALREADY_REGISTERED


def test_a_rigs_settings_are_patched() -> None:
    desk = Desk()
    desk.do(UpdateRigConfig(rig_id=RIG, patch={"harness": "mine"}))
    assert get_rig(desk.tx, RIG).config.harness == "mine"
    with pytest.raises(BoomtownError):
        desk.do(UpdateRigConfig(rig_id=RIG, patch={"max_dispatch_attempts": 0}))


def test_a_rig_with_live_work_is_busy_unless_forced() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    session = desk.start(desk.add_agent(), bead_id, kind=SessionKind.WORK)
    with pytest.raises(BoomtownError) as caught:
        desk.do(DeleteRig(rig_id=RIG))
    assert caught.value.code == ErrorCode.RIG_BUSY
    desk.do(DeleteRig(rig_id=RIG, force=True))
    bead = get_bead(desk.tx, bead_id)
    assert (bead.status, bead.failure_code) == (BeadStatus.FAILED, "no_rig")
    assert desk.session(session.session_id).state == SessionState.ENDING
    assert desk.query(ListRigs(), ListView).items == ()


def test_a_busy_town_is_not_destroyed_unless_forced() -> None:
    desk = Desk()
    desk.attach(desk.add_agent(), desk.add_bead())
    with pytest.raises(BoomtownError) as caught:
        desk.do(DestroyTown())
    assert caught.value.code == ErrorCode.TOWN_BUSY
    assert desk.facts(DestroyTown(force=True)) == {"destroyed": True}


def test_scenario_O_an_escalation_shows_priority_as_severity_and_title_as_message() -> None:
    desk = Desk()
    made = desk.get(
        CreateEscalation(rig_id=RIG, title="Help", priority=Priority.HIGH), EscalationView
    )
    assert (made.severity, made.message, made.status) == ("high", "Help", "open")
    assert desk.query(ListEscalations(), ListView).items == (made,)


def test_an_acknowledged_escalation_is_closed_and_the_first_time_counts() -> None:
    desk = Desk()
    made = desk.get(CreateEscalation(rig_id=RIG, title="Help"), EscalationView)
    command = AcknowledgeEscalation(escalation_id=BeadId(made.id))
    first = desk.get(command, EscalationView)
    assert (first.acknowledged, first.status) == (True, "closed")
    desk.advance_ms(5)
    assert desk.get(command, EscalationView) == first


def test_mail_to_the_boss_goes_to_the_mayor() -> None:
    desk = Desk()
    mayor = desk.get(GetOrCreateAgent(rig_id=RIG, role=AgentRole.MAYOR), AgentView)
    assert desk.get(_to_the_boss(desk), MailView).to_agent_id == mayor.id


def test_mail_to_the_boss_is_refused_where_there_is_none() -> None:
    desk = Desk()
    with pytest.raises(BoomtownError) as caught:
        desk.do(_to_the_boss(desk))
    assert caught.value.code == ErrorCode.NO_COORDINATOR


def _to_the_boss(desk: Desk) -> SendMail:
    return SendMail(rig_id=RIG, from_agent_id=desk.add_agent(), subject="S", body="B", to="boss")


def test_mail_to_nobody_is_refused() -> None:
    desk = Desk()
    with pytest.raises(BoomtownError) as caught:
        desk.do(
            SendMail(
                rig_id=RIG,
                from_agent_id=None,
                to_agent_id=AgentId("nobody"),
                subject="S",
                body="B",
            )
        )
    assert caught.value.code == ErrorCode.AGENT_NOT_FOUND


def test_defect_03_a_newer_review_supersedes_the_older() -> None:
    desk = Desk()
    source = desk.add_bead()
    first, second = _review(desk, source, "one"), _review(desk, source, "two")
    older = get_bead(desk.tx, first)
    assert (older.status, older.failure_code) == (BeadStatus.FAILED, "superseded")
    assert get_bead(desk.tx, second).status == BeadStatus.OPEN
    assert get_bead(desk.tx, source).status == BeadStatus.IN_REVIEW


def test_defect_18_a_merge_leaves_failed_siblings_failed() -> None:
    desk = Desk()
    source = desk.add_bead()
    first = _review(desk, source)
    desk.do(CompleteReview(rig_id=RIG, review_id=first, status="failed", message="No tests"))
    second = _review(desk, source)
    desk.do(CompleteReview(rig_id=RIG, review_id=second, status="merged", commit_sha="abc"))
    failed = get_bead(desk.tx, first)
    assert (failed.status, failed.failure_message) == (BeadStatus.FAILED, "No tests")
    statuses = [get_bead(desk.tx, bead_id).status for bead_id in (second, source)]
    assert statuses == [BeadStatus.CLOSED, BeadStatus.CLOSED]
    assert get_review(desk.tx, second).merge_commit == "abc"


def test_a_conflict_reopens_the_source_and_escalates_once() -> None:
    desk = Desk()
    source = desk.add_bead()
    command = CompleteReview(
        rig_id=RIG, review_id=_review(desk, source), status="conflict", message="a.py differs"
    )
    desk.do(command)
    desk.do(command)
    (escalation,) = desk.query(ListEscalations(), ListView).items
    assert isinstance(escalation, EscalationView)
    assert (escalation.severity, escalation.message) == ("high", "a.py differs")
    assert get_bead(desk.tx, source).status == BeadStatus.OPEN


def test_a_final_or_foreign_bead_is_not_submitted() -> None:
    desk = Desk()
    review_id = _review(desk, desk.add_bead())
    with pytest.raises(BoomtownError) as caught:
        _review(desk, review_id)
    assert caught.value.code == ErrorCode.ILLEGAL_TRANSITION


def test_an_unknown_result_is_refused() -> None:
    desk = Desk()
    command = CompleteReview(rig_id=RIG, review_id=_review(desk, desk.add_bead()), status="ok")
    with pytest.raises(BoomtownError) as caught:
        desk.do(command)
    assert caught.value.code == ErrorCode.INVALID_BODY


def test_approval_is_noted_and_its_refusal_fails_the_review() -> None:
    desk = Desk()
    source = desk.add_bead()
    review_id = _review(desk, source)
    desk.do(Approve(bead_id=review_id, approve=True))
    assert get_review(desk.tx, review_id).is_approved is True
    view = desk.get(Approve(bead_id=review_id, approve=False, note="Too wide"), BeadView)
    assert view.failure_reason == {"code": "not_approved", "message": "Too wide"}
    assert get_bead(desk.tx, source).status == BeadStatus.OPEN


def test_the_status_counts_agents_and_beads() -> None:
    desk = Desk()
    desk.start(desk.add_agent("Ada"), desk.add_bead(), kind=SessionKind.WORK)
    desk.add_agent("Bob")
    desk.add_bead(labels=("gt:triage-request",))
    status = desk.query(GetTownStatus(), TownStatusView)
    assert (status.agents["working"], status.agents["idle"], status.agents["total"]) == (1, 1, 2)
    assert (status.beads["inProgress"], status.beads["open"]) == (1, 1)
    assert status.beads["triageRequests"] == 1
    assert status.recent_events[-1].event_type == "created"


def test_a_town_at_work_violates_nothing() -> None:
    desk = Desk()
    desk.start(desk.add_agent("Ada"), desk.add_bead(), kind=SessionKind.WORK)
    _review(desk, desk.add_bead())
    assert desk.query(CheckInvariants(), ListView).items == ()


def test_a_deleted_rigs_convoys_fail_with_it() -> None:
    desk = Desk()
    sling = SlingConvoy(rig_id=RIG, convoy_title="C", tasks=(ConvoyTask(title="1"),))
    convoy_id = BeadId(desk.get(sling, SlingBatchView).convoy.id)
    desk.do(DeleteRig(rig_id=RIG, force=True))
    convoy = get_bead(desk.tx, convoy_id)
    assert (convoy.status, convoy.failure_code) == (BeadStatus.FAILED, "no_rig")


def test_a_settled_review_takes_its_sessions_right_away() -> None:
    desk = Desk()
    review_id = _review(desk, desk.add_bead())
    refinery = desk.add_agent("Refinery", role=AgentRole.REFINERY)
    session = desk.start(refinery, review_id, kind=SessionKind.REVIEW)
    desk.do(CompleteReview(rig_id=RIG, review_id=review_id, status="merged"))
    assert desk.session(session.session_id).state == SessionState.ENDING
