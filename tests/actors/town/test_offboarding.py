"""Offboarding: what is refused, what one transaction does, and what stays (roster.md 4.4)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from boomtown.actors.town.commands import SendMail
from boomtown.actors.town.commands_of_agents import ReportDone
from boomtown.actors.town.commands_of_roster import OffboardAgent, ReassignWorkers
from boomtown.actors.town.model import BeadStatus, Employment, SessionState
from boomtown.actors.town.session_moves import begin_grace, end_session
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_beads import get_bead
from boomtown.actors.town.store_roster import list_roster_log
from boomtown.actors.town.store_satellites import list_undelivered_mail
from boomtown.actors.town.views import PostedView
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.roster_desk import RosterDesk
from support.town_desk import RIG, session_caller


class Office(RosterDesk):
    """An architect `ann` with two workers, and `bob` without."""

    def __init__(self) -> None:
        super().__init__()
        self.ann = self.hire(role="architect", name="ann")
        self.bob = self.hire(role="architect", name="bob")
        self.workers = [self.worker(self.ann, "w-1"), self.worker(self.ann, "w-2")]

    def employment(self, agent_id: AgentId) -> str:
        return get_agent(self.tx, agent_id).employment.value


def test_stmt_B01_an_architect_with_workers_is_not_dismissed_and_nothing_changes() -> None:
    office = Office()
    before = office.contents()
    code, _ = office.refusal_of(OffboardAgent(agent_id=office.ann))
    assert code == ErrorCode.AGENT_HAS_WORKERS
    assert office.contents() == before


def test_stmt_B02_the_refusal_names_each_worker_and_both_commands() -> None:
    office = Office()
    bead = office.add_bead("Fix the door")
    office.start(office.workers[0], bead, kind=SessionKind.WORK)
    _, details = office.refusal_of(OffboardAgent(agent_id=office.ann))
    assert details["agent"] == {"id": office.ann, "name": "ann"}
    assert details["count"] == 2
    first, second = details["workers"]
    assert first == {
        "id": office.workers[0],
        "name": "w-1",
        "bead": bead,
        "title": "Fix the door",
        "phase": "bodied",
        "process": "running",
    }
    assert (second["name"], second["bead"], second["process"]) == ("w-2", None, "none")
    assert details["remedies"] == [
        "boomtown offboard ann --reassign-to mayor",
        "boomtown offboard ann --force",
    ]


def test_stmt_B03_workers_are_reassigned_and_then_the_architect_leaves() -> None:
    office = Office()
    assert office.offboard(office.ann, reassign_to="bob") is None
    assert [office.boss_of(worker) for worker in office.workers] == [office.bob] * 2
    assert office.employment(office.ann) == Employment.OFFBOARDED


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("nobody", ErrorCode.REASSIGN_TARGET_NOT_FOUND),
        ("carl", ErrorCode.REASSIGN_TARGET_NOT_FOUND),
        ("ann", ErrorCode.REASSIGN_TARGET_INVALID),
        ("w-1", ErrorCode.REASSIGN_TARGET_INVALID),
    ],
    ids=["unknown", "offboarded", "itself", "no coordinator"],
)
def test_stmt_B04_a_bad_target_changes_nothing(target: str, code: ErrorCode) -> None:
    office = Office()
    office.offboard(office.hire(role="architect", name="carl"))
    before = office.contents()
    for agent_id in (office.ann, office.bob):
        if target == "ann" and agent_id == office.bob:
            continue
        command = OffboardAgent(agent_id=agent_id, reassign_to=target)
        assert office.refusal_of(command)[0] == code
    assert office.contents() == before


def test_stmt_B05_by_force_the_pointers_stay_and_one_warning_counts_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office()
    with caplog.at_level(logging.INFO, "boomtown.town"):
        office.offboard(office.ann, force=True)
    [warning] = caplog.records
    assert warning.levelname == "WARNING"
    assert "orphans=2" in warning.getMessage()
    assert [office.boss_of(worker) for worker in office.workers] == [office.ann] * 2
    assert ("ann", True, ["w-1", "w-2"]) in office.roster()


_EXPLODING = (
    "CREATE TRIGGER planted BEFORE UPDATE OF boss_id ON agents WHEN OLD.name = 'w-2'"
    " BEGIN SELECT RAISE(ABORT, 'planted'); END"
)


@pytest.mark.parametrize("verb", ["offboard", "reassign"])
def test_stmt_B06_an_error_in_the_middle_moves_no_worker(verb: str) -> None:
    office = Office()
    office.tx.run(_EXPLODING)
    before = office.contents()
    command: Any = OffboardAgent(agent_id=office.ann, reassign_to="bob")
    if verb == "reassign":
        command = ReassignWorkers(agent_id=office.ann, to="bob")
    with pytest.raises(Exception, match="planted"):
        office.ask_to(command)
    assert office.contents() == before


@pytest.mark.parametrize("options", [{}, {"force": True}, {"reassign_to": "mayor"}], ids=str)
def test_stmt_B09_without_workers_nobody_asks_and_nothing_is_logged(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    office = Office()
    with caplog.at_level(logging.DEBUG, "boomtown"):
        assert office.offboard(office.bob, **options) is None
    assert caplog.records == []
    assert office.employment(office.bob) == Employment.OFFBOARDED


def test_stmt_B10_after_reassigning_the_removed_name_has_no_header() -> None:
    office = Office()
    office.offboard(office.ann, reassign_to="main")
    assert office.roster() == [("Mayor", False, ["w-1", "w-2"]), ("bob", False, [])]


def test_stmt_B11_the_mayor_stays_whatever_is_said() -> None:
    office = Office()
    for options in ({}, {"force": True}, {"reassign_to": "ann"}):
        command = OffboardAgent(agent_id=office.mayor, **options)  # type: ignore[arg-type]
        assert office.refusal_of(command)[0] == ErrorCode.MAYOR_NOT_REMOVABLE
    unknown = OffboardAgent(agent_id=AgentId("nobody"), force=True)
    assert office.refusal_of(unknown)[0] == ErrorCode.AGENT_NOT_FOUND


def test_both_options_are_one_too_many() -> None:
    office = Office()
    command = OffboardAgent(agent_id=office.ann, reassign_to="bob", force=True)
    assert office.refusal_of(command)[0] == ErrorCode.CONFLICTING_OPTIONS


def test_a_repeated_dismissal_changes_nothing() -> None:
    office = Office()
    office.offboard(office.ann, reassign_to="bob", reason="done here")
    office.advance_ms(1_000)
    before = office.contents()
    assert office.offboard(office.ann, reassign_to="bob") is None
    assert office.contents() == before


def test_the_log_says_who_why_what_and_whom() -> None:
    office = Office()
    office.watch(office.ann, "Acme/App")
    office.offboard(office.ann, reassign_to="bob", reason="reorganised")
    entry = list_roster_log(office.tx, office.ann)[-1]
    assert (entry.verb, entry.actor, entry.reason) == (
        "offboarded",
        "operator:local",
        "reorganised",
    )
    assert entry.details["watches"] == ["https://github.com/Acme/App"]
    assert entry.details["moved"] == {"to": office.bob, "workers": office.workers}
    agent = get_agent(office.tx, office.ann)
    assert (agent.offboarded_by, agent.offboard_reason) == ("operator:local", "reorganised")


def test_an_agent_at_work_is_offboarding_until_its_body_has_ended() -> None:
    office = Office()
    worker, bead = office.workers[0], office.add_bead()
    session = office.start(worker, bead, kind=SessionKind.WORK)
    view = office.offboard(worker)
    assert view is not None
    assert (view.employment, view.process) == ("offboarding", "ending")
    released = get_bead(office.tx, bead)
    assert (released.status, released.assignee_agent_id) == (BeadStatus.OPEN, None)
    stops = office.tx.rows("SELECT state FROM effects WHERE kind = 'stop'")
    assert stops == [("pending",)]
    end_session(
        office.tx,
        office.session(session.session_id),
        reason="stopped",
        counts_attempt=False,
        is_proven=True,
    )
    assert office.employment(worker) == Employment.OFFBOARDED
    assert office.offboard(worker) is None


def test_a_bead_that_went_on_is_left_alone() -> None:
    office = Office()
    worker, bead = office.workers[0], office.add_bead()
    office.start(worker, bead, kind=SessionKind.WORK)
    office.tx.run("UPDATE beads SET status = 'in_review' WHERE bead_id = ?", bead)
    office.offboard(worker)
    assert get_bead(office.tx, bead).status == BeadStatus.IN_REVIEW


def test_a_late_done_after_the_dismissal_changes_nothing() -> None:
    office = Office()
    worker, bead = office.workers[0], office.add_bead()
    session = office.start(worker, bead, kind=SessionKind.WORK)
    office.offboard(worker)
    before = office.contents()
    done = ReportDone(rig_id=RIG, agent_id=worker, branch="b")
    posted = office.get(done, PostedView, caller=session_caller(session))
    assert (posted.accepted, posted.stale) == (True, True)
    after = office.contents()
    assert (after["beads"], after["sessions"]) == (before["beads"], before["sessions"])


def test_a_body_that_completed_may_not_hand_in_its_verdict_any_more() -> None:
    office = Office()
    worker, bead = office.workers[0], office.add_bead()
    session = office.start(worker, bead, kind=SessionKind.WORK)
    begin_grace(office.tx, session, is_proven=True)
    office.offboard(worker)
    assert get_bead(office.tx, bead).status == BeadStatus.OPEN
    done = ReportDone(rig_id=RIG, agent_id=worker, branch="b")
    assert office.get(done, PostedView, caller=session_caller(session)).stale is True
    assert office.session(session.session_id).state == SessionState.ENDING


def test_undelivered_mail_goes_to_who_takes_over_else_to_the_mayor() -> None:
    office = Office()
    for subject in ("One", "Two"):
        office.do(
            SendMail(
                rig_id=RIG, from_agent_id=None, to_agent_id=office.ann, subject=subject, body="B"
            )
        )
    office.offboard(office.ann, reassign_to="bob")
    assert len(list_undelivered_mail(office.tx, office.bob)) == 2
    office.offboard(office.bob, force=True)
    assert len(list_undelivered_mail(office.tx, office.mayor)) == 2


def test_a_forced_dismissal_and_a_new_hire_of_the_name_attach_nothing() -> None:
    office = Office()
    office.offboard(office.ann, force=True)
    again = office.hire(role="architect", name="ann")
    assert again != office.ann
    assert office.roster() == [
        ("Mayor", False, []),
        ("ann", False, []),
        ("bob", False, []),
        ("ann", True, ["w-1", "w-2"]),
    ]


def test_a_target_that_was_dismissed_meanwhile_is_none() -> None:
    office = Office()
    office.offboard(office.bob)
    command = OffboardAgent(agent_id=office.ann, reassign_to=office.bob)
    assert office.refusal_of(command)[0] == ErrorCode.REASSIGN_TARGET_NOT_FOUND
    assert office.employment(office.ann) == Employment.HIRED


def test_an_architect_that_also_watches_releases_both() -> None:
    office = Office()
    office.watch(office.ann, "acme/app")
    office.offboard(office.ann, reassign_to="bob")
    assert office.watch(office.bob, "acme/app").is_new is True
    assert office.boss_of(office.workers[0]) == office.bob
