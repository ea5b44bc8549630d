"""What each event does to the rows: one function per kind, inside the event's own savepoint.

The fence comes first: an agent's word counts only while its session may speak (session_moves),
and then only for that session's bead. `apply_event` answers whether the event was stale, which
is recorded with it. Whatever is not there any more (a deleted bead, an unknown session) makes an
event stale, never an error: an error is a bug, and costs the event one of its attempts.

Death is concluded here and in plan_sessions only, from the proofs of decisions 33.
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.bead_creation import create_escalation
from boomtown.actors.town.body_reports import (
    apply_completed,
    apply_container_gone,
    apply_probe_answer,
    apply_start_answer,
    apply_stop_answer,
)
from boomtown.actors.town.events import (
    AgentCompleted,
    AgentDone,
    AgentWaiting,
    ContainerGone,
    ContainerNoted,
    EvictionNoted,
    ProbeAnswered,
    ProofAnswered,
    ReviewEnded,
    StartAnswered,
    StopAnswered,
    TownEvent,
)
from boomtown.actors.town.inbox import is_stale
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LABEL_TRIAGE,
    Bead,
    BeadKind,
    BeadStatus,
    EffectKind,
    Priority,
    Session,
    SessionState,
)
from boomtown.actors.town.observer_answers import (
    apply_forges_checked,
    apply_repository_polled,
)
from boomtown.actors.town.observer_events import ForgesChecked, RepositoryPolled
from boomtown.actors.town.patrol_reports import finish_patrol, poke_observer
from boomtown.actors.town.review_moves import (
    complete_review,
    record_pull_request,
    reopen_review,
    request_rework,
    submit_review,
)
from boomtown.actors.town.session_moves import (
    accept_verdict,
    note_life,
    proof_key,
    release_bead,
    send_stop,
    want_effect,
)
from boomtown.actors.town.store_agents import update_agent
from boomtown.actors.town.store_beads import find_bead, update_bead
from boomtown.actors.town.store_sessions import find_session, get_session
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status, has_open_blockers
from boomtown.container_sim.model import MergeProof, SessionKind, Verdict

NO_FEEDBACK = "The review asked for changes without saying which."


def apply_event(tx: TownTransaction, event: TownEvent) -> bool:
    """Apply one event; True when it was stale and changed nothing."""
    if is_stale(tx, event):
        return True
    match event:
        case AgentDone():
            return _apply_done(tx, event)
        case AgentCompleted():
            return apply_completed(tx, event)
        case ReviewEnded():
            return _apply_review_ended(tx, event)
        case EvictionNoted():
            return _apply_eviction(tx, event)
        case AgentWaiting():
            return _apply_waiting(tx, event)
        case ContainerGone():
            return apply_container_gone(tx, event)
        case ContainerNoted():
            return False
        case StartAnswered():
            return apply_start_answer(tx, event)
        case ProbeAnswered():
            return apply_probe_answer(tx, event)
        case StopAnswered():
            return apply_stop_answer(tx, event)
        case ProofAnswered():
            return _apply_proof_answer(tx, event)
        case ForgesChecked():
            return apply_forges_checked(tx, event)
        case RepositoryPolled():
            return apply_repository_polled(tx, event)
        case _:
            assert_never(event)


def _apply_done(tx: TownTransaction, event: AgentDone) -> bool:
    # A call of the agent is a sign of life: an attached agent's first word makes it running.
    session = note_life(tx, get_session(tx, event.session_id))
    bead = find_bead(tx, session.bead_id)
    if bead is None:
        accept_verdict(tx, session, verdict=event.verdict or Verdict.ABANDONED)
        return True
    poke_observer(tx)
    if session.kind == SessionKind.WORK:
        return _finish_work(tx, session, bead, event)
    if session.kind == SessionKind.PATROL:
        return finish_patrol(tx, session, bead, event)
    return _finish_review(tx, session, bead, event)


def _finish_work(tx: TownTransaction, session: Session, bead: Bead, event: AgentDone) -> bool:
    verdict = event.verdict or (Verdict.PR_CREATED if event.pr_url else Verdict.SUBMITTED)
    is_held = bead.status in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS)
    if is_held:
        if verdict == Verdict.ABANDONED:
            release_bead(tx, session, counts_attempt=True, is_proven=False)
        elif bead.kind == BeadKind.REWORK or LABEL_TRIAGE in bead.labels:
            change_bead_status(
                tx,
                bead.bead_id,
                BeadStatus.CLOSED,
                agent_id=session.agent_id,
                session_id=session.session_id,
            )
        else:
            submit_review(
                tx,
                source=bead,
                branch=event.branch or session.branch,
                agent_id=session.agent_id,
                pr_url=event.pr_url,
                summary=event.summary,
            )
    accept_verdict(tx, session, verdict=verdict)
    return not is_held


def _finish_review(tx: TownTransaction, session: Session, review: Bead, event: AgentDone) -> bool:
    """Merged only by its word or by proof, never past an open rework (row 61, http.md 5)."""
    if review.status not in FINAL_STATUSES and has_open_blockers(tx, review.bead_id):
        reopen_review(tx, review.bead_id, counts_attempt=False)
        accept_verdict(tx, session, verdict=Verdict.CHANGES_REQUESTED)
        return False
    if event.pr_url is not None:
        return _note_pull_request(tx, session, review, event.pr_url)
    match event.verdict:
        case Verdict.MERGED:
            # The verdict first: what supersedes the session's siblings must not stop it.
            accept_verdict(tx, session, verdict=Verdict.MERGED)
            complete_review(
                tx,
                review_id=review.bead_id,
                outcome="merged",
                message=event.summary,
                commit_sha=event.commit_sha,
            )
        case Verdict.CHANGES_REQUESTED:
            request_rework(tx, session=session, feedback=event.summary or NO_FEEDBACK, files=())
        case Verdict.ABANDONED:
            reopen_review(tx, review.bead_id, counts_attempt=True)
            accept_verdict(tx, session, verdict=Verdict.ABANDONED)
        case Verdict.SUBMITTED | Verdict.PR_CREATED | None:
            want_effect(
                tx,
                kind=EffectKind.PROVE_MERGE,
                key=proof_key(session.session_id),
                session_id=session.session_id,
            )
            accept_verdict(tx, session, verdict=Verdict.MERGED, reason="merge_claimed")
        case _:
            assert_never(event.verdict)
    return False


def _note_pull_request(tx: TownTransaction, session: Session, review: Bead, pr_url: str) -> bool:
    accept_verdict(tx, session, verdict=Verdict.PR_CREATED)
    if record_pull_request(tx, review.bead_id, pr_url=pr_url):
        return False
    if review.status in FINAL_STATUSES:
        return True
    complete_review(
        tx,
        review_id=review.bead_id,
        outcome="failed",
        message=f"Not the address of a pull request: {pr_url[:200]}",
        commit_sha=None,
        code="invalid_pr_url",
    )
    return False


def _apply_review_ended(tx: TownTransaction, event: ReviewEnded) -> bool:
    session = note_life(tx, get_session(tx, event.session_id))
    is_review = session.kind in (SessionKind.REVIEW, SessionKind.LANDING)
    if not is_review or find_bead(tx, session.bead_id) is None:
        return True
    accept_verdict(
        tx,
        session,
        verdict=Verdict.ABANDONED,
        reason="conflict" if event.is_conflict else "review_failed",
    )
    complete_review(
        tx,
        review_id=session.bead_id,
        outcome="conflict" if event.is_conflict else "failed",
        message=event.message,
        commit_sha=None,
    )
    return False


def _apply_eviction(tx: TownTransaction, event: EvictionNoted) -> bool:
    session = get_session(tx, event.session_id)
    bead = find_bead(tx, session.bead_id)
    if bead is None or session.kind != SessionKind.WORK or bead.status in FINAL_STATUSES:
        return True
    note = f"The container was evicted; the work so far is saved on branch {event.branch}."
    update_bead(tx, bead.bead_id, body=f"{bead.body}\n\n{note}" if bead.body else note)
    return False


def _apply_waiting(tx: TownTransaction, event: AgentWaiting) -> bool:
    session = get_session(tx, event.session_id)
    begun_ms = session.started_at_ms
    if begun_ms is not None and event.fired_at_ms < begun_ms:
        return True  # of an older turn (row 54)
    update_agent(tx, session.agent_id, waiting_since_ms=event.fired_at_ms)
    return False


def _apply_proof_answer(tx: TownTransaction, event: ProofAnswered) -> bool:
    review = find_bead(tx, event.review_id)
    is_open = review is not None and review.status not in FINAL_STATUSES
    if review is not None and is_open:
        is_merged = isinstance(event.outcome, MergeProof) and event.outcome.is_merged
        if is_merged and not has_open_blockers(tx, review.bead_id):
            complete_review(
                tx, review_id=review.bead_id, outcome="merged", message=None, commit_sha=None
            )
        elif not is_merged:
            reopen_review(tx, review.bead_id, counts_attempt=True)
            _escalate_unproven(tx, review)
    session = find_session(tx, event.session_id)
    if session is not None and session.state == SessionState.ENDING:
        # The stop may have been answered while the proof was awaited: ask once more, it is
        # idempotent, and its answer ends the session.
        send_stop(tx, session)
    return not is_open


def _escalate_unproven(tx: TownTransaction, review: Bead) -> None:
    create_escalation(
        tx,
        rig_id=review.rig_id,
        title=f"A merge was claimed and could not be proven: {review.title}"[:500],
        body="The review waits in the queue again. Merge by inference does not exist.",
        severity=Priority.HIGH,
        category="unproven_merge",
        key=f"unproven:{review.bead_id}",
        metadata={"review_bead_id": review.bead_id},
        about=review,
    )
