"""How a review begins, is judged and ends; its source moves in the same transaction everywhere
(decisions 36).

Invariants. A live review's source is in_review, or it is a landing and its subject a convoy. The
first final result of a review wins: a later one is recorded and changes nothing (row 63). Closed
means merged: siblings of a merged review that still live are failed as superseded, and those that
had failed keep their reason (row 18). A review that waits for its rework is open behind it.

Callers: the command handlers, apply_events and apply_actions. What the review's own session does
(its verdict, its end) is theirs, in the same transaction; here only the sessions that lose their
bead are stopped. Nothing here awaits.
"""

from __future__ import annotations

from typing import Literal

from boomtown.actors.town.bead_creation import (
    block,
    create_bead,
    create_escalation,
    create_review,
)
from boomtown.actors.town.branches import default_branch_of, target_branch_of
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LABEL_REWORK,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Convoy,
    EventType,
    Priority,
    Session,
)
from boomtown.actors.town.session_moves import accept_verdict, backoff_ms, request_stop
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import find_bead, get_bead, list_beads_about, update_bead
from boomtown.actors.town.store_satellites import get_review, update_convoy, update_review
from boomtown.actors.town.store_sessions import find_live_session_of_bead
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import StatusChange, change_bead_status
from boomtown.container_sim.model import Verdict
from boomtown.ids import AgentId, BeadId

ReviewOutcome = Literal["merged", "failed", "conflict"]
FEEDBACK_AUDITED_MAX = 500  # characters of feedback in the audit; the rework bead has all of it
SUPERSEDED = "superseded"


def submit_review(
    tx: TownTransaction,
    *,
    source: Bead,
    branch: str,
    agent_id: AgentId | None,
    pr_url: str | None,
    summary: str | None = None,
) -> Bead:
    """Put a source's branch into the review queue; the source is in_review. Its older live
    reviews, and what they asked for, are superseded (row 3)."""
    _supersede_reviews(tx, source.bead_id, newest=None)
    review = create_review(
        tx,
        source=source,
        rig_id=source.rig_id,
        branch=branch,
        target_branch=target_branch_of(tx, source),
        agent_id=agent_id,
        pr_url=pr_url,
        body=summary,
    )
    change_bead_status(tx, source.bead_id, BeadStatus.IN_REVIEW, agent_id=agent_id)
    return review


def submit_landing(tx: TownTransaction, *, convoy_bead: Bead, convoy: Convoy) -> Bead:
    """The merge of a convoy's branch into the default branch. Counts the attempt at once, so
    that the next one is spaced and capped whatever becomes of this one."""
    assert convoy.feature_branch is not None, "only a convoy with a branch lands by a merge"
    landing = create_review(
        tx,
        source=convoy_bead,
        rig_id=convoy.rig_id,
        branch=convoy.feature_branch,
        target_branch=default_branch_of(tx, convoy.rig_id),
        agent_id=None,
        pr_url=None,
    )
    update_convoy(
        tx,
        convoy.bead_id,
        landing_attempts=convoy.landing_attempts + 1,
        last_landing_at_ms=tx.now_ms,
    )
    return landing


def complete_review(
    tx: TownTransaction,
    *,
    review_id: BeadId,
    outcome: ReviewOutcome,
    message: str | None,
    commit_sha: str | None,
    code: str | None = None,
) -> StatusChange:
    """A review's final result. `code` says why it failed where the outcome does not. A merge
    reported of a review that had failed is escalated and changes nothing."""
    review = get_bead(tx, review_id)
    if outcome == "merged":
        return _merge(tx, review, message=message, commit_sha=commit_sha)
    words = message or ("Merge conflict" if outcome == "conflict" else "The review failed")
    change = change_bead_status(
        tx,
        review_id,
        BeadStatus.FAILED,
        failure_code=code or ("merge_conflict" if outcome == "conflict" else "review_failed"),
        failure_message=words,
    )
    if not change.changed:
        return change
    _note_completion(tx, review, outcome)
    _fail_reworks(tx, review)
    source = None if review.subject is None else find_bead(tx, review.subject)
    if source is not None and source.type == BeadType.ISSUE:
        _reopen_source(tx, source)
    if outcome == "conflict":
        _escalate_conflict(tx, review, source, words)
    return change


def request_rework(
    tx: TownTransaction, *, session: Session, feedback: str, files: tuple[str, ...]
) -> Bead:
    """A review's verdict "changes requested": one rework bead, the review open behind it, the
    session ending. The fence was the caller's to check."""
    review = get_bead(tx, session.bead_id)
    source = None if review.subject is None else find_bead(tx, review.subject)
    about = review.title if source is None else source.title
    body = feedback if not files else "\n".join([feedback, "", "Files:", *files])
    rework = create_bead(
        tx,
        bead_type=BeadType.ISSUE,
        kind=BeadKind.REWORK,
        title=f"Rework: {about}",
        body=body,
        created_by=session.agent_id,
        rig_id=review.rig_id,
        subject=review.bead_id,
        parent_bead_id=review.bead_id,
        priority=review.priority if source is None else source.priority,
        labels=(LABEL_REWORK,),
    )
    block(tx, review.bead_id, rework.bead_id)
    record_audit(
        tx,
        EventType.REWORK_REQUESTED,
        bead=review,
        agent_id=session.agent_id,
        session_id=session.session_id,
        new_value=rework.bead_id,
        metadata={"feedback": feedback[:FEEDBACK_AUDITED_MAX]},
    )
    reopen_review(tx, review.bead_id, counts_attempt=False)
    accept_verdict(tx, session, verdict=Verdict.CHANGES_REQUESTED)
    return rework


def reopen_review(tx: TownTransaction, review_id: BeadId, *, counts_attempt: bool) -> None:
    """A review goes back to the queue; with one more attempt and its backoff, or at once."""
    review = get_bead(tx, review_id)
    if review.status in FINAL_STATUSES:
        return
    attempts = review.dispatch_attempts + (1 if counts_attempt else 0)
    update_bead(
        tx,
        review_id,
        dispatch_attempts=attempts,
        not_before_ms=tx.now_ms + backoff_ms(tx, attempts) if counts_attempt else None,
    )
    change_bead_status(tx, review_id, BeadStatus.OPEN)


def record_pull_request(tx: TownTransaction, review_id: BeadId, *, pr_url: str) -> bool:
    """Note where a review goes on outside. False, and nothing changed, for a final review
    (row 64) or an address that is none."""
    review = get_bead(tx, review_id)
    if review.status in FINAL_STATUSES or not pr_url.startswith("https://"):
        return False
    update_review(tx, review_id, pr_url=pr_url)
    if review.status == BeadStatus.OPEN:
        change_bead_status(tx, review_id, BeadStatus.IN_PROGRESS)
    return True


def _merge(
    tx: TownTransaction, review: Bead, *, message: str | None, commit_sha: str | None
) -> StatusChange:
    change = change_bead_status(tx, review.bead_id, BeadStatus.CLOSED)
    if not change.changed:
        if change.after == BeadStatus.FAILED:
            _escalate_late_merge(tx, review, message)
        return change
    update_review(tx, review.bead_id, merge_commit=commit_sha)
    _note_completion(tx, review, "merged")
    _fail_reworks(tx, review)
    source = None if review.subject is None else find_bead(tx, review.subject)
    if source is None:
        return change
    _supersede_reviews(tx, source.bead_id, newest=review.bead_id)
    landed = change_bead_status(
        tx,
        source.bead_id,
        BeadStatus.CLOSED,
        agent_id=get_review(tx, review.bead_id).source_agent_id,
    )
    if landed.changed and source.type == BeadType.CONVOY:
        update_convoy(tx, source.bead_id, landed_at_ms=tx.now_ms)
    return change


def _reopen_source(tx: TownTransaction, source: Bead) -> None:
    if source.status != BeadStatus.IN_REVIEW:
        return
    attempts = source.dispatch_attempts + 1
    update_bead(
        tx,
        source.bead_id,
        assignee_agent_id=None,
        dispatch_attempts=attempts,
        not_before_ms=tx.now_ms + backoff_ms(tx, attempts),
    )
    change_bead_status(tx, source.bead_id, BeadStatus.OPEN)


def _supersede_reviews(tx: TownTransaction, source_id: BeadId, *, newest: BeadId | None) -> None:
    kinds = (BeadKind.REVIEW, BeadKind.LANDING)
    siblings = [review for kind in kinds for review in list_beads_about(tx, source_id, kind)]
    for sibling in siblings:
        if sibling.bead_id == newest or sibling.status in FINAL_STATUSES:
            continue
        _supersede(tx, sibling.bead_id, "A newer review of the same source took its place")
        _fail_reworks(tx, sibling)


def _fail_reworks(tx: TownTransaction, review: Bead) -> None:
    for rework in list_beads_about(tx, review.bead_id, BeadKind.REWORK):
        if rework.status not in FINAL_STATUSES:
            _supersede(tx, rework.bead_id, "Its review has ended")


def _supersede(tx: TownTransaction, bead_id: BeadId, message: str) -> None:
    session = find_live_session_of_bead(tx, bead_id)
    change_bead_status(
        tx, bead_id, BeadStatus.FAILED, failure_code=SUPERSEDED, failure_message=message
    )
    if session is not None:
        request_stop(tx, session, reason=SUPERSEDED)


def _note_completion(tx: TownTransaction, review: Bead, outcome: ReviewOutcome) -> None:
    record_audit(tx, EventType.REVIEW_COMPLETED, bead=review, new_value=outcome)


def _escalate_conflict(
    tx: TownTransaction, review: Bead, source: Bead | None, message: str
) -> None:
    row = get_review(tx, review.bead_id)
    create_escalation(
        tx,
        rig_id=review.rig_id,
        title=message.splitlines()[0][:500] if message.strip() else "Merge conflict",
        body=message,
        severity=Priority.HIGH,
        category="merge_conflict",
        key=f"conflict:{review.bead_id}",
        metadata={
            "source_bead_id": None if source is None else source.bead_id,
            "agent_id": row.source_agent_id,
            "branch": row.branch,
            "conflict": True,
        },
        about=review,
    )


def _escalate_late_merge(tx: TownTransaction, review: Bead, message: str | None) -> None:
    create_escalation(
        tx,
        rig_id=review.rig_id,
        title=f"A merge was reported of a review that had failed: {review.title}"[:500],
        body=message,
        severity=Priority.HIGH,
        category="late_merge",
        key=f"late-merge:{review.bead_id}",
        metadata={"review_bead_id": review.bead_id},
        about=review,
    )
