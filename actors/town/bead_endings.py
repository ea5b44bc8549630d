"""How a person's word ends or reopens a bead, with all that hangs on it.

A bead that becomes final by request takes its session's right away, and its live reviews and
their reworks end with it; a review that a person settles moves its source (decisions 36). The
order matters: the status changes first, so that taking the session's right away finds a bead
that is final and leaves it alone.
"""

from __future__ import annotations

from boomtown.actors.town.model import (
    FINAL_STATUSES,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
)
from boomtown.actors.town.review_moves import complete_review
from boomtown.actors.town.session_moves import request_stop
from boomtown.actors.town.store_beads import get_bead, list_beads_about
from boomtown.actors.town.store_sessions import find_live_session_of_bead
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import StatusChange, change_bead_status
from boomtown.ids import AgentId, BeadId


def request_status(
    tx: TownTransaction,
    bead: Bead,
    after: BeadStatus,
    *,
    agent_id: AgentId | None,
    code: str = "requested",
    message: str | None = None,
) -> StatusChange:
    """Move a bead as asked. One that is final stays as it is and nothing follows (row 15)."""
    if bead.type == BeadType.MERGE_REQUEST and after in FINAL_STATUSES:
        return _settle_review(tx, bead, after, message)
    change = change_bead_status(
        tx,
        bead.bead_id,
        after,
        agent_id=agent_id,
        failure_code=code,
        failure_message=message,
    )
    if not change.changed:
        return change
    if after in FINAL_STATUSES:
        release_session_of(tx, bead.bead_id, reason=f"bead_{after.value}")
        end_reviews_of(tx, bead.bead_id, code="source_ended")
    elif after == BeadStatus.OPEN:
        release_session_of(tx, bead.bead_id, reason="bead_reopened")
        end_reviews_of(tx, bead.bead_id, code="superseded")
    return StatusChange(
        changed=True, before=change.before, after=after, bead=get_bead(tx, bead.bead_id)
    )


def release_session_of(tx: TownTransaction, bead_id: BeadId, *, reason: str) -> None:
    """Take the right away from whatever session the bead has; its body is stopped."""
    session = find_live_session_of_bead(tx, bead_id)
    if session is not None:
        request_stop(tx, session, reason=reason)


def end_reviews_of(tx: TownTransaction, source_id: BeadId, *, code: str) -> None:
    """Fail the live reviews and landings of a bead, and what they asked for."""
    for kind in (BeadKind.REVIEW, BeadKind.LANDING):
        for review in list_beads_about(tx, source_id, kind):
            _fail(tx, review, code)
            for rework in list_beads_about(tx, review.bead_id, BeadKind.REWORK):
                _fail(tx, rework, code)


def _fail(tx: TownTransaction, bead: Bead, code: str) -> None:
    change = change_bead_status(
        tx,
        bead.bead_id,
        BeadStatus.FAILED,
        failure_code=code,
        failure_message="What it is about has ended or was taken back",
    )
    if change.changed:
        release_session_of(tx, bead.bead_id, reason=code)


def _settle_review(
    tx: TownTransaction, review: Bead, after: BeadStatus, message: str | None
) -> StatusChange:
    change = complete_review(
        tx,
        review_id=review.bead_id,
        outcome="merged" if after == BeadStatus.CLOSED else "failed",
        message=message or "By request",
        commit_sha=None,
    )
    if change.changed:
        release_session_of(tx, review.bead_id, reason=f"bead_{after.value}")
    return change
