"""The mayor's tools: the whole town's work in one place, for its mayor and its operator."""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands import (
    AddConvoyBead,
    CloseConvoyByForce,
    DeleteBeads,
    DeleteBeadsByStatus,
    ReassignBead,
    RemoveConvoyBead,
    ResetAgent,
    SlingBead,
    StartConvoy,
    UpdateBead,
    UpdateConvoy,
)
from boomtown.actors.town.questions import GetConvoy, ListConvoys, ListRigs
from boomtown.container_sim.git_urls import validate_branch
from boomtown.http.bodies import (
    AddConvoyBeadBody,
    BeadIdBody,
    BeadIdsBody,
    DeleteByStatusBody,
    MayorMailBody,
    MayorSlingBody,
    ReassignBody,
    UpdateBeadBody,
    UpdateConvoyBody,
)
from boomtown.http.calls import Call
from boomtown.http.rig_routes import send_mail_of


async def sling(call: Call) -> object:
    body = await call.body(MayorSlingBody)
    return await call.execute(SlingBead(**asdict(body)))


async def list_rigs(call: Call) -> object:
    return await call.query(ListRigs())


async def list_convoys(call: Call) -> object:
    return await call.query(ListConvoys())


async def get_convoy(call: Call) -> object:
    return await call.query(GetConvoy(convoy_id=call.convoy_id))


async def update_bead(call: Call) -> object:
    body = await call.body(UpdateBeadBody)
    return await call.execute(UpdateBead(rig_id=call.rig_id, bead_id=call.bead_id, **asdict(body)))


async def reassign_bead(call: Call) -> object:
    body = await call.body(ReassignBody)
    return await call.execute(
        ReassignBead(rig_id=call.rig_id, bead_id=call.bead_id, agent_id=body.agent_id)
    )


async def bulk_delete_beads(call: Call) -> object:
    body = await call.body(BeadIdsBody)
    return await call.execute(DeleteBeads(rig_id=call.rig_id, bead_ids=body.bead_ids))


async def delete_beads_by_status(call: Call) -> object:
    body = await call.body(DeleteByStatusBody)
    return await call.execute(DeleteBeadsByStatus(rig_id=call.rig_id, **asdict(body)))


async def reset_agent(call: Call) -> object:
    return await call.execute(ResetAgent(rig_id=call.rig_id, agent_id=call.agent_id))


async def update_convoy(call: Call) -> object:
    body = await call.body(UpdateConvoyBody)
    if body.feature_branch is not None:
        validate_branch(body.feature_branch)
    return await call.execute(UpdateConvoy(convoy_id=call.convoy_id, **asdict(body)))


async def close_convoy(call: Call) -> object:
    return await call.execute(CloseConvoyByForce(convoy_id=call.convoy_id))


async def start_convoy(call: Call) -> object:
    return await call.execute(StartConvoy(convoy_id=call.convoy_id))


async def add_convoy_bead(call: Call) -> object:
    body = await call.body(AddConvoyBeadBody)
    return await call.execute(AddConvoyBead(convoy_id=call.convoy_id, **asdict(body)))


async def remove_convoy_bead(call: Call) -> object:
    body = await call.body(BeadIdBody)
    return await call.execute(RemoveConvoyBead(convoy_id=call.convoy_id, bead_id=body.bead_id))


async def send_mail(call: Call) -> object:
    body = await call.body(MayorMailBody)
    return await send_mail_of(call, body, body.rig_id)
