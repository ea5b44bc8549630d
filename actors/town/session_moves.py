"""How a session begins, speaks, loses its right and ends; its bead moves in the same transaction.

Invariants. A session is the hook: its bead is bound to its agent while its state is not ended,
and the unique indexes of schema.sql hold that one agent and one bead have one live session each.
A session may *speak* while it is claimed, starting or running, and while it waits in the grace
after "completed" for a late verdict; whatever it says at another time is stale. A bead is
released (in_progress -> open) exactly once: by the verdict, by the loss of the right to it, or
by the end, whichever comes first.

Callers: the command handlers, apply_events and apply_actions, each inside one transaction. What
is durable is the rows; a crash between two transactions leaves an intent (a row of `effects`)
or none. Nothing here awaits, and nothing here decides whether a body is over: callers say how it
is proven (decisions 33).
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.branches import branches_of
from boomtown.actors.town.lifecycles import is_session_change
from boomtown.actors.town.model import (
    EXTERNAL_HARNESS,
    SPEAKING_SESSION_STATES,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Effect,
    EffectKind,
    EffectState,
    Employment,
    EventType,
    Session,
    SessionPhase,
    SessionState,
)
from boomtown.actors.town.store_agents import find_agent, update_agent
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import find_bead, get_bead, update_bead
from boomtown.actors.town.store_breaker import note_failed_start, note_start
from boomtown.actors.town.store_satellites import find_review
from boomtown.actors.town.store_sessions import (
    find_effect_by_key,
    get_session,
    insert_effect,
    insert_session,
    next_generation,
    update_effect,
    update_session,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.ids import BeadId, InstanceId, SessionId


def can_speak(session: Session, *, now_ms: int) -> bool:
    """The fence: whether what this session says still counts."""
    if session.state in SPEAKING_SESSION_STATES:
        return True
    return is_in_grace(session, now_ms=now_ms)


def is_in_grace(session: Session, *, now_ms: int) -> bool:
    """Whether a body that completed without a verdict may still hand one in (decisions 34)."""
    return (
        session.state == SessionState.ENDING
        and session.verdict is None
        and session.done_grace_until_ms is not None
        and now_ms < session.done_grace_until_ms
    )


def claim_session(
    tx: TownTransaction,
    *,
    agent: Agent,
    bead: Bead,
    kind: SessionKind,
    harness: str,
    merge_only: bool = False,
    branch: str | None = None,
    prompt: str | None = None,
    made_bead: bool = False,
    restored_from: SessionId | None = None,
) -> Session:
    """Bind a bead to an agent: a session in state claimed, with nothing asked of a container.

    A work bead stays open until the start is sent; a review is in_progress from here on. `branch`
    and `prompt` are a spawn's own; else they follow from the bead. Raises
    the database's constraint error when the agent or the bead has a live session: look first."""
    assert bead.rig_id is not None, "a bead without a rig has no session"
    usual_branch, target_branch = branches_of(tx, agent=agent, bead=bead)
    session = Session(
        session_id=SessionId(tx.new_id()),
        agent_id=agent.agent_id,
        bead_id=bead.bead_id,
        rig_id=bead.rig_id,
        kind=kind,
        subject=None if kind == SessionKind.WORK else bead.subject,
        state=SessionState.CLAIMED,
        phase=SessionPhase.SEED,
        generation=next_generation(tx, agent.agent_id),
        harness=harness,
        branch=branch or usual_branch,
        target_branch=target_branch,
        merge_only=merge_only,
        worktree=None,
        instance_id=None,
        pid=None,
        verdict=None,
        claimed_at_ms=tx.now_ms,
        start_sent_at_ms=None,
        started_at_ms=None,
        last_heartbeat_at_ms=None,
        lease_until_ms=None,
        done_grace_until_ms=None,
        stop_sent_at_ms=None,
        probe_misses=0,
        probed_at_ms=None,
        ended_at_ms=None,
        end_reason=None,
        restored_from=restored_from,
        prompt=prompt,
        made_bead=made_bead,
    )
    insert_session(tx, session)
    update_bead(tx, bead.bead_id, assignee_agent_id=agent.agent_id)
    # A new body begins clean: the checkpoint and the words of the last one are not its own.
    update_agent(tx, agent.agent_id, status_message=None, status_message_at_ms=None)
    record_audit(
        tx,
        EventType.HOOKED,
        bead=bead,
        agent_id=agent.agent_id,
        session_id=session.session_id,
        new_value=bead.bead_id,
    )
    if kind != SessionKind.WORK:
        _engage_bead(tx, session)
    return session


def send_start(tx: TownTransaction, session: Session) -> None:
    """Write the intent of a start: claimed becomes starting, the work's bead in_progress."""
    assert session.harness != EXTERNAL_HARNESS, "an attached agent is never started by us"
    _move(tx, session, SessionState.STARTING)
    update_session(tx, session.session_id, phase=SessionPhase.BODIED, start_sent_at_ms=tx.now_ms)
    _engage_bead(tx, session)
    want_effect(
        tx, kind=EffectKind.START, key=start_key(session.session_id), session_id=session.session_id
    )


def note_life(
    tx: TownTransaction,
    session: Session,
    *,
    is_starting: bool = False,
    instance_id: InstanceId | None = None,
    pid: int | None = None,
    worktree: str | None = None,
) -> Session:
    """A heartbeat, or another call of the agent itself: renews the lease, and makes a claimed or
    starting session running unless the body says that it is still starting. Changes nothing of a
    session that may not speak. Answers the session as it is now."""
    if session.state not in SPEAKING_SESSION_STATES:
        return session
    changes: dict[str, object] = {
        "last_heartbeat_at_ms": tx.now_ms,
        "lease_until_ms": tx.now_ms + tx.limits.lease_ms,
        "probe_misses": 0,
    }
    if instance_id is not None:
        changes["instance_id"] = instance_id
    if pid is not None:
        changes["pid"] = pid
    if worktree is not None:
        changes["worktree"] = worktree
    if not is_starting and session.state != SessionState.RUNNING:
        _move(tx, session, SessionState.RUNNING)
        changes["started_at_ms"] = tx.now_ms
        if session.harness != EXTERNAL_HARNESS:
            note_start(tx)
        _engage_bead(tx, session)
        record_audit(
            tx,
            EventType.AGENT_SPAWNED,
            bead=find_bead(tx, session.bead_id),
            agent_id=session.agent_id,
            session_id=session.session_id,
        )
    update_session(tx, session.session_id, **changes)
    return get_session(tx, session.session_id)


def accept_verdict(
    tx: TownTransaction, session: Session, *, verdict: Verdict, reason: str | None = None
) -> None:
    """The session has said what it achieved: it is ending, and a stop is queued (decisions 34).
    The bead is the caller's, in this same transaction. A session without a body of ours ends."""
    update_session(tx, session.session_id, verdict=verdict)
    _begin_ending(tx, get_session(tx, session.session_id), reason=reason or verdict.value)


def request_stop(
    tx: TownTransaction, session: Session, *, reason: str, counts_attempt: bool = False
) -> None:
    """Take a session's right away: its bead is released, its body is to be ended. A session that
    never had a body of ours is over at once. Idempotent."""
    if session.state == SessionState.ENDED:
        return
    if session.state == SessionState.ENDING:
        send_stop(tx, session)
        return
    release_bead(tx, session, counts_attempt=counts_attempt, is_proven=True)
    _begin_ending(tx, session, reason=reason)


def begin_grace(tx: TownTransaction, session: Session, *, is_proven: bool) -> None:
    """The body completed well and said no verdict: hold the bead for a late one. A body whose
    end is not proven is to be ended meanwhile."""
    _move(tx, session, SessionState.ENDING)
    update_session(
        tx,
        session.session_id,
        done_grace_until_ms=tx.now_ms + tx.limits.done_grace_ms,
        end_reason="completed",
    )
    if not is_proven:
        send_stop(tx, session)


def settle_death(
    tx: TownTransaction,
    session: Session,
    *,
    reason: str,
    is_failure: bool,
    counts_attempt: bool,
) -> None:
    """The body is proven over (decisions 33): draw the conclusion that its state allows.

    A session that was still at work ends, or begins its grace when the body ended well. One that
    is ending ends now, unless a late verdict or the proof of its merge is still awaited: then the
    end of that wait ends it."""
    match session.state:
        case SessionState.ENDED:
            return
        case SessionState.ENDING:
            if is_proof_awaited(tx, session):
                return
            if session.verdict is None and session.done_grace_until_ms is not None:
                # Proven, so no stop is owed any more; plan_sessions ends it when the grace is over.
                update_session(tx, session.session_id, stop_sent_at_ms=None)
                return
            end_session(tx, session, reason=reason, counts_attempt=False, is_proven=True)
        case SessionState.CLAIMED | SessionState.STARTING | SessionState.RUNNING:
            if is_failure or session.harness == EXTERNAL_HARNESS:
                end_session(
                    tx, session, reason=reason, counts_attempt=counts_attempt, is_proven=True
                )
            else:
                begin_grace(tx, session, is_proven=True)
        case _:
            assert_never(session.state)


def is_proof_awaited(tx: TownTransaction, session: Session) -> bool:
    """Whether the merge that the session claims is still being proven."""
    effect = find_effect_by_key(tx, proof_key(session.session_id))
    return effect is not None and effect.state != EffectState.ANSWERED


def end_session(
    tx: TownTransaction,
    session: Session,
    *,
    reason: str,
    counts_attempt: bool,
    is_proven: bool,
) -> None:
    """The session is over: the agent is free. Its bead is released if no verdict did that. The
    reason of an ending that began earlier is kept. Idempotent."""
    if not is_session_change(session.state, SessionState.ENDED):
        return
    if session.verdict is None:
        release_bead(tx, session, counts_attempt=counts_attempt, is_proven=is_proven)
    is_settled = session.state == SessionState.ENDING and session.done_grace_until_ms is None
    kept = session.end_reason if is_settled else None
    update_session(
        tx,
        session.session_id,
        state=SessionState.ENDED,
        ended_at_ms=tx.now_ms,
        end_reason=kept or reason,
        lease_until_ms=None,
    )
    _note_end(tx, session, reason=kept or reason)


def send_stop(tx: TownTransaction, session: Session) -> None:
    """Have the body ended; the state stays. The silence that proves a loss counts from here."""
    if session.stop_sent_at_ms is None:
        update_session(tx, session.session_id, stop_sent_at_ms=tx.now_ms)
    want_effect(
        tx,
        kind=EffectKind.STOP,
        key=stop_key(session.session_id),
        session_id=session.session_id,
    )


def release_bead(
    tx: TownTransaction, session: Session, *, counts_attempt: bool, is_proven: bool
) -> None:
    """Give the session's bead back: in_progress becomes open, with one more attempt and its
    backoff, or without. A bead that has gone on (in_review, final, a review at its forge, or
    another session's) is left alone: this is the compare-and-set of row 11. An attempt that ends
    before the first sign of life is a failed start (row 71)."""
    is_of_ours = session.harness != EXTERNAL_HARNESS
    if counts_attempt and is_of_ours and session.state == SessionState.STARTING:
        note_failed_start(tx, session.session_id)
    bead = find_bead(tx, session.bead_id)
    if bead is None or bead.status not in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS):
        return
    if bead.assignee_agent_id not in (None, session.agent_id) or _is_at_forge(tx, bead):
        return
    attempts = bead.dispatch_attempts + (1 if counts_attempt else 0)
    update_bead(
        tx,
        bead.bead_id,
        dispatch_attempts=attempts,
        not_before_ms=_not_before_ms(
            tx, bead, attempts, counts_attempt=counts_attempt, is_proven=is_proven
        ),
        # What an evicted agent saved is on its own branch: it is preferred for the next session.
        assignee_agent_id=None if counts_attempt else bead.assignee_agent_id,
    )
    change_bead_status(
        tx,
        bead.bead_id,
        BeadStatus.OPEN,
        agent_id=session.agent_id,
        session_id=session.session_id,
    )


def backoff_ms(tx: TownTransaction, attempts: int) -> int:
    """How long a bead waits after its n-th attempt failed."""
    ladder = tx.limits.dispatch_backoff_ms
    return ladder[min(max(attempts, 1), len(ladder)) - 1]


def want_effect(
    tx: TownTransaction,
    *,
    kind: EffectKind,
    key: str,
    session_id: SessionId,
    due_at_ms: int | None = None,
) -> None:
    """Write an intention once. A stop or a proof that was answered is wanted again; a start and
    a probe never are."""
    due = tx.now_ms if due_at_ms is None else due_at_ms
    known = find_effect_by_key(tx, key)
    if known is None:
        insert_effect(
            tx,
            Effect(
                effect_id=tx.new_id(),
                kind=kind,
                key=key,
                session_id=session_id,
                state=EffectState.PENDING,
                attempts=0,
                due_at_ms=due,
                created_at_ms=tx.now_ms,
            ),
        )
        return
    is_repeatable = kind in (EffectKind.STOP, EffectKind.PROVE_MERGE)
    if is_repeatable and known.state == EffectState.ANSWERED:
        update_effect(tx, known.effect_id, state=EffectState.PENDING, due_at_ms=due)


def start_key(session_id: SessionId) -> str:
    return f"start:{session_id}"


def stop_key(session_id: SessionId) -> str:
    return f"stop:{session_id}"


def proof_key(session_id: SessionId) -> str:
    return f"prove:{session_id}"


def _begin_ending(tx: TownTransaction, session: Session, *, reason: str) -> None:
    is_bodiless = session.harness == EXTERNAL_HARNESS or session.phase == SessionPhase.SEED
    if is_bodiless:
        update_session(
            tx,
            session.session_id,
            state=SessionState.ENDED,
            ended_at_ms=tx.now_ms,
            end_reason=reason,
            lease_until_ms=None,
        )
        _note_end(tx, session, reason=reason)
        return
    _move(tx, session, SessionState.ENDING)
    update_session(tx, session.session_id, end_reason=reason, done_grace_until_ms=None)
    send_stop(tx, session)


def _move(tx: TownTransaction, session: Session, after: SessionState) -> None:
    if is_session_change(session.state, after):
        update_session(tx, session.session_id, state=after)


def _engage_bead(tx: TownTransaction, session: Session) -> None:
    bead = get_bead(tx, session.bead_id)
    if bead.status == BeadStatus.OPEN:
        change_bead_status(
            tx,
            session.bead_id,
            BeadStatus.IN_PROGRESS,
            agent_id=session.agent_id,
            session_id=session.session_id,
        )


def _not_before_ms(
    tx: TownTransaction, bead: Bead, attempts: int, *, counts_attempt: bool, is_proven: bool
) -> int | None:
    if counts_attempt:
        return tx.now_ms + backoff_ms(tx, attempts)
    if is_proven:  # row 14: proof of death clears the cooldown, not the count
        return None
    return max(bead.not_before_ms or 0, tx.now_ms + backoff_ms(tx, 1))


def _is_at_forge(tx: TownTransaction, bead: Bead) -> bool:
    if bead.kind not in (BeadKind.REVIEW, BeadKind.LANDING):
        return False
    review = find_review(tx, bead.bead_id)
    return review is not None and review.pr_url is not None


def _note_end(tx: TownTransaction, session: Session, *, reason: str) -> None:
    agent = find_agent(tx, session.agent_id)
    if agent is not None and agent.checkpoint is not None and session.verdict is not None:
        update_agent(tx, agent.agent_id, checkpoint=None)
    if agent is not None and agent.employment == Employment.OFFBOARDING:
        # Who was dismissed at work leaves when that work is over.
        update_agent(
            tx,
            agent.agent_id,
            employment=Employment.OFFBOARDED,
            offboarded_at_ms=tx.now_ms,
        )
    bead = find_bead(tx, BeadId(session.bead_id))
    for event_type in (EventType.UNHOOKED, EventType.AGENT_EXITED):
        record_audit(
            tx,
            event_type,
            bead=bead,
            rig_id=session.rig_id,
            agent_id=session.agent_id,
            session_id=session.session_id,
            old_value=session.bead_id,
            metadata={"reason": reason},
        )
