"""A town as a whole: settings, status, convoys, escalations, approvals."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from boomtown.actors.town.commands import (
    AcknowledgeEscalation,
    Approve,
    SetPaused,
    SlingConvoy,
    UpdateConfig,
)
from boomtown.actors.town.questions import (
    CheckInvariants,
    GetConfig,
    GetTownStatus,
    ListEscalations,
)
from boomtown.http.bodies import ApprovalBody, SlingBatchBody
from boomtown.http.calls import Call
from boomtown.ids import BeadId


async def get_config(call: Call) -> object:
    return await call.query(GetConfig())


async def update_config(call: Call) -> object:
    patch: dict[str, Any] = await call.json_object()
    return await call.execute(UpdateConfig(patch=patch))


async def get_town_status(call: Call) -> object:
    return await call.query(GetTownStatus())


async def check_invariants(call: Call) -> object:
    return await call.query(CheckInvariants())


async def pause_town(call: Call) -> object:
    return await call.execute(SetPaused(is_paused=True))


async def resume_town(call: Call) -> object:
    return await call.execute(SetPaused(is_paused=False))


async def sling_convoy(call: Call) -> object:
    body = await call.body(SlingBatchBody)
    return await call.execute(SlingConvoy(**asdict(body)))


async def list_escalations(call: Call) -> object:
    return await call.query(ListEscalations())


async def acknowledge_escalation(call: Call) -> object:
    escalation_id = BeadId(call.path["escalation"])
    return await call.execute(AcknowledgeEscalation(escalation_id=escalation_id))


async def approve(call: Call) -> object:
    body = await call.body(ApprovalBody)
    return await call.execute(Approve(bead_id=call.bead_id, **asdict(body)))
