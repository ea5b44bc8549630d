"""What a control server says about itself, and its next token."""

from __future__ import annotations

from boomtown.actors.town.commands import ReportContainerEvents
from boomtown.http.agent_call_routes import next_session_token
from boomtown.http.bodies import ContainerEventsBody
from boomtown.http.calls import Call
from boomtown.http.principals import ContainerBearer
from boomtown.wire import iso_from_ms


async def report_container_events(call: Call) -> object:
    body = await call.body(ContainerEventsBody)
    return await call.execute(ReportContainerEvents(events=body.events))


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
