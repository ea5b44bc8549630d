"""What a control server says about itself, its end and its beginning, and its next token."""

from __future__ import annotations

from boomtown.actors.town.commands import BeginDrain, ClearDrain, ReportContainerEvents
from boomtown.actors.town.questions import (
    AskRegistry,
    GetDrainStatus,
    GetMayorId,
    ListRegistry,
)
from boomtown.http.agent_call_routes import next_session_token
from boomtown.http.bodies import ContainerEventsBody, ReadyBody, RegistryBody
from boomtown.http.calls import Call
from boomtown.http.principals import ContainerBearer
from boomtown.wire import iso_from_ms


async def report_container_events(call: Call) -> object:
    body = await call.body(ContainerEventsBody)
    return await call.execute(ReportContainerEvents(events=body.events))


async def begin_drain(call: Call) -> object:
    return await call.execute(BeginDrain())


async def clear_drain(call: Call) -> object:
    body = await call.body(ReadyBody)
    return await call.execute(ClearDrain(nonce=body.nonce))


async def get_drain_status(call: Call) -> object:
    return await call.query(GetDrainStatus())


async def list_registry(call: Call) -> object:
    return await call.query(ListRegistry())


async def ask_registry(call: Call) -> object:
    """A question for all its verb: nothing is stored of it."""
    body = await call.body(RegistryBody)
    return await call.query(AskRegistry(session_ids=body.session_ids))


async def get_mayor_id(call: Call) -> object:
    return await call.query(GetMayorId())


async def refresh_container_token(call: Call) -> object:
    """The bearer's own next token: existing agents know a session's by this name (decisions 47)."""
    if not isinstance(call.principal, ContainerBearer):
        return await next_session_token(call, call.caller.agent_id)
    claims = call.principal.claims
    now_ms = call.services.clock.now_ms()
    token = call.services.tokens.mint_container_token(
        town_id=claims.town_id,
        instance_id=claims.instance_id,
        user_id=claims.user_id,
        now_ms=now_ms,
    )
    return {"token": token, "expires_at": iso_from_ms(call.services.tokens.expiry_ms(now_ms))}
