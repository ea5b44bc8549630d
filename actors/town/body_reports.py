"""What the town learns of its sessions' bodies: from their control server, from the manager, and
from the answers to its own starts, probes and stops.

Proof of death is one of: a completion by the control server, `Stopped`, `NoContainer`, the gone
instance of the session, a probe that knows the body as over, or two `NotFound` in a row of one
instance, with no heartbeat since and past what the session owes (decisions 33). `Unknown` is
evidence of nothing. While the call of a start is on its way, what anybody else does not know of
the session proves nothing either: the start may be the next thing to arrive.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from boomtown.actors.town.bead_creation import create_escalation
from boomtown.actors.town.container_ends import CONTAINER_END_REASONS, CONTAINER_GONE
from boomtown.actors.town.drain import end_drain_of
from boomtown.actors.town.events import (
    AgentCompleted,
    ContainerGone,
    ProbeAnswered,
    StartAnswered,
    StopAnswered,
)
from boomtown.actors.town.inbox import is_known_gone
from boomtown.actors.town.model import (
    SPEAKING_SESSION_STATES,
    EffectKind,
    EffectState,
    Priority,
    Session,
    SessionState,
)
from boomtown.actors.town.plan_sessions import silent_at_ms
from boomtown.actors.town.session_moves import (
    begin_grace,
    end_session,
    request_stop,
    send_stop,
    settle_death,
    start_key,
    stop_key,
    want_effect,
)
from boomtown.actors.town.store_beads import find_bead
from boomtown.actors.town.store_sessions import (
    find_effect_by_key,
    find_session,
    get_session,
    list_live_sessions,
    update_session,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    Known,
    NoContainer,
    NotFound,
    Rejected,
    SessionReport,
    Started,
    Stopped,
    Unknown,
)
from boomtown.error_codes import ErrorCode
from boomtown.ids import BeadId, InstanceId

# A control server's words for endings that are not the agent's fault (decisions 28).
EVICTION_REASONS = frozenset({"stopped", *CONTAINER_END_REASONS})
# What a person has to mend: one live escalation per rig and code.
ESCALATED_CODES = (
    ErrorCode.GIT_UNREACHABLE,
    ErrorCode.INVALID_BRANCH,  # an origin without a first commit, a default branch renamed
    ErrorCode.AGENT_BINARY_NOT_FOUND,
    ErrorCode.BRANCH_NOT_FETCHED,
    ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE,
    ErrorCode.UNKNOWN_HARNESS,
    ErrorCode.GIT_NOT_FOUND,
)
MISSES_NEEDED = 2  # decisions 33, row 13


def apply_completed(tx: TownTransaction, event: AgentCompleted) -> bool:
    """A body ended by its control server's word, or says that it will by its own."""
    session = get_session(tx, event.session_id)
    if event.kept_worktree is not None:
        update_session(tx, session.session_id, kept_worktree=event.kept_worktree)
    reason = event.reason or ("failed" if event.is_failure else "completed")
    is_evicted = reason in EVICTION_REASONS
    counts_attempt = not is_evicted or session.stop_sent_at_ms is not None
    if event.is_failure and session.state in SPEAKING_SESSION_STATES:
        _escalate_code(tx, session, reason, message=event.message or reason)
    if event.is_proof:
        settle_death(
            tx,
            session,
            reason=reason,
            is_failure=event.is_failure or is_evicted,
            counts_attempt=counts_attempt,
        )
        return False
    if session.state not in SPEAKING_SESSION_STATES:
        return True
    if event.is_failure:
        request_stop(tx, session, reason=reason, counts_attempt=True)
    else:
        begin_grace(tx, session, is_proven=False)
    return False


def apply_container_gone(tx: TownTransaction, event: ContainerGone) -> bool:
    """All sessions of the instance are over, now, and none of them for its own fault; and so is
    its drain, with nothing left to wait for."""
    sessions = [
        session
        for session in list_live_sessions(tx)
        if session.instance_id == event.gone.instance_id
    ]
    for session in sessions:
        _settle_container_end(tx, session)
    is_drained = end_drain_of(tx, event.gone.instance_id)
    return not sessions and not is_drained


def apply_start_answer(tx: TownTransaction, event: StartAnswered) -> bool:
    """The four outcomes of a start (design 5.7)."""
    session = find_session(tx, event.session_id)
    if session is None:
        return True
    match event.outcome:
        case Started(report=report):
            return _note_started(tx, session, report)
        case Rejected(code=code, message=message):
            if session.state == SessionState.ENDED:
                return True
            is_draining = code == ErrorCode.TOWN_DRAINING
            _escalate_code(tx, session, code, message=message)
            end_session(
                tx,
                session,
                reason=code.value,
                counts_attempt=not is_draining,
                is_proven=not is_draining,  # a draining container is tried again after a while
            )
            return False
        case Conflict(holder_session_id=holder_id):
            holder = find_session(tx, holder_id)
            end_session(tx, session, reason="conflict", counts_attempt=False, is_proven=False)
            if holder is None or holder.state == SessionState.ENDED:
                want_effect(tx, kind=EffectKind.STOP, key=stop_key(holder_id), session_id=holder_id)
            return False
        case Unknown():
            return False  # plan_sessions probes it, at once and until there is proof
        case _:
            assert_never(event.outcome)


def apply_probe_answer(tx: TownTransaction, event: ProbeAnswered) -> bool:
    """The answer to "do you know this session?"."""
    session = find_session(tx, event.session_id)
    if session is None or session.state == SessionState.ENDED:
        return True
    match event.outcome:
        case Known(report=report):
            _note_report(tx, session, report, asked_at_ms=event.asked_at_ms)
        case NotFound(instance_id=instance_id):
            if _is_outweighed(tx, session, asked_at_ms=event.asked_at_ms):
                return True
            _note_miss(tx, session, instance_id)
        case NoContainer():
            if _is_outweighed(tx, session, asked_at_ms=event.asked_at_ms):
                return True
            _settle_container_end(tx, session)
        case Unknown():
            pass
        case _:
            assert_never(event.outcome)
    return False


def apply_stop_answer(tx: TownTransaction, event: StopAnswered) -> bool:
    """The answer to a stop; `Unknown` never comes here, the worker asks again."""
    session = find_session(tx, event.session_id)
    if session is None:
        return True
    if isinstance(event.outcome, Stopped) and event.outcome.report.kept_worktree is not None:
        update_session(tx, session.session_id, kept_worktree=event.outcome.report.kept_worktree)
    if session.state == SessionState.ENDED:
        return True
    match event.outcome:
        case Stopped(report=report):
            settle_death(
                tx,
                session,
                reason=report.exit_reason or "stopped",
                is_failure=True,
                counts_attempt=True,
            )
        case NoContainer():
            if _is_start_on_its_way(tx, session):
                send_stop_later(tx, session)
            else:
                _settle_container_end(tx, session)
        case NotFound(instance_id=instance_id):
            if not _is_start_on_its_way(tx, session):
                _note_miss(tx, session, instance_id)
            send_stop_later(tx, session)
        case Unknown():
            send_stop_later(tx, session)
        case _:
            assert_never(event.outcome)
    return False


def send_stop_later(tx: TownTransaction, session: Session) -> None:
    """Ask for the stop again, unless the session has ended meanwhile."""
    current = get_session(tx, session.session_id)
    if current.state == SessionState.ENDED:
        return
    want_effect(
        tx,
        kind=EffectKind.STOP,
        key=stop_key(session.session_id),
        session_id=session.session_id,
        due_at_ms=tx.now_ms + tx.limits.alarm_active_ms,
    )


def _note_started(tx: TownTransaction, session: Session, report: SessionReport) -> bool:
    if session.state == SessionState.ENDED:
        # The town gave it up while the start was on its way: the body must not live on.
        want_effect(
            tx,
            kind=EffectKind.STOP,
            key=stop_key(session.session_id),
            session_id=session.session_id,
        )
        return True
    _note_body(tx, session, report)
    if is_known_gone(tx, report.instance_id):
        # The container's end overtook this answer, and found no session of that instance.
        _settle_container_end(tx, get_session(tx, session.session_id))
    elif session.state == SessionState.ENDING:
        send_stop(tx, get_session(tx, session.session_id))
    elif report.state in (BodyState.EXITED, BodyState.FAILED):
        _settle_report(tx, session, report)
    return False


def _note_report(
    tx: TownTransaction, session: Session, report: SessionReport, *, asked_at_ms: int
) -> None:
    if report.state in (BodyState.EXITED, BodyState.FAILED):
        _settle_report(tx, session, report)
        return
    _note_body(tx, session, report)
    # The control server vouches for the body: as good as a heartbeat at the time of asking.
    vouched_ms = asked_at_ms + tx.limits.lease_ms
    update_session(
        tx,
        session.session_id,
        probe_misses=0,
        lease_until_ms=max(session.lease_until_ms or 0, vouched_ms),
    )


def _note_body(tx: TownTransaction, session: Session, report: SessionReport) -> None:
    update_session(
        tx,
        session.session_id,
        instance_id=report.instance_id,
        pid=report.pid or session.pid,
        worktree=report.worktree or session.worktree,
    )


def _settle_report(tx: TownTransaction, session: Session, report: SessionReport) -> None:
    is_failure = report.state == BodyState.FAILED
    reason = report.exit_reason or ("failed" if is_failure else "completed")
    if is_failure and session.state in SPEAKING_SESSION_STATES:
        _escalate_code(tx, session, reason, message=report.exit_message or reason)
    is_evicted = reason in EVICTION_REASONS
    settle_death(
        tx,
        session,
        reason=reason,
        is_failure=is_failure or is_evicted,
        counts_attempt=not is_evicted or session.stop_sent_at_ms is not None,
    )


def _settle_container_end(tx: TownTransaction, session: Session) -> None:
    # No attempt: how often this may happen is the rule of container_ends.
    settle_death(tx, session, reason=CONTAINER_GONE, is_failure=True, counts_attempt=False)


def _note_miss(tx: TownTransaction, session: Session, instance_id: InstanceId) -> None:
    is_other = session.instance_id is not None and session.instance_id != instance_id
    misses = 1 if is_other else session.probe_misses + 1
    changes: dict[str, object] = {"probe_misses": misses}
    if is_other:  # a series counts for one instance only
        changes["instance_id"] = instance_id
    update_session(tx, session.session_id, **changes)
    owes_sign = session.state == SessionState.ENDING or tx.now_ms >= silent_at_ms(
        session, limits=tx.limits
    )
    if misses >= MISSES_NEEDED and owes_sign:
        current = msgspec.structs.replace(session, probe_misses=misses)
        settle_death(tx, current, reason="not_found", is_failure=True, counts_attempt=True)


def _is_outweighed(tx: TownTransaction, session: Session, *, asked_at_ms: int) -> bool:
    heard_at_ms = session.last_heartbeat_at_ms
    if heard_at_ms is not None and heard_at_ms >= asked_at_ms:
        return True
    return _is_start_on_its_way(tx, session)


def _is_start_on_its_way(tx: TownTransaction, session: Session) -> bool:
    effect = find_effect_by_key(tx, start_key(session.session_id))
    return effect is not None and effect.state != EffectState.ANSWERED


def _escalate_code(tx: TownTransaction, session: Session, code: str, *, message: str) -> None:
    if code not in [known.value for known in ESCALATED_CODES]:
        return
    create_escalation(
        tx,
        rig_id=session.rig_id,
        title=f"Agents cannot start: {code}",
        body=message,
        severity=Priority.HIGH,
        category="start_failed",
        key=f"{session.rig_id}:{code}",
        metadata={"code": code, "bead_id": session.bead_id, "agent_id": session.agent_id},
        about=find_bead(tx, BeadId(session.bead_id)),
    )
