"""Sessions by hand: spawn, kill, restore, roll back, send, clean up.

Each is one transaction. A spawn and a restore make a claimed session and nothing else: the loop
starts it, and what then goes wrong ends it by the code (session_moves.py). The bead of a session
that a person ended is held, so that the loop does not dispatch it anew, until a person spawns on
it, restores the session, or removes the label. A rollback first looks whether the session is a
seed, and only then deletes: the change log of a session that ever had a body is never touched
(roster.md C4d).
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.bead_creation import create_bead, create_mail
from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    KillSession,
    RestoreSession,
    RollBackSession,
    SendToSession,
    SpawnSession,
    SpawnWish,
)
from boomtown.actors.town.fences import actor_of
from boomtown.actors.town.idempotency import principal_of
from boomtown.actors.town.model import (
    EXTERNAL_HARNESS,
    LABEL_HELD,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Employment,
    Rig,
    Session,
    SessionState,
    effective,
)
from boomtown.actors.town.outside_looks import spared_worktrees
from boomtown.actors.town.preflight import SPAWNABLE_KINDS, WORKABLE, Finding, spawn_findings
from boomtown.actors.town.roster_log import RosterVerb, record_roster
from boomtown.actors.town.session_moves import claim_session, request_stop
from boomtown.actors.town.session_seeds import delete_seed, is_seed
from boomtown.actors.town.spawn_facts import spawn_facts
from boomtown.actors.town.staffing import new_polecat
from boomtown.actors.town.store_agents import get_agent, list_free_agents, update_agent
from boomtown.actors.town.store_beads import find_bead, get_bead, update_bead
from boomtown.actors.town.store_sessions import (
    find_live_session,
    find_live_session_of_bead,
    find_session,
    get_session,
    list_kept_sessions,
    update_session,
)
from boomtown.actors.town.store_town import get_rig
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import FactsView, MailView, SessionView
from boomtown.actors.town.views_of import mail_view, missing_of, session_view
from boomtown.container_sim.model import AgentRole, Looked, SessionKind, Unknown
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, Conflict, NotFound, error_for
from boomtown.ids import SessionId

TITLE_CHARACTERS_MAX = 120
KILLED = "killed"
ROLLED_BACK = "rolled_back"


def handle_spawn(tx: TownTransaction, caller: Caller, command: SpawnSession) -> SessionView:
    """Refused with the first finding, before any row."""
    wish = command.wish
    facts = spawn_facts(tx, wish, tx.seen.looked)
    findings = spawn_findings(facts)
    if findings:
        raise _refusal(findings[0])
    assert facts.rig is not None, "a spawn without a rig has its finding"
    agent = facts.agent or _free_agent(tx, facts.rig, wish.role)
    if facts.boss is not None and facts.boss.agent_id != agent.agent_id:
        update_agent(tx, agent.agent_id, boss_id=facts.boss.agent_id)
    named = facts.bead
    bead = _make_bead(tx, caller, facts.rig, wish) if named is None else _let_go(tx, named)
    session = claim_session(
        tx,
        agent=agent,
        bead=bead,
        kind=SessionKind.WORK,
        harness=wish.harness or effective(facts.town.config, facts.rig.config).harness,
        branch=wish.branch,
        prompt=wish.prompt,
        made_bead=named is None,
    )
    return session_view(session)


def handle_kill(tx: TownTransaction, caller: Caller, command: KillSession) -> SessionView:
    """Intent first: who, and why, in the transaction that takes the session's right away; the
    stop is an effect that is retried until the body is proven over."""
    session = get_session(tx, command.session_id)
    if session.state not in (SessionState.ENDED, SessionState.ENDING):
        missing = tuple(name for name in missing_of(session) if name != "branch")
        if missing and not command.force:
            raise _incomplete(session, missing)
        _kill(tx, caller, session, verb=RosterVerb.KILLED, reason=command.reason)
    return session_view(get_session(tx, session.session_id))


def handle_restore(tx: TownTransaction, caller: Caller, command: RestoreSession) -> SessionView:
    before = get_session(tx, command.session_id)
    if before.state != SessionState.ENDED or before.kind != SessionKind.WORK:
        raise Conflict(ErrorCode.SESSION_NOT_RESTORABLE, details={"state": before.state.value})
    if before.harness == EXTERNAL_HARNESS:
        raise Conflict(
            ErrorCode.SESSION_NOT_RESTORABLE, "An attached agent opens its sessions itself"
        )
    missing = tuple(name for name in missing_of(before) if name != "handle")
    if missing:
        raise _incomplete(before, missing)
    rig = get_rig(tx, before.rig_id)
    agent = _restorable_agent(tx, before)
    bead = _restorable_bead(tx, before)
    _check_seen(tx)
    bead = _let_go(tx, bead)
    session = claim_session(
        tx,
        agent=agent,
        bead=bead,
        kind=SessionKind.WORK,
        harness=before.harness,
        branch=before.branch,
        prompt=before.prompt,
        restored_from=before.session_id,
    )
    record_roster(
        tx,
        RosterVerb.RESTORED,
        caller=caller,
        agent_id=agent.agent_id,
        session_id=session.session_id,
        details={"restored_from": before.session_id, "rig": rig.rig_id},
    )
    return session_view(session)


def handle_roll_back(tx: TownTransaction, caller: Caller, command: RollBackSession) -> FactsView:
    """Look before deleting: only a seed is deleted, and everything else keeps its change log."""
    session = find_session(tx, command.session_id)
    if session is None or session.state == SessionState.ENDED:
        return _rolled_back(command.session_id, deleted=False, killed=False)
    if is_seed(session) and delete_seed(tx, session):
        record_roster(
            tx,
            RosterVerb.ROLLED_BACK,
            caller=caller,
            agent_id=session.agent_id,
            reason=command.reason,
            details={"session": session.session_id},  # not its row's: there is none any more
        )
        return _rolled_back(command.session_id, deleted=True, killed=False)
    _kill(tx, caller, session, verb=RosterVerb.ROLLED_BACK, reason=command.reason)
    return _rolled_back(command.session_id, deleted=False, killed=True)


def handle_send(tx: TownTransaction, caller: Caller, command: SendToSession) -> MailView:
    session = get_session(tx, command.session_id)
    message = (command.message or "").strip()
    if not message:
        raise error_for(ErrorCode.MESSAGE_REQUIRED)
    if len(message) > tx.limits.message_characters_max:
        raise error_for(
            ErrorCode.MESSAGE_TOO_LONG,
            f"The message has {len(message)} characters,"
            f" {tx.limits.message_characters_max} are allowed",
        )
    if session.state in (SessionState.ENDING, SessionState.ENDED):
        raise Conflict(ErrorCode.SESSION_TERMINATED, details={"state": session.state.value})
    mail = create_mail(
        tx,
        rig_id=session.rig_id,
        from_agent_id=caller.agent_id,
        to_agent_id=session.agent_id,
        subject=f"A message from {actor_of(caller)}",
        body=message,
    )
    return mail_view(tx, mail)


def handle_clean_up(tx: TownTransaction, caller: Caller, command: CleanUpSessions) -> FactsView:
    """The folders are gone already (outside_looks.py); after a crash before this, the next call
    finds none and says so here."""
    if command.rig_id is not None:
        get_rig(tx, command.rig_id)
    cleaned: list[SessionId] = []
    spared = spared_worktrees(tx)
    for session in list_kept_sessions(tx):
        if session.rig_id in tx.seen.swept_rigs and session.kept_worktree not in spared:
            update_session(tx, session.session_id, kept_worktree=None)
            cleaned.append(session.session_id)
    left = [session.session_id for session in list_kept_sessions(tx)]
    return FactsView(facts={"cleaned": cleaned, "left": left})


def _kill(
    tx: TownTransaction, caller: Caller, session: Session, *, verb: RosterVerb, reason: str | None
) -> None:
    update_session(tx, session.session_id, ended_by=principal_of(caller))
    word = KILLED if verb == RosterVerb.KILLED else ROLLED_BACK
    request_stop(tx, get_session(tx, session.session_id), reason=word)
    _hold(tx, session)
    record_roster(
        tx,
        verb,
        caller=caller,
        agent_id=session.agent_id,
        session_id=session.session_id,
        reason=reason,
        details={"state": session.state.value, "bead": session.bead_id},
    )


def _hold(tx: TownTransaction, session: Session) -> None:
    """What a person stopped, the town does not start again by itself."""
    bead = find_bead(tx, session.bead_id)
    if bead is None or bead.kind not in SPAWNABLE_KINDS or bead.status != BeadStatus.OPEN:
        return
    if LABEL_HELD not in bead.labels:
        update_bead(tx, bead.bead_id, labels=(*bead.labels, LABEL_HELD))


def _let_go(tx: TownTransaction, bead: Bead) -> Bead:
    """A person's own start ends a hold."""
    if LABEL_HELD in bead.labels:
        labels = tuple(label for label in bead.labels if label != LABEL_HELD)
        update_bead(tx, bead.bead_id, labels=labels)
    return get_bead(tx, bead.bead_id)


def _free_agent(tx: TownTransaction, rig: Rig, role: AgentRole) -> Agent:
    free = list_free_agents(tx, rig.rig_id, role)
    return free[0] if free else new_polecat(tx, rig)


def _make_bead(tx: TownTransaction, caller: Caller, rig: Rig, wish: SpawnWish) -> Bead:
    text = (wish.prompt or "").strip()
    title = text.splitlines()[0][:TITLE_CHARACTERS_MAX] if text else "A session by hand"
    return create_bead(
        tx,
        bead_type=BeadType.ISSUE,
        kind=BeadKind.WORK,
        title=title,
        body=wish.prompt,
        created_by=actor_of(caller),
        rig_id=rig.rig_id,
    )


def _restorable_agent(tx: TownTransaction, before: Session) -> Agent:
    agent = get_agent(tx, before.agent_id)
    if agent.employment != Employment.HIRED:
        raise Conflict(ErrorCode.AGENT_OFFBOARDED, details={"agent": agent.agent_id})
    present = find_live_session(tx, agent.agent_id)
    if present is not None:
        raise Conflict(ErrorCode.AGENT_BUSY, details={"session": present.session_id})
    return agent


def _restorable_bead(tx: TownTransaction, before: Session) -> Bead:
    bead = find_bead(tx, before.bead_id)
    if bead is None:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    if bead.kind not in SPAWNABLE_KINDS or bead.status not in WORKABLE:
        raise Conflict(
            ErrorCode.BEAD_NOT_HOOKABLE,
            details={"kind": bead.kind.value, "status": bead.status.value},
        )
    present = find_live_session_of_bead(tx, bead.bead_id)
    if present is not None:
        raise Conflict(ErrorCode.BEAD_ALREADY_HOOKED, details={"session": present.session_id})
    return get_bead(tx, bead.bead_id)


def _check_seen(tx: TownTransaction) -> None:
    match tx.seen.looked:
        case Looked(obstacles=(first, *_)):
            raise error_for(first.code, first.message, details=first.details)
        case Unknown(reason=reason):
            raise error_for(
                ErrorCode.RUNTIME_UNAVAILABLE, f"The containers do not answer: {reason}"
            )
        case _:
            return


def _refusal(finding: Finding) -> BoomtownError:
    return error_for(finding.code, finding.message, details=finding.details)


def _incomplete(session: Session, missing: tuple[str, ...]) -> BoomtownError:
    path = f"/sessions/{session.session_id}"
    remedies: dict[str, Any] = {
        "rollback": f"boomtown agent rollback {session.session_id}",
        "force": f"boomtown agent kill {session.session_id} --force",
    }
    return Conflict(
        ErrorCode.SESSION_INCOMPLETE_HANDLE,
        f"The session has no {' and no '.join(missing)}",
        details={"missing": list(missing), "remedies": remedies, "path": path},
    )


def _rolled_back(session_id: SessionId, *, deleted: bool, killed: bool) -> FactsView:
    return FactsView(
        facts={"ok": True, "sessionId": session_id, "deleted": deleted, "killed": killed}
    )
