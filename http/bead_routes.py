"""Beads of a rig."""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands import (
    CreateBead,
    DeleteBeads,
    RetryBead,
    SetBeadStatus,
    SetPaused,
    SlingBead,
)
from boomtown.actors.town.model import BeadStatus, BeadType
from boomtown.actors.town.questions import GetBead, ListBeads
from boomtown.http.bodies import BeadStatusBody, CloseBeadBody, CreateBeadBody, SlingBody
from boomtown.http.calls import Call
from boomtown.http.query_parameters import find_choice, find_count, page_size
from boomtown.ids import AgentId


async def create_bead(call: Call) -> object:
    body = await call.body(CreateBeadBody)
    return await call.execute(CreateBead(rig_id=call.rig_id, **asdict(body)))


async def list_beads(call: Call) -> object:
    query = call.request.query
    assignee = query.get("assignee_agent_bead_id")
    return await call.query(
        ListBeads(
            rig_id=call.rig_id,
            status=find_choice(query, "status", BeadStatus),
            type=find_choice(query, "type", BeadType),
            assignee_agent_id=None if assignee is None else AgentId(assignee),
            limit=page_size(query),
            offset=find_count(query, "offset") or 0,
        )
    )


async def get_bead(call: Call) -> object:
    return await call.query(GetBead(rig_id=call.rig_id, bead_id=call.bead_id))


async def delete_bead(call: Call) -> object:
    return await call.execute(DeleteBeads(rig_id=call.rig_id, bead_ids=(call.bead_id,)))


async def set_bead_status(call: Call) -> object:
    body = await call.body(BeadStatusBody)
    return await call.execute(
        SetBeadStatus(rig_id=call.rig_id, bead_id=call.bead_id, **asdict(body))
    )


async def close_bead(call: Call) -> object:
    body = await call.body(CloseBeadBody)
    return await call.execute(
        SetBeadStatus(
            rig_id=call.rig_id,
            bead_id=call.bead_id,
            status=BeadStatus.CLOSED,
            agent_id=body.agent_id,
        )
    )


async def retry_bead(call: Call) -> object:
    return await call.execute(RetryBead(rig_id=call.rig_id, bead_id=call.bead_id))


async def sling_bead(call: Call) -> object:
    body = await call.body(SlingBody)
    return await call.execute(SlingBead(rig_id=call.rig_id, **asdict(body)))


async def pause_rig(call: Call) -> object:
    return await call.execute(SetPaused(is_paused=True, rig_id=call.rig_id))


async def resume_rig(call: Call) -> object:
    return await call.execute(SetPaused(is_paused=False, rig_id=call.rig_id))
