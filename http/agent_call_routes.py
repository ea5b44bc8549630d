"""An agent's own calls.

Inbox posts (done, completed, waiting, eviction-context) answer 202 with `accepted, stale`; what
they say is applied by the town's next tick. The others take effect before they answer.
"""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands import (
    CheckMail,
    Heartbeat,
    HookBead,
    PrimeAgent,
    RefreshSession,
    ReportCompleted,
    ReportDone,
    ReportEviction,
    ReportWaiting,
    RequestChanges,
    SetAgentStatus,
    UnhookBead,
    WriteCheckpoint,
)
from boomtown.actors.town.views import SessionView
from boomtown.container_sim.git_urls import validate_branch
from boomtown.http.bodies import (
    BeadIdBody,
    CheckpointBody,
    CompletedBody,
    DoneBody,
    EvictionBody,
    HeartbeatBody,
    RequestChangesBody,
    StatusMessageBody,
    WaitingBody,
)
from boomtown.http.calls import Call, instant_ms, instant_ms_or_none
from boomtown.ids import AgentId, InstanceId, RigId, SessionId
from boomtown.wire import iso_from_ms


async def hook_bead(call: Call) -> object:
    body = await call.body(BeadIdBody)
    return await call.execute(
        HookBead(rig_id=call.rig_id, agent_id=call.agent_id, bead_id=body.bead_id)
    )


async def unhook_bead(call: Call) -> object:
    return await call.execute(UnhookBead(rig_id=call.rig_id, agent_id=call.agent_id))


async def prime_agent(call: Call) -> object:
    return await call.execute(PrimeAgent(rig_id=call.rig_id, agent_id=call.agent_id))


async def check_mail(call: Call) -> object:
    return await call.execute(CheckMail(rig_id=call.rig_id, agent_id=call.agent_id))


async def report_done(call: Call) -> object:
    body = await call.body(DoneBody)
    if body.branch:
        validate_branch(body.branch)
    return await call.execute(
        ReportDone(rig_id=call.rig_id, agent_id=call.agent_id, **asdict(body))
    )


async def request_changes(call: Call) -> object:
    body = await call.body(RequestChangesBody)
    return await call.execute(
        RequestChanges(rig_id=call.rig_id, agent_id=call.agent_id, **asdict(body))
    )


async def report_completed(call: Call) -> object:
    body = await call.body(CompletedBody)
    return await call.execute(
        ReportCompleted(rig_id=call.rig_id, agent_id=call.agent_id, **asdict(body))
    )


async def report_waiting(call: Call) -> object:
    body = await call.body(WaitingBody)
    fired_at_ms = instant_ms_or_none(body.fired_at, field="firedAt")
    return await call.execute(
        ReportWaiting(rig_id=call.rig_id, agent_id=call.agent_id, fired_at_ms=fired_at_ms)
    )


async def write_checkpoint(call: Call) -> object:
    body = await call.body(CheckpointBody)
    return await call.execute(
        WriteCheckpoint(rig_id=call.rig_id, agent_id=call.agent_id, data=body.data)
    )


async def set_agent_status(call: Call) -> object:
    body = await call.body(StatusMessageBody)
    return await call.execute(
        SetAgentStatus(rig_id=call.rig_id, agent_id=call.agent_id, message=body.message)
    )


async def report_eviction(call: Call) -> object:
    body = await call.body(EvictionBody)
    return await call.execute(
        ReportEviction(
            rig_id=call.rig_id,
            agent_id=call.agent_id,
            branch=body.branch,
            saved_at_ms=instant_ms(body.saved_at, field="saved_at"),
        )
    )


async def heartbeat(call: Call) -> object:
    body = await call.body(HeartbeatBody)
    instance_id = body.container_instance_id
    return await call.execute(
        Heartbeat(
            rig_id=call.rig_id,
            agent_id=call.agent_id,
            body_status=body.status,
            instance_id=None if instance_id is None else InstanceId(instance_id),
            pid=body.pid,
            worktree=body.worktree,
            last_event_type=body.last_event_type,
            last_event_at_ms=instant_ms_or_none(body.last_event_at, field="lastEventAt"),
            active_tools=body.active_tools,
        )
    )


async def refresh_token(call: Call) -> object:
    """The next token of the agent's live session."""
    return await next_session_token(call, call.agent_id)


async def next_session_token(call: Call, agent_id: AgentId | None) -> object:
    """Ask the town whether the session may go on, then mint. The town refuses an ended one."""
    session = await call.execute(RefreshSession(agent_id=agent_id))
    assert isinstance(session, SessionView)
    now_ms = call.services.clock.now_ms()
    token = call.services.tokens.mint_session_token(
        town_id=call.town_id,
        rig_id=RigId(session.rig_id or ""),
        agent_id=AgentId(session.agent_id),
        session_id=SessionId(session.id),
        user_id=call.caller.user_id,
        now_ms=now_ms,
    )
    return {"token": token, "expires_at": iso_from_ms(call.services.tokens.expiry_ms(now_ms))}
