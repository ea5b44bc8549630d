"""The policy gateway, from outside: an agent asks to do something, by name."""

from __future__ import annotations

from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.roster_views import GatewayView
from boomtown.errors import error_from_refusal
from boomtown.http.bodies import GatewayBody
from boomtown.http.calls import Call


async def use_gateway(call: Call) -> object:
    """The town has recorded its decision by now; a refusal becomes the error that it stands for
    only here."""
    body = await call.body(GatewayBody)
    view = await call.execute(UseGateway(action=call.path["action"], args=body.args))
    assert isinstance(view, GatewayView)
    if view.refusal is not None:
        raise error_from_refusal(view.refusal)
    return {"allowed": view.allowed, "result": view.result}
