"""Commands that only record: what an agent, its control server or the manager reports.

Each becomes one event of the inbox, with its session as the fence, and is answered `accepted` at
once; the next tick applies it. A report about an agent that has no session to speak through, or
one that an operator makes for an agent that the town started, has no event to become: it is
counted (`stale_posts`) and answered `stale`.
"""

from __future__ import annotations

from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.commands_of_agents import (
    ReportCompleted,
    ReportContainerEvents,
    ReportContainerGone,
    ReportDone,
    ReportEviction,
    ReportWaiting,
)
from boomtown.actors.town.events import (
    AgentCompleted,
    AgentDone,
    AgentWaiting,
    ContainerGone,
    ContainerNoted,
    EvictionNoted,
    TownEvent,
)
from boomtown.actors.town.fences import AGENT_CALLERS, check_fence
from boomtown.actors.town.inbox import gone_key, record_event
from boomtown.actors.town.model import EXTERNAL_HARNESS
from boomtown.actors.town.store_agents import update_agent
from boomtown.actors.town.store_sessions import find_last_session
from boomtown.actors.town.store_town import bump_counter
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import PostedView
from boomtown.ids import AgentId, RigId, SessionId

NOTE_CHARACTERS_MAX = 2_000  # of a control server's note: it is kept for people


def handle_done(tx: TownTransaction, caller: Caller, command: ReportDone) -> PostedView:
    session_id = _speaker(tx, caller, command.rig_id, command.agent_id)
    if session_id is None:
        return _unheard(tx)
    update_agent(tx, command.agent_id, last_activity_at_ms=tx.now_ms)
    return _record(
        tx,
        AgentDone(
            session_id=session_id,
            branch=command.branch,
            verdict=command.verdict,
            pr_url=command.pr_url,
            summary=command.summary,
            commit_sha=command.commit_sha,
        ),
    )


def handle_completed(tx: TownTransaction, caller: Caller, command: ReportCompleted) -> PostedView:
    """Proof only from a control server, which saw the process group gone."""
    session_id = _speaker(tx, caller, command.rig_id, command.agent_id)
    if session_id is None:
        return _unheard(tx)
    return _record(
        tx,
        AgentCompleted(
            session_id=session_id,
            is_failure=command.status != "completed",
            reason=command.reason,
            is_proof=caller.kind == CallerKind.CONTAINER,
            exit_code=command.exit_code,
            message=command.message,
            kept_worktree=command.kept_worktree if caller.kind == CallerKind.CONTAINER else None,
        ),
    )


def handle_waiting(tx: TownTransaction, caller: Caller, command: ReportWaiting) -> PostedView:
    session_id = _speaker(tx, caller, command.rig_id, command.agent_id)
    if session_id is None:
        return _unheard(tx)
    fired = tx.now_ms if command.fired_at_ms is None else command.fired_at_ms
    return _record(tx, AgentWaiting(session_id=session_id, fired_at_ms=fired))


def handle_eviction(tx: TownTransaction, caller: Caller, command: ReportEviction) -> PostedView:
    session_id = _speaker(tx, caller, command.rig_id, command.agent_id)
    if session_id is None:
        return _unheard(tx)
    return _record(
        tx,
        EvictionNoted(
            session_id=session_id, branch=command.branch, saved_at_ms=command.saved_at_ms
        ),
    )


def handle_container_gone(
    tx: TownTransaction, caller: Caller, command: ReportContainerGone
) -> PostedView:
    """Once per instance, however often it is told."""
    key = gone_key(command.gone.instance_id)
    is_stale = record_event(tx, ContainerGone(gone=command.gone), idempotency_key=key)
    return PostedView(accepted=True, stale=is_stale)


def handle_container_events(
    tx: TownTransaction, caller: Caller, command: ReportContainerEvents
) -> PostedView:
    for event in command.events:
        kind, message = str(event.get("kind", "note")), str(event.get("message", ""))
        _record(tx, ContainerNoted(kind=kind, message=message[:NOTE_CHARACTERS_MAX]))
    return PostedView(accepted=True, stale=False)


def _speaker(
    tx: TownTransaction, caller: Caller, rig_id: RigId, agent_id: AgentId
) -> SessionId | None:
    """The session that the report is about; one that is over is named too, and its event will be
    stale."""
    check_fence(tx, caller, rig_id=rig_id, agent_id=agent_id)
    if caller.kind in AGENT_CALLERS:
        return caller.session_id
    last = find_last_session(tx, agent_id)
    if last is None or last.harness != EXTERNAL_HARNESS:
        return None
    return last.session_id


def _record(tx: TownTransaction, event: TownEvent) -> PostedView:
    return PostedView(accepted=True, stale=record_event(tx, event, idempotency_key=None))


def _unheard(tx: TownTransaction) -> PostedView:
    bump_counter(tx, "stale_posts")
    return PostedView(accepted=True, stale=True)
