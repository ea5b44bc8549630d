"""The one function that changes a status, and what follows."""

from __future__ import annotations

import pytest

from boomtown.actors.town.bead_creation import block, create_escalation, create_review, track
from boomtown.actors.town.commands import ConvoyTask, SlingConvoy, UpdateConfig
from boomtown.actors.town.lifecycles import BEAD_EDGES
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    BeadStatus,
    BeadType,
    OnFailedBead,
    Priority,
)
from boomtown.actors.town.store_audit import list_audit
from boomtown.actors.town.store_beads import get_bead, update_bead
from boomtown.actors.town.store_satellites import find_live_escalation, get_convoy
from boomtown.actors.town.transitions import (
    change_bead_status,
    count_tracked,
    has_open_blockers,
    recount_convoy,
)
from boomtown.actors.town.views import SlingBatchView
from boomtown.errors import Conflict
from boomtown.ids import AgentId, BeadId, SessionId
from support.town_desk import RIG, Desk

ISSUE_EDGES = [
    (before, after)
    for before in BeadStatus
    for after in BeadStatus
    if before not in FINAL_STATUSES and before != after
]


def _bead_in(desk: Desk, status: BeadStatus) -> BeadId:
    bead_id = desk.add_bead()
    desk.tx.run("UPDATE beads SET status = ? WHERE bead_id = ?", status.value, bead_id)
    return bead_id


@pytest.mark.parametrize(("before", "after"), ISSUE_EDGES)
def test_an_edge_of_the_table_moves_and_any_other_is_refused(
    before: BeadStatus, after: BeadStatus
) -> None:
    desk = Desk()
    bead_id = _bead_in(desk, before)
    if after in BEAD_EDGES[(BeadType.ISSUE, before)]:
        change = change_bead_status(desk.tx, bead_id, after)
        assert (change.changed, change.before, change.after) == (True, before, after)
        assert change.bead == get_bead(desk.tx, bead_id)
        return
    with pytest.raises(Conflict):
        change_bead_status(desk.tx, bead_id, after)
    assert get_bead(desk.tx, bead_id).status == before


@pytest.mark.parametrize("before", sorted(FINAL_STATUSES))
@pytest.mark.parametrize("after", list(BeadStatus))
def test_a_final_status_is_never_left(before: BeadStatus, after: BeadStatus) -> None:
    desk = Desk()
    bead_id = _bead_in(desk, before)
    change = change_bead_status(desk.tx, bead_id, after)
    assert (change.changed, change.after) == (False, before)


def test_a_change_is_audited_with_its_author_and_its_reason() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    change_bead_status(
        desk.tx,
        bead_id,
        BeadStatus.FAILED,
        agent_id=AgentId("a"),
        session_id=SessionId("s"),
        failure_code="max_dispatch_attempts",
        failure_message="Five in vain",
    )
    event = list_audit(desk.tx, limit=10)[-1]
    assert (event.event_type, event.old_value, event.new_value) == (
        "status_changed",
        "open",
        "failed",
    )
    assert (event.agent_id, event.session_id, event.rig_id) == ("a", "s", RIG)
    reason = {"code": "max_dispatch_attempts", "message": "Five in vain"}
    assert event.metadata == {"failure_reason": reason}
    bead = get_bead(desk.tx, bead_id)
    assert (bead.failure_code, bead.failure_message) == ("max_dispatch_attempts", "Five in vain")
    assert bead.closed_at_ms is None


def test_a_request_that_changes_nothing_writes_nothing() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    before = list_audit(desk.tx, limit=10)
    desk.advance_ms(1)
    assert change_bead_status(desk.tx, bead_id, BeadStatus.OPEN).changed is False
    assert list_audit(desk.tx, limit=10) == before
    assert get_bead(desk.tx, bead_id).updated_at_ms < desk.tx.now_ms


def test_a_status_is_written_nowhere_else() -> None:
    desk = Desk()
    with pytest.raises(AssertionError):
        update_bead(desk.tx, desk.add_bead(), status=BeadStatus.CLOSED)


def test_a_closed_escalation_frees_its_key() -> None:
    desk = Desk()

    def escalate() -> BeadId | None:
        bead = create_escalation(
            desk.tx,
            rig_id=RIG,
            title="Unreachable",
            body=None,
            severity=Priority.HIGH,
            category=None,
            key="git",
            metadata={},
        )
        return None if bead is None else bead.bead_id

    first = escalate()
    assert first is not None
    assert escalate() is None
    change_bead_status(desk.tx, first, BeadStatus.CLOSED)
    assert find_live_escalation(desk.tx, "git") is None
    assert escalate() is not None


def test_a_final_task_is_counted_in_the_same_transaction() -> None:
    desk = Desk()
    tasks = (ConvoyTask(title="1"), ConvoyTask(title="2"))
    batch = desk.get(
        SlingConvoy(rig_id=RIG, convoy_title="C", tasks=tasks, parallel=True), SlingBatchView
    )
    convoy_id = BeadId(batch.convoy.id)
    change_bead_status(desk.tx, BeadId(batch.beads[0].bead.bead_id), BeadStatus.FAILED)
    convoy = get_convoy(desk.tx, convoy_id)
    assert (convoy.total_beads, convoy.closed_beads) == (2, 1)


def test_a_recount_mends_what_differs() -> None:
    desk = Desk()
    batch = desk.get(
        SlingConvoy(rig_id=RIG, convoy_title="C", tasks=(ConvoyTask(title="1"),)), SlingBatchView
    )
    convoy_id = BeadId(batch.convoy.id)
    desk.tx.run("UPDATE convoys SET total_beads = 9, closed_beads = 9")
    recount_convoy(desk.tx, convoy_id)
    assert count_tracked(desk.tx, convoy_id) == (1, 0)
    convoy = get_convoy(desk.tx, convoy_id)
    assert (convoy.total_beads, convoy.closed_beads) == (1, 0)


@pytest.mark.parametrize(
    ("status", "has_review", "policy", "is_blocked"),
    [
        (BeadStatus.OPEN, False, OnFailedBead.HOLD, True),
        (BeadStatus.CLOSED, False, OnFailedBead.HOLD, False),
        (BeadStatus.CLOSED, True, OnFailedBead.HOLD, True),
        (BeadStatus.FAILED, False, OnFailedBead.HOLD, True),
        (BeadStatus.FAILED, False, OnFailedBead.CONTINUE, False),
        (BeadStatus.FAILED, True, OnFailedBead.CONTINUE, True),
        (BeadStatus.OPEN, False, OnFailedBead.CONTINUE, True),
    ],
)
def test_one_definition_of_blocked(
    status: BeadStatus, has_review: bool, policy: OnFailedBead, is_blocked: bool
) -> None:
    desk = Desk()
    desk.do(UpdateConfig(patch={"on_failed_bead": policy.value}))
    waiting, blocker = desk.add_bead("waits"), _bead_in(desk, status)
    block(desk.tx, waiting, blocker)
    if has_review:
        review = create_review(
            desk.tx,
            source=get_bead(desk.tx, blocker),
            rig_id=RIG,
            branch="b",
            target_branch="main",
            agent_id=None,
            pr_url=None,
        )
        track(desk.tx, review.bead_id, blocker)
    assert has_open_blockers(desk.tx, waiting) is is_blocked
