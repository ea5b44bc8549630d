"""What is to be done about every session that is not over.

At most one action for a session in a plan, by its state:

    claimed    the bead is gone or final: end it (nothing was asked of a container); else start.
    starting   the answer of the start is unknown: probe, at once and then every alarm_active_ms.
               Known, but no sign of life at the deadline: as a running one whose lease is over.
    running    lease over: probe; still no sign: stop; then silence_after_stop_ms: lost.
    ending     within the grace of a late done: nothing; grace over: no result; else stop, and
               lost after the same silence.

A lease alone frees nothing, and a probe comes before the stop, so that a machine that slept does
not end agents that live (decisions 33). An attached agent (harness external) has no body of ours:
it is never started, probed or stopped, and ends by silence alone (decisions 31). While the town
drains, nothing is concluded from silence (row 55), and nothing starts.
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.actions import Action, EndSession, SendProbe, SendStart, SendStop
from boomtown.actors.town.model import (
    EXTERNAL_HARNESS,
    FINAL_STATUSES,
    BeadStatus,
    EffectKind,
    Session,
    SessionState,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import SessionId
from boomtown.limits import TownLimits

REASON_UNWANTED = "unwanted"  # its bead is final, gone, or no longer its own
REASON_LEASE = "lease"  # no sign of life, and no answer that explains it
REASON_OVER = "over"  # it has its verdict: the body is not needed any more
REASON_LOST = "lost"
REASON_NO_RESULT = "no_result"
REASON_RELEASED = "released"


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> tuple[Action, ...]:
    """At most one action per session, in the order of their claims."""
    unanswered = {(effect.session_id, effect.kind) for effect in snapshot.effects}
    actions: list[Action] = []
    for session in snapshot.sessions.values():
        action = _plan_session(session, snapshot, unanswered, now_ms=now_ms, limits=limits)
        # While a claimed merge is being proven, its answer decides the review and the session.
        is_proving = (session.session_id, EffectKind.PROVE_MERGE) in unanswered
        if action is not None and not (is_proving and isinstance(action, EndSession)):
            actions.append(action)
    return tuple(actions)


def due_times(session: Session, *, limits: TownLimits) -> tuple[int, ...]:
    """The instants at which time alone may make a rule of this module hold."""
    if session.harness == EXTERNAL_HARNESS:
        if session.lease_until_ms is None:
            return ()
        return (session.lease_until_ms + limits.silence_after_stop_ms,)
    times: list[int] = []
    if session.done_grace_until_ms is not None:
        times.append(session.done_grace_until_ms)
    if session.stop_sent_at_ms is not None:
        times.append(lost_at_ms(session, limits=limits))
    if session.state in (SessionState.STARTING, SessionState.RUNNING):
        times.append(silent_at_ms(session, limits=limits))
        times.append(silent_at_ms(session, limits=limits) + limits.probe_timeout_ms)
        if session.probed_at_ms is not None:
            times.append(session.probed_at_ms + limits.alarm_active_ms)
    return tuple(times)


def silent_at_ms(session: Session, *, limits: TownLimits) -> int:
    """From when on the session owes a sign of life: its lease, and in `starting` its deadline."""
    signs = (
        session.last_heartbeat_at_ms,
        session.started_at_ms,
        session.start_sent_at_ms,
        session.claimed_at_ms,
    )
    last_sign_ms = next(sign for sign in signs if sign is not None)
    lease_ms = session.lease_until_ms
    if lease_ms is None:
        lease_ms = last_sign_ms + limits.lease_ms
    if session.state == SessionState.STARTING:
        sent_ms = session.start_sent_at_ms
        begun_ms = session.claimed_at_ms if sent_ms is None else sent_ms
        return max(lease_ms, begun_ms + limits.start_deadline_ms)
    return lease_ms


def lost_at_ms(session: Session, *, limits: TownLimits) -> int:
    """When a stopped session that stays silent is proven over."""
    assert session.stop_sent_at_ms is not None
    last_sign_ms = max(session.stop_sent_at_ms, session.last_heartbeat_at_ms or 0)
    return max(last_sign_ms + limits.silence_after_stop_ms, session.lease_until_ms or 0)


def _plan_session(
    session: Session,
    snapshot: Snapshot,
    unanswered: set[tuple[SessionId, EffectKind]],
    *,
    now_ms: int,
    limits: TownLimits,
) -> Action | None:
    if session.harness == EXTERNAL_HARNESS:
        return _plan_external(session, snapshot, now_ms=now_ms, limits=limits)
    match session.state:
        case SessionState.CLAIMED:
            return _plan_claimed(session, snapshot)
        case SessionState.STARTING | SessionState.RUNNING:
            if not _is_wanted(session, snapshot) and session.stop_sent_at_ms is None:
                return _stop(session, REASON_UNWANTED)
            if snapshot.town.is_draining:
                return None
            return _plan_silence(session, snapshot, unanswered, now_ms=now_ms, limits=limits)
        case SessionState.ENDING:
            return _plan_ending(session, snapshot, now_ms=now_ms, limits=limits)
        case SessionState.ENDED:
            return None
        case _:
            assert_never(session.state)


def _plan_claimed(session: Session, snapshot: Snapshot) -> Action | None:
    if not _is_wanted(session, snapshot):
        return _end(session, REASON_UNWANTED, counts_attempt=False)
    rig = snapshot.rigs[session.rig_id]
    if snapshot.town.is_draining or snapshot.town.is_paused or rig.is_paused:
        return None
    return SendStart(session_id=session.session_id)


def _plan_silence(
    session: Session,
    snapshot: Snapshot,
    unanswered: set[tuple[SessionId, EffectKind]],
    *,
    now_ms: int,
    limits: TownLimits,
) -> Action | None:
    key = session.session_id
    if (key, EffectKind.START) in unanswered:
        return None  # the call has a timeout of its own; its outcome comes as an event
    silent_at = silent_at_ms(session, limits=limits)
    if session.stop_sent_at_ms is not None and now_ms >= lost_at_ms(session, limits=limits):
        return _end(session, REASON_LOST, counts_attempt=_is_wanted(session, snapshot))
    is_unconfirmed = session.state == SessionState.STARTING and session.instance_id is None
    if now_ms < silent_at and not is_unconfirmed:
        return None
    if (key, EffectKind.PROBE) in unanswered:
        return None
    if (
        session.stop_sent_at_ms is None
        and session.probed_at_ms is not None
        and session.probed_at_ms >= silent_at
        and now_ms >= silent_at + limits.probe_timeout_ms
    ):
        return _stop(session, REASON_LEASE)
    if session.probed_at_ms is None or now_ms >= session.probed_at_ms + limits.alarm_active_ms:
        return SendProbe(session_id=key, expected_state=session.state)
    return None


def _plan_ending(
    session: Session, snapshot: Snapshot, *, now_ms: int, limits: TownLimits
) -> Action | None:
    grace_ms = session.done_grace_until_ms if session.verdict is None else None
    if grace_ms is not None and session.stop_sent_at_ms is None:
        # The body is proven over; only its last word may be on the way.
        if now_ms < grace_ms:
            return None
        return _end(session, REASON_NO_RESULT, counts_attempt=True)
    if session.stop_sent_at_ms is None:
        return _stop(session, REASON_OVER)
    if snapshot.town.is_draining or now_ms < lost_at_ms(session, limits=limits):
        return None
    if grace_ms is not None:
        return _end(session, REASON_NO_RESULT, counts_attempt=True)
    return _end(session, REASON_LOST, counts_attempt=False)


def _plan_external(
    session: Session, snapshot: Snapshot, *, now_ms: int, limits: TownLimits
) -> Action | None:
    if session.state == SessionState.ENDING:
        return _end(session, REASON_RELEASED, counts_attempt=False)
    if not _is_wanted(session, snapshot):
        return _end(session, REASON_UNWANTED, counts_attempt=False)
    if snapshot.town.is_draining or session.lease_until_ms is None:
        return None
    if now_ms < session.lease_until_ms + limits.silence_after_stop_ms:
        return None
    is_begun = session.state != SessionState.CLAIMED
    return _end(session, REASON_LOST, counts_attempt=is_begun)


def _is_wanted(session: Session, snapshot: Snapshot) -> bool:
    """Whether the session still has its bead: it exists, is live, is in a rig, and is where a
    session of this state keeps it."""
    bead = snapshot.beads.get(session.bead_id)
    if bead is None or bead.status in FINAL_STATUSES or session.rig_id not in snapshot.rigs:
        return False
    if session.state == SessionState.CLAIMED:
        return bead.status in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS)
    return bead.status == BeadStatus.IN_PROGRESS


def _stop(session: Session, reason: str) -> SendStop:
    return SendStop(
        session_id=session.session_id,
        expected_state=session.state,
        reason=reason,
        takes_bead=reason != REASON_LEASE,
    )


def _end(session: Session, reason: str, *, counts_attempt: bool) -> EndSession:
    return EndSession(
        session_id=session.session_id,
        expected_state=session.state,
        reason=reason,
        counts_attempt=counts_attempt,
    )
