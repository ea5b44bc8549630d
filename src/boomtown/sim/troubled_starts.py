"""The containers' port with faults at its starts, behind what the town's server believes it called.

A start may arrive twice, as when the object that asked is made again before it has written the
answer down. And it may be refused for a session of the same agent that is over: a control server
that has not finished its books counts the old session still. Neither may cost anything but time.

Made once per life of the server: no container outlives it, so no session that a control server
could hold against a start does either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from boomtown.actors.town.ports import Containers
from boomtown.container_sim.model import Conflict, StartOutcome, StartSession
from boomtown.ids import AgentId, SessionId
from boomtown.sim.armed_faults import ArmedFaults, StartFault


class TroubledStarts:
    """Satisfies boomtown.actors.town.ports.Containers over another one."""

    def __init__(self, containers: Containers, faults: ArmedFaults) -> None:
        self._containers = containers
        self._faults = faults
        self._last: dict[AgentId, SessionId] = {}  # the newest session of each agent

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._containers, name)
        return method

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        before = self._last.get(request.agent_id, request.session_id)
        if before != request.session_id and self._faults.take_start(StartFault.REFUSED):
            return Conflict(holder_session_id=before)
        self._last[request.agent_id] = request.session_id
        outcome = await self._containers.start_session(request, timeout_ms=timeout_ms)
        if self._faults.take_start(StartFault.TWICE):
            return await self._containers.start_session(request, timeout_ms=timeout_ms)
        return outcome


def with_trouble(containers: Containers, faults: ArmedFaults) -> Containers:
    """The containers, through TroubledStarts."""
    return cast(Containers, TroubledStarts(containers, faults))
