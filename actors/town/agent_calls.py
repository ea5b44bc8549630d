"""An agent's own synchronous calls: hook, prime, mail, checkpoint, status, heartbeat, rework.

All pass the fence first (fences.py). Reads serve whoever asks; mail counts as delivered only
when the call counts. A call of an attached agent (decisions 31) is also its first sign of life.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.bead_endings import release_session_of
from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.commands_of_agents import (
    CheckMail,
    Heartbeat,
    HookBead,
    PrimeAgent,
    RefreshSession,
    RequestChanges,
    SetAgentStatus,
    UnhookBead,
    WriteCheckpoint,
)
from boomtown.actors.town.drain import hand_over
from boomtown.actors.town.fences import AGENT_CALLERS, Fence, check_fence
from boomtown.actors.town.model import (
    EXTERNAL_HARNESS,
    LABEL_TRIAGE_REQUEST,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    EventType,
    Session,
    SessionState,
)
from boomtown.actors.town.review_moves import request_rework
from boomtown.actors.town.session_moves import claim_session, note_life, request_stop
from boomtown.actors.town.store_agents import find_agent, get_rig_agent, update_agent
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import (
    find_bead,
    get_bead,
    get_rig_bead,
    list_rig_beads,
    update_bead,
)
from boomtown.actors.town.store_satellites import list_undelivered_mail, update_mail
from boomtown.actors.town.store_sessions import (
    find_live_session,
    find_live_session_of_bead,
    find_session,
    list_live_sessions_of_rig,
    update_session,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.actors.town.views import (
    FactsView,
    ListView,
    MailView,
    PostedView,
    PrimeView,
    SessionView,
)
from boomtown.actors.town.views_of import agent_view, bead_view, mail_view, session_view
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, Conflict
from boomtown.ids import RigId

_KIND_OF_SESSION = {
    BeadKind.WORK: SessionKind.WORK,
    BeadKind.REWORK: SessionKind.WORK,
    BeadKind.REVIEW: SessionKind.REVIEW,
    BeadKind.LANDING: SessionKind.LANDING,
}


def handle_hook(tx: TownTransaction, caller: Caller, command: HookBead) -> FactsView:
    """`hooked` is False when an operator took the bead from a session whose body must be ended
    first: the bead then prefers this agent (row 40)."""
    agent = get_rig_agent(tx, command.rig_id, command.agent_id)
    bead = get_rig_bead(tx, command.rig_id, command.bead_id)
    if caller.kind in AGENT_CALLERS and caller.agent_id not in (None, agent.agent_id):
        raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
    present = find_live_session(tx, agent.agent_id)
    if present is not None:
        if present.bead_id == bead.bead_id:
            return FactsView(facts={"hooked": True})
        raise Conflict(ErrorCode.AGENT_BUSY, details={"hooked_bead": present.bead_id})
    if agent.employment != Employment.HIRED:
        raise Conflict(ErrorCode.AGENT_NOT_HOOKED, "The agent is no longer employed")
    kind = _hookable_as(bead)
    _take_bead(tx, caller, bead)
    if kind == SessionKind.REVIEW:
        _take_review_desk(tx, command.rig_id)
    if find_live_session_of_bead(tx, bead.bead_id) is not None:
        update_bead(tx, bead.bead_id, assignee_agent_id=agent.agent_id)
        return FactsView(facts={"hooked": False, "waiting_for_stop": True})
    claim_session(
        tx,
        agent=agent,
        bead=get_bead(tx, bead.bead_id),
        kind=kind,
        harness=EXTERNAL_HARNESS,
    )
    _touch(tx, agent)
    return FactsView(facts={"hooked": True})


def handle_unhook(tx: TownTransaction, caller: Caller, command: UnhookBead) -> FactsView:
    """Idempotent. An in_progress bead reopens without an attempt."""
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    if fence.is_stale:
        return FactsView(facts={"hooked": fence.session is not None, "stale": True})
    if fence.session is not None:
        request_stop(tx, fence.session, reason="unhooked")
        bead = find_bead(tx, fence.session.bead_id)
        if bead is not None and bead.status == BeadStatus.OPEN:
            update_bead(tx, bead.bead_id, assignee_agent_id=None)
        update_agent(tx, fence.agent.agent_id, checkpoint=None)
    return FactsView(facts={"hooked": False, "stale": False})


def handle_prime(tx: TownTransaction, caller: Caller, command: PrimeAgent) -> PrimeView:
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    session = find_live_session(tx, fence.agent.agent_id)
    hooked = None if session is None else find_bead(tx, session.bead_id)
    open_beads = list_rig_beads(
        tx,
        command.rig_id,
        status=BeadStatus.OPEN,
        limit=tx.limits.prime_open_beads_max,
    )
    return PrimeView(
        agent=agent_view(tx, fence.agent),
        hooked_bead=None if hooked is None else bead_view(tx, hooked),
        undelivered_mail=_take_mail(tx, fence),
        open_beads=tuple(bead_view(tx, bead) for bead in open_beads),
        rework_context=_rework_context(tx, hooked),
    )


def handle_check_mail(tx: TownTransaction, caller: Caller, command: CheckMail) -> ListView:
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    return ListView(items=_take_mail(tx, fence))


def handle_checkpoint(tx: TownTransaction, caller: Caller, command: WriteCheckpoint) -> PostedView:
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    if not fence.is_stale:
        _note_call(tx, fence)
        update_agent(tx, fence.agent.agent_id, checkpoint=command.data)
    return PostedView(accepted=True, stale=fence.is_stale)


def handle_agent_status(tx: TownTransaction, caller: Caller, command: SetAgentStatus) -> PostedView:
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    if fence.is_stale:
        return PostedView(accepted=True, stale=True)
    _note_call(tx, fence)
    update_agent(
        tx,
        fence.agent.agent_id,
        status_message=command.message,
        status_message_at_ms=tx.now_ms,
    )
    record_audit(
        tx,
        EventType.AGENT_STATUS,
        bead=None if fence.session is None else find_bead(tx, fence.session.bead_id),
        rig_id=command.rig_id,
        agent_id=fence.agent.agent_id,
        session_id=None if fence.session is None else fence.session.session_id,
        new_value=command.message,
    )
    return PostedView(accepted=True, stale=False)


def handle_heartbeat(tx: TownTransaction, caller: Caller, command: Heartbeat) -> FactsView:
    """A session that is ending keeps its right lost: its beat is only noted, so that nobody takes
    a body that still speaks for a silent one. The first beat of another instance than the one
    that drains ends the drain, and is told its nonce."""
    if find_agent(tx, command.agent_id) is None:
        return FactsView(facts={"heartbeat": True, "stale": True})
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    session = fence.session
    if session is None:
        return FactsView(facts={"heartbeat": True, "stale": fence.is_stale})
    if session.state == SessionState.ENDING:
        update_session(tx, session.session_id, last_heartbeat_at_ms=tx.now_ms)
    if fence.is_stale:
        return FactsView(facts={"heartbeat": True, "stale": True})
    note_life(
        tx,
        session,
        is_starting=command.body_status == "starting",
        instance_id=command.instance_id or caller.instance_id,
        pid=command.pid,
        worktree=command.worktree if caller.kind == CallerKind.CONTAINER else None,
    )
    _touch(tx, fence.agent)
    nonce = hand_over(tx, command.instance_id or caller.instance_id)
    handed = {} if nonce is None else {"drainNonce": nonce}
    return FactsView(facts={"heartbeat": True, "stale": False, **handed})


def handle_request_changes(
    tx: TownTransaction, caller: Caller, command: RequestChanges
) -> FactsView:
    fence = check_fence(tx, caller, rig_id=command.rig_id, agent_id=command.agent_id)
    if fence.session is None or fence.is_stale:
        if caller.kind in AGENT_CALLERS:
            raise AccessDenied(ErrorCode.SESSION_ENDED)
        raise Conflict(ErrorCode.AGENT_NOT_HOOKED)
    if fence.session.kind != SessionKind.REVIEW:
        raise Conflict(ErrorCode.NOT_A_REVIEW)
    session = note_life(tx, fence.session)
    rework = request_rework(tx, session=session, feedback=command.feedback, files=command.files)
    _touch(tx, fence.agent)
    return FactsView(facts={"rework_bead_id": rework.bead_id})


def handle_refresh_session(
    tx: TownTransaction, caller: Caller, command: RefreshSession
) -> SessionView:
    """The caller's own session, or the live one of the agent that it names."""
    session = None
    if caller.session_id is not None:
        session = find_session(tx, caller.session_id)
    elif command.agent_id is not None:
        session = find_live_session(tx, command.agent_id)
    if session is None or session.state == SessionState.ENDED:
        raise AccessDenied(ErrorCode.SESSION_ENDED)
    return session_view(session)


def _hookable_as(bead: Bead) -> SessionKind:
    kind = _KIND_OF_SESSION.get(bead.kind)
    is_workable = bead.status in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS)
    if kind is None or not is_workable or LABEL_TRIAGE_REQUEST in bead.labels:
        raise Conflict(
            ErrorCode.BEAD_NOT_HOOKABLE,
            details={"type": bead.type, "kind": bead.kind, "status": bead.status},
        )
    return kind


def _take_bead(tx: TownTransaction, caller: Caller, bead: Bead) -> None:
    holder = find_live_session_of_bead(tx, bead.bead_id)
    if holder is not None:
        _check_takeover(caller, holder)
        release_session_of(tx, bead.bead_id, reason="taken_over")
    change_bead_status(tx, bead.bead_id, BeadStatus.OPEN)
    update_bead(tx, bead.bead_id, assignee_agent_id=None)


def _take_review_desk(tx: TownTransaction, rig_id: RigId) -> None:
    """One review of a rig is judged at a time; one that was only claimed, or that an attached
    agent holds, gives way."""
    for session in list_live_sessions_of_rig(tx, rig_id):
        if session.kind == SessionKind.REVIEW:
            if not _is_takeable(session):
                raise Conflict(ErrorCode.BEAD_ALREADY_HOOKED, "The rig's refinery is at work")
            request_stop(tx, session, reason="taken_over")


def _check_takeover(caller: Caller, holder: Session) -> None:
    if not _is_takeable(holder) and caller.kind != CallerKind.OPERATOR:
        raise Conflict(ErrorCode.BEAD_ALREADY_HOOKED, details={"agent": holder.agent_id})


def _is_takeable(holder: Session) -> bool:
    """Whether its end is certain at once: it has no body of ours."""
    return holder.harness == EXTERNAL_HARNESS or holder.state == SessionState.CLAIMED


def _take_mail(tx: TownTransaction, fence: Fence) -> tuple[MailView, ...]:
    """The undelivered mail as it was, delivered from now on; of a call that does not count, only
    shown."""
    shown: list[MailView] = []
    for mail in list_undelivered_mail(tx, fence.agent.agent_id):
        shown.append(mail_view(tx, get_bead(tx, mail.bead_id)))
        if not fence.is_stale:
            update_mail(tx, mail.bead_id, delivered_at_ms=tx.now_ms)
            change_bead_status(tx, mail.bead_id, BeadStatus.CLOSED, agent_id=fence.agent.agent_id)
    return tuple(shown)


def _note_call(tx: TownTransaction, fence: Fence) -> None:
    if fence.session is not None:
        note_life(tx, fence.session)
    _touch(tx, fence.agent)


def _touch(tx: TownTransaction, agent: Agent) -> None:
    update_agent(tx, agent.agent_id, last_activity_at_ms=tx.now_ms)


def _rework_context(tx: TownTransaction, hooked: Bead | None) -> dict[str, Any] | None:
    if hooked is None or hooked.kind != BeadKind.REWORK:
        return None
    view = bead_view(tx, hooked)
    return {**view.metadata, "feedback": hooked.body or ""}
