"""Defects planted into a simulated town, to prove that a seed finds each and that it shrinks.

Every one is a part given to the server of a world (town_server.ServerParts): production code has
no switch for any of them. With the part taken out, the same seed and plan must pass.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, assert_never, cast

import msgspec

from boomtown.actors.runtime.alarm_scheduler import Abandon, Deliver
from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.environment import Env, ServiceBinding
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.loop_hook import LoopHook
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.actors.town.commands import CommandRequest
from boomtown.actors.town.commands_of_agents import (
    Heartbeat,
    ReportCompleted,
    ReportDone,
    ReportEviction,
    ReportWaiting,
)
from boomtown.actors.town.fences import AGENT_CALLERS
from boomtown.actors.town.ports import Containers
from boomtown.actors.town.store_sessions import find_live_session
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import Answer
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    Known,
    NoContainer,
    ProbeOutcome,
    SessionReport,
    Started,
    StartOutcome,
    StartSession,
    StopOutcome,
    Stopped,
)
from boomtown.ids import AgentId, InstanceId, SessionId, TownId
from boomtown.sim.town_server import ServerParts
from boomtown.sim.vfs import DiskFlush

# What an agent's program and its control server report: the inbox posts, and signs of life.
WORDS = (ReportDone, ReportCompleted, ReportWaiting, ReportEviction, Heartbeat)

HASTY_ROLLBACK = """
CREATE TRIGGER IF NOT EXISTS hasty_rollback AFTER UPDATE OF state ON sessions
WHEN NEW.state = 'ended' AND NEW.verdict IS NULL
BEGIN UPDATE beads SET status = 'open' WHERE bead_id = NEW.bead_id; END
"""


class PlantedBug(enum.StrEnum):
    """What is wrong with the town."""

    NO_FENCE = "no-fence"  # an agent's word counts for its session of that moment
    START_NOT_IDEMPOTENT = "start-not-idempotent"  # a start that comes twice makes two bodies
    ALREADY_RUNNING_IS_SUCCESS = "already-running-is-success"  # another's body is taken for ours
    ROLLBACK_WITHOUT_CAS = "rollback-without-cas"  # what ends without a result reopens its bead
    SILENCE_IS_DEATH = "silence-is-death"  # a probe or a stop that fails is taken for death
    NO_SYNC = "no-sync"  # commits are answered before the disk has them
    NO_FOLDER_SYNC = "no-folder-sync"  # new files are synced, their names are not
    EARLY_ALARM_DELETION = "early-alarm-deletion"  # the row goes before the handler has committed
    EARLY_EFFECT = "early-effect"  # a call leaves before its row is durable


def parts_with(bug: PlantedBug | None) -> ServerParts:
    """The parts of a server with that defect."""
    match bug:
        case None:
            return ServerParts()
        case PlantedBug.NO_FENCE:
            return ServerParts(town=FencelessTown)
        case PlantedBug.START_NOT_IDEMPOTENT:
            return ServerParts(bodies=ForgetfulBodies)
        case PlantedBug.ALREADY_RUNNING_IS_SUCCESS:
            return ServerParts(wrap_containers=trust_conflicts)
        case PlantedBug.ROLLBACK_WITHOUT_CAS:
            return ServerParts(town=HastyRollbackTown)
        case PlantedBug.SILENCE_IS_DEATH:
            return ServerParts(wrap_containers=trust_silence)
        case PlantedBug.NO_SYNC:
            return ServerParts(flush_of=FlushWithoutFiles)
        case PlantedBug.NO_FOLDER_SYNC:
            return ServerParts(flush_of=FlushWithoutFolders)
        case PlantedBug.EARLY_ALARM_DELETION:
            return ServerParts(backend=ForgetfulBackend)
        case PlantedBug.EARLY_EFFECT:
            return ServerParts(host=HastyHost)
        case _:
            assert_never(bug)


class FlushWithoutFiles(DiskFlush):
    """Says that a file is synced."""

    def sync(self, file: Path) -> None:
        """Nothing."""


class FlushWithoutFolders(DiskFlush):
    """Says that a folder is synced."""

    def sync_dir(self, folder: Path) -> None:
        """Nothing."""


class ForgetfulBackend(SqliteBackend):
    """Removes an alarm's row from the index when the handler begins, not when it has ended."""

    def serve_alarms(self, deliver: Deliver, abandon: Abandon) -> None:
        async def forget_and_deliver(
            key: ObjectKey, name: str | None, scheduled_at_ms: int, retry_count: int
        ) -> AlarmOutcome:
            index = self._indexes[key.class_name]
            index.remove(key.object_id)
            index.rows()  # which takes it away at once
            return await deliver(key, name, scheduled_at_ms, retry_count)

        super().serve_alarms(forget_and_deliver, abandon)


class FencelessTown(Town):
    """Asks who an agent is, and not which of its sessions speaks, as the reference does without
    its fence: what an ended session says late, or twice, hits whatever the agent does now."""

    async def execute(self, request: CommandRequest) -> Answer:
        caller, command = request.caller, request.command
        if caller.kind in AGENT_CALLERS and isinstance(command, WORDS):
            live = find_live_session(self._begin(), command.agent_id)
            if live is not None:
                present = msgspec.structs.replace(caller, session_id=live.session_id)
                request = msgspec.structs.replace(request, caller=present)
        return await super().execute(request)


class HastyRollbackTown(Town):
    """Gives a bead back at the end of a session without a result, in that same statement, and
    looks neither at what the bead is by now nor at whose."""

    def _create_schema(self) -> None:
        super()._create_schema()
        self.ctx.storage.sql.exec(HASTY_ROLLBACK)


class ForgetfulBodies(Bodies):
    """Does not know a session again that it has started."""

    def find_started(self, order: StartSession) -> Started | None:
        self._bodies.pop(order.session_id, None)
        return None


class TrustingContainers:
    """Takes silence for death: a session that the town asks about, or wants stopped, is said to
    be gone, and its body runs on."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._containers, name)
        return method

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        return NoContainer(ended_instance_id=None)

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        return _gone(session_id)


def trust_silence(containers: Containers) -> Containers:
    """The containers, through TrustingContainers."""
    return cast(Containers, TrustingContainers(containers))


class CarelessContainers:
    """Answers a start that another session of the agent stands in the way of with that session's
    body, as one that runs already."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._containers, name)
        return method

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        outcome = await self._containers.start_session(request, timeout_ms=timeout_ms)
        if not isinstance(outcome, Conflict):
            return outcome
        found = await self._containers.probe_session(
            request.town_id, outcome.holder_session_id, timeout_ms=timeout_ms
        )
        if not isinstance(found, Known):
            return outcome
        running = msgspec.structs.replace(found.report, state=BodyState.RUNNING)
        return Started(report=running, is_new=False)


def trust_conflicts(containers: Containers) -> Containers:
    """The containers, through CarelessContainers."""
    return cast(Containers, CarelessContainers(containers))


class HastyCalls:
    """Satisfies environment.OutgoingCalls; lets calls leave an object at once, whether or not what
    it wrote is durable."""

    def __init__(self, find_hook: Callable[[], LoopHook | None]) -> None:
        self._find_hook = find_hook

    def is_in_turn(self) -> bool:
        hook = self._find_hook()
        return hook is not None and hook.turn is not None

    def hold_and_run(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Future[Any]:
        hook = self._find_hook()
        assert hook is not None
        answer: asyncio.Future[Any] = hook.loop.create_future()

        def end(task: asyncio.Task[Any]) -> None:
            if answer.done():
                return
            if task.cancelled():
                answer.cancel()
            elif (error := task.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(task.result())

        with hook.outside_turn():
            task = hook.loop.create_task(call())
            task.add_done_callback(end)
        return answer


class HastyHost(Host):
    """Its objects call its services through HastyCalls."""

    def _make_env(self, bindings: Mapping[str, Any], services: Mapping[str, object]) -> Env:
        calls = HastyCalls(lambda: self._hook)
        hasty = {name: ServiceBinding(service, calls) for name, service in services.items()}
        return super()._make_env({**bindings, **hasty}, {})


def _gone(session_id: SessionId) -> Stopped:
    report = SessionReport(
        session_id=session_id,
        agent_id=AgentId(""),
        instance_id=InstanceId(""),
        state=BodyState.EXITED,
        exit_code=0,
        exit_reason="stopped",
    )
    return Stopped(report=report)
