"""Faults on demand, on development servers only (container_sim/chaos.py)."""

from __future__ import annotations

from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from boomtown.http.bodies import ChaosBody
from boomtown.http.calls import Call
from boomtown.http.services import FaultsOnDemand


async def arm_fault(call: Call) -> object:
    body = await call.body(ChaosBody)
    return _chaos_of(call).arm(
        call.town_id,
        body.fault,
        target=body.target,
        nth=body.nth,
        seed=body.seed,
        key=call.idempotency_key(),
    )


async def list_faults(call: Call) -> object:
    return _chaos_of(call).faults(call.town_id)


def _chaos_of(call: Call) -> FaultsOnDemand:
    if call.services.chaos is None:
        raise AccessDenied(ErrorCode.DEVELOPMENT_ONLY)
    return call.services.chaos
