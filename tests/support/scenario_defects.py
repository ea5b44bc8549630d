"""Defects for named scenarios, each a part given to the server of a simulated town."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, assert_never, cast

import msgspec

from boomtown.actors import DurableObject
from boomtown.actors.runtime.host import Host
from boomtown.actors.town.commands import CommandRequest
from boomtown.actors.town.commands_of_agents import ReportCompleted, ReportDone
from boomtown.actors.town.ports import Containers
from boomtown.actors.town.store_sessions import find_live_session
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import Answer
from boomtown.container_sim.model import (
    Rejected,
    StartOutcome,
    StartSession,
    StopOutcome,
    Unknown,
)
from boomtown.error_codes import ErrorCode
from boomtown.http.services import TOWN_CLASS
from boomtown.ids import SessionId, TownId
from boomtown.sim.planted_bugs import FlushWithoutFiles, trust_silence
from boomtown.sim.town_server import ServerParts


class ScenarioDefect(enum.StrEnum):
    """What is wrong with the town."""

    GUESSES_BY_AGENT = "what an agent's old session says counts for its present one"
    GIVES_UP_UNKNOWN_START = "a start without an answer is taken for one that failed"
    TRUSTS_SILENCE = "a session that is asked about, or stopped, is said to be gone"
    STOPS_THE_NEWEST = "a stop that takes its time ends whichever session is the newest"
    NEVER_SYNCS = "commits are answered before the disk has them"


def parts_with(defect: ScenarioDefect) -> ServerParts:
    """The parts of a server with that defect."""
    match defect:
        case ScenarioDefect.GUESSES_BY_AGENT:
            return ServerParts(host=GuessingHost)
        case ScenarioDefect.GIVES_UP_UNKNOWN_START:
            return ServerParts(wrap_containers=_wrapping(ImpatientContainers))
        case ScenarioDefect.TRUSTS_SILENCE:
            return ServerParts(wrap_containers=trust_silence)
        case ScenarioDefect.STOPS_THE_NEWEST:
            return ServerParts(wrap_containers=_wrapping(MisdirectedStops))
        case ScenarioDefect.NEVER_SYNCS:
            return ServerParts(flush_of=FlushWithoutFiles)
        case _:
            assert_never(defect)


class GuessingTown(Town):
    """Asks who an agent is now, and not which session speaks."""

    async def execute(self, request: CommandRequest) -> Answer:
        if isinstance(request.command, ReportDone | ReportCompleted):
            live = find_live_session(self._begin(), request.command.agent_id)
            if live is not None:
                caller = msgspec.structs.replace(request.caller, session_id=live.session_id)
                request = msgspec.structs.replace(request, caller=caller)
        return await super().execute(request)


class GuessingHost(Host):
    """Has that town in the place of the real one."""

    def __init__(self, *, classes: Mapping[str, type[DurableObject]], **rest: Any) -> None:
        super().__init__(classes={**classes, TOWN_CLASS: GuessingTown}, **rest)


class _Wrapped:
    """Everything as it is."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._containers, name)
        return method


class ImpatientContainers(_Wrapped):
    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        outcome = await self._containers.start_session(request, timeout_ms=timeout_ms)
        if isinstance(outcome, Unknown):
            return Rejected(code=ErrorCode.CONTAINER_ERROR, message=outcome.reason)
        return outcome


class MisdirectedStops(_Wrapped):
    def __init__(self, containers: Containers) -> None:
        super().__init__(containers)
        self._newest = SessionId("")

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        self._newest = request.session_id
        return await self._containers.start_session(request, timeout_ms=timeout_ms)

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        async def stop(target: SessionId) -> StopOutcome:
            return await self._containers.stop_session(
                town_id, target, grace_ms=grace_ms, timeout_ms=timeout_ms
            )

        outcome = await stop(session_id)
        if self._newest != session_id:
            await stop(self._newest)
        return outcome


def _wrapping(wrapper: Callable[[Containers], _Wrapped]) -> Callable[[Containers], Containers]:
    return lambda containers: cast(Containers, wrapper(containers))
