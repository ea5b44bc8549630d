"""POST /api/tickets: a ticket for a socket that this server has."""

from __future__ import annotations

from boomtown.http.bodies import Body
from boomtown.http.calls import Call, invalid_body
from boomtown.http.principals import Operator
from boomtown.http.tickets import TICKETS, TicketKind
from boomtown.ids import AgentId, TownId
from boomtown.wire import iso_from_ms

SERVED_KINDS = (TicketKind.FEED,)


class TicketBody(Body, frozen=True, kw_only=True):
    """`town` and `agent` as the socket's path will name them."""

    kind: TicketKind
    town: TownId | None = None
    agent: AgentId | None = None


async def post_ticket(call: Call) -> object:
    body = await call.body(TicketBody)
    if body.kind not in SERVED_KINDS:
        raise invalid_body("kind", "this server has no socket of that kind")
    if body.town is None:
        raise invalid_body("town", "is required for this kind")
    if body.agent is not None:
        raise invalid_body("agent", "is not for this kind")
    assert isinstance(call.principal, Operator), "the route is the operators'"
    ticket, expires_at_ms = call.request.config_dict[TICKETS].issue(
        body.kind, call.principal, town_id=body.town, agent_id=body.agent
    )
    return {"ticket": ticket, "expires_at": iso_from_ms(expires_at_ms)}
