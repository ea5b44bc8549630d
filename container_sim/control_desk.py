"""What a control server answers: requests in, status and body out, over no particular transport.

GET /health; POST /agents/start; GET /agents/{agent}/status; GET /sessions/{session}/status and
/output; POST /sessions/{session}/stop; POST /git/prove-merge. Errors are `{"code", "error"}`; a
conflict names its holder. The caller has shown the instance's secret before it comes here.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.control_client import Answer
from boomtown.container_sim.control_messages import (
    ConflictAnswer,
    ErrorAnswer,
    ProveMerge,
    StopOrder,
)
from boomtown.container_sim.deadlines import deadline
from boomtown.container_sim.drain import DrainWish, give_time
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.git_port import GitPort
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.container_sim.model import InstanceReport, SessionReport, Started, StartSession
from boomtown.container_sim.town_link import TownLink
from boomtown.container_sim.workplace import Reach, Workplace
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, error_for
from boomtown.ids import AgentId, SessionId
from boomtown.wire import decode_json_as, encode_json

LEAVE_MS_MAX = 2_000  # of a drain, between the sessions' end and the process's
REGISTRY_MS_MAX = 2_000  # of a boot: a town that does not answer must not hold up its own starts

log = logging.getLogger(__name__)


class ControlDesk:
    """One per control server. Starts wait until `ask_registry` has returned; `is_draining` is set
    when the server is told to end: no start from then."""

    def __init__(
        self,
        order: BootOrder,
        bodies: Bodies,
        link: TownLink,
        workplace: Workplace,
        git: GitPort,
        clock: Clock,
        faults: Faults,
        reach: Reach,
        *,
        pid: int,
    ) -> None:
        self.is_draining = False
        self._order = order
        self._bodies = bodies
        self._link = link
        self._workplace = workplace
        self._git = git
        self._clock = clock
        self._faults = faults
        self._reach = reach
        self._pid = pid
        self._started_at_ms = clock.now_ms()
        self._has_asked = asyncio.Event()

    async def ask_registry(self) -> None:
        """Ask the town once what may be resumed, before anything is started (row 73). An instance
        never boots twice, and what instances before it left is ended before its boot, so it has
        no session to ask for, and adopts none that the town names (decisions 46)."""
        try:
            async with deadline(self._clock, REGISTRY_MS_MAX):
                await self._link.ask_registry(())
        except TimeoutError:
            log.warning("registry_unanswered instance=%s", self._order.instance_id)
        finally:
            self._has_asked.set()

    async def drain(self, wish: DrainWish) -> None:
        """Wait for the wish. Then take no start any more, give agents the time that it leaves,
        end all sessions with their work saved, and have the town told; the latter two within
        `drain_ms_max`, less the time to leave."""
        await wish.wanted.wait()
        self.is_draining = True
        limits = self._order.settings.limits
        await give_time(
            wish, self._bodies, self._link, self._clock, wait_ms=limits.eviction_wait_ms
        )
        drain_ms = limits.drain_ms_max - LEAVE_MS_MAX
        try:
            async with deadline(self._clock, drain_ms):
                await self._bodies.drain(grace_ms=drain_ms // 2)
        except TimeoutError:
            log.warning("drain_unfinished live=%s", len(self._bodies.live_reports()))

    async def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request; what is wrong with it is an answer, too."""
        try:
            return await self._route(method, path, body)
        except msgspec.ValidationError as error:
            return error_answer(400, ErrorCode.INVALID_BODY, str(error))
        except msgspec.DecodeError as error:
            return error_answer(400, ErrorCode.INVALID_JSON, str(error))
        except BoomtownError as error:
            return error_answer(error.http_status, error.code, error.message)

    async def _route(self, method: str, path: str, body: bytes) -> Answer:
        match method, path.strip("/").split("/"):
            case "GET", ["health"]:
                return self._health()
            case "POST", ["agents", "start"]:
                return await self._start(body)
            case "GET", ["agents", agent, "status"]:
                return _report_answer(self._bodies.find_latest_of_agent(AgentId(agent)))
            case "GET", ["sessions", session, "status"]:
                return _report_answer(self._bodies.find(SessionId(session)))
            case "GET", ["sessions", session, "output"]:
                text = self._bodies.find_output(SessionId(session))
                if text is None:
                    raise error_for(ErrorCode.SESSION_NOT_FOUND)
                return Answer(200, text.encode())
            case "POST", ["sessions", session, "stop"]:
                return await self._stop(SessionId(session), body)
            case "POST", ["git", "prove-merge"]:
                return await self._prove_merge(body)
            case _:
                raise error_for(ErrorCode.ROUTE_NOT_FOUND)

    def _health(self) -> Answer:
        report = InstanceReport(
            instance_id=self._order.instance_id,
            town_id=self._order.town_id,
            pid=self._pid,
            started_at_ms=self._started_at_ms,
            sessions=tuple(self._bodies.reports()),
            idle_since_at_ms=self._bodies.find_idle_since_at_ms(),
        )
        return _value_answer(200, report)

    async def _start(self, body: bytes) -> Answer:
        order = decode_json_as(body, StartSession)
        await self._be_slow("start.slow")
        await self._reach("container.crash@start")
        await self._has_asked.wait()
        started = self._bodies.find_started(order)
        if started is not None:
            return _value_answer(200, started.report)
        if self.is_draining:
            raise error_for(ErrorCode.TOWN_DRAINING)
        self._workplace.check(order)
        outcome = self._bodies.start(order)
        if isinstance(outcome, Started):
            return _value_answer(201 if outcome.is_new else 200, outcome.report)
        return _value_answer(409, ConflictAnswer(holder_session_id=outcome.holder_session_id))

    async def _stop(self, session_id: SessionId, body: bytes) -> Answer:
        stop = decode_json_as(body, StopOrder)
        await self._be_slow("stop.slow")
        report = await self._bodies.stop(
            session_id, stop.reason, grace_ms=stop.grace_ms, keeps_work=stop.keeps_work
        )
        return _report_answer(report)

    async def _prove_merge(self, body: bytes) -> Answer:
        wanted = decode_json_as(body, ProveMerge)
        allow_local = self._order.settings.allow_local_git
        validate_git_url(wanted.repository.git_url, allow_local=allow_local)
        proof = await self._git.prove_merge(
            wanted.repository,
            branch=validate_branch(wanted.branch),
            target_branch=validate_branch(wanted.target_branch),
        )
        return _value_answer(200, proof)

    async def _be_slow(self, point: str) -> None:
        fault = self._faults.take(point)
        if fault is not None:
            await self._clock.sleep_until_ms(self._clock.now_ms() + fault.ms)


def error_answer(status: int, code: ErrorCode, text: str) -> Answer:
    """The body of a failure."""
    return _value_answer(status, ErrorAnswer(code=code, error=text))


def _value_answer(status: int, value: object) -> Answer:
    return Answer(status, encode_json(value))


def _report_answer(report: SessionReport | None) -> Answer:
    if report is None:
        raise error_for(ErrorCode.SESSION_NOT_FOUND)
    return _value_answer(200, report)
