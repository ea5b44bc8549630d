"""Commands about reviews: submit one, settle one, approve one."""

from __future__ import annotations

from typing import Literal

from boomtown.actors.town.bead_endings import release_session_of
from boomtown.actors.town.commands import Approve, Caller, CompleteReview, SubmitReview
from boomtown.actors.town.events import AgentDone, ReviewEnded
from boomtown.actors.town.fences import AGENT_CALLERS, check_own_bead
from boomtown.actors.town.inbox import record_event
from boomtown.actors.town.model import FINAL_STATUSES, Bead, BeadKind, BeadType
from boomtown.actors.town.review_moves import complete_review, submit_review
from boomtown.actors.town.store_beads import find_bead, get_bead, get_rig_bead
from boomtown.actors.town.store_satellites import find_review, get_review, update_review
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import BeadView, PostedView
from boomtown.actors.town.views_of import bead_view
from boomtown.container_sim.model import Verdict
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest, Issue, NotFound
from boomtown.ids import BeadId, SessionId

Outcome = Literal["merged", "failed", "conflict"]


def handle_submit_review(tx: TownTransaction, caller: Caller, command: SubmitReview) -> BeadView:
    """The source's session, if any, has done its work: its right ends."""
    source = get_rig_bead(tx, command.rig_id, command.bead_id)
    check_own_bead(tx, caller, source.bead_id)
    is_reviewable = source.type == BeadType.ISSUE and source.kind == BeadKind.WORK
    if not is_reviewable or source.status in FINAL_STATUSES:
        raise Conflict(
            ErrorCode.ILLEGAL_TRANSITION,
            "Only a live piece of work can be reviewed",
            details={"kind": source.kind, "status": source.status},
        )
    review = submit_review(
        tx,
        source=source,
        branch=command.branch,
        agent_id=command.agent_id or caller.agent_id,
        pr_url=command.pr_url,
        summary=command.summary,
    )
    release_session_of(tx, source.bead_id, reason="submitted")
    return bead_view(tx, get_bead(tx, review.bead_id))


def handle_complete_review(
    tx: TownTransaction, caller: Caller, command: CompleteReview
) -> BeadView | PostedView:
    review = _get_review(tx, command.review_id)
    if review.rig_id != command.rig_id:
        raise NotFound(ErrorCode.REVIEW_NOT_FOUND)
    outcome = _outcome(command.status)
    if caller.kind in AGENT_CALLERS and caller.session_id is not None:
        check_own_bead(tx, caller, review.bead_id)
        return _record_verdict(tx, caller.session_id, review, outcome, command)
    change = complete_review(
        tx,
        review_id=review.bead_id,
        outcome=outcome,
        message=command.message,
        commit_sha=command.commit_sha,
    )
    if change.changed:
        release_session_of(tx, review.bead_id, reason=f"review_{outcome}")
    return bead_view(tx, get_bead(tx, review.bead_id))


def handle_approve(tx: TownTransaction, caller: Caller, command: Approve) -> BeadView:
    """A review that is final stays as it is."""
    review = _get_review(tx, command.bead_id)
    if review.status in FINAL_STATUSES:
        return bead_view(tx, review)
    if command.approve:
        update_review(tx, review.bead_id, is_approved=True)
    else:
        complete_review(
            tx,
            review_id=review.bead_id,
            outcome="failed",
            message=command.note or "Not approved",
            commit_sha=None,
            code="not_approved",
        )
        release_session_of(tx, review.bead_id, reason="not_approved")
    return bead_view(tx, get_bead(tx, review.bead_id))


def _record_verdict(
    tx: TownTransaction,
    session_id: SessionId,
    review: Bead,
    outcome: Outcome,
    command: CompleteReview,
) -> PostedView:
    """The review's own session says how it ended: a verdict like any other, applied by the
    tick."""
    if outcome == "merged":
        done = AgentDone(
            session_id=session_id,
            branch=get_review(tx, review.bead_id).branch,
            verdict=Verdict.MERGED,
            summary=command.message,
            commit_sha=command.commit_sha,
        )
        stale = record_event(tx, done, idempotency_key=None)
    else:
        ended = ReviewEnded(
            session_id=session_id,
            is_conflict=outcome == "conflict",
            message=command.message or "",
        )
        stale = record_event(tx, ended, idempotency_key=None)
    return PostedView(accepted=True, stale=stale)


def _get_review(tx: TownTransaction, review_id: BeadId) -> Bead:
    bead = find_bead(tx, review_id)
    if bead is None or find_review(tx, review_id) is None:
        raise NotFound(ErrorCode.REVIEW_NOT_FOUND)
    return bead


def _outcome(status: str) -> Outcome:
    match status:
        case "merged" | "failed" | "conflict":
            return status
        case _:
            issue = Issue("status", "One of merged, failed, conflict")
            raise InvalidRequest(ErrorCode.INVALID_BODY, issues=(issue,))
