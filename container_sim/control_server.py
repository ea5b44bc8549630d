"""A container: the program that gives sessions their bodies, behind a Unix socket.

`python -m boomtown.container_sim.control_server`, its order on standard input. It writes its own
line into the ledger before anything else, binds the socket, says `ready` on standard output, and
serves until one of three ends:

- SIGTERM: a drain. New starts are answered 503, agents get SIGTERM and their grace, uncommitted
  work is committed and pushed, completions are told; then exit 0.
- its standard input ends: the town's server is gone. Agents are killed at once; exit 1.
- SIGKILL: agents get the parent-death signal, and the manager ends the rest by the ledger.

Requests (all need the instance's secret): GET /health; POST /agents/start; GET
/agents/{agent}/status; GET /sessions/{session}/status and /output; POST /sessions/{session}/stop;
POST /git/prove-merge. Errors are `{"code", "error"}`; a conflict names its holder. Everything is
in memory and ends with the process.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from boomtown.clock import SystemClock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.control_messages import (
    ConflictAnswer,
    ErrorAnswer,
    ProveMerge,
    StopOrder,
)
from boomtown.container_sim.git import Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.container_sim.ledger import Ledger, LedgerEntry
from boomtown.container_sim.model import (
    InstanceReport,
    SessionReport,
    Started,
    StartSession,
)
from boomtown.container_sim.process_groups import (
    end_process,
    find_members,
    find_start_mark,
    instance_mark,
    signal_group,
)
from boomtown.container_sim.town_link import TownLink
from boomtown.container_sim.workplace import Workplace
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, error_for
from boomtown.ids import AgentId, InstanceId, SessionId
from boomtown.wire import decode_json_as, encode_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES_MAX = 4 * 1024 * 1024  # a bead's body of 1 MiB, its prompt, and room
TELL_MS_MAX = 2_000  # of a drain, for the completions

log = logging.getLogger(__name__)


class ControlServer:
    """The routes; one per process."""

    def __init__(
        self, order: BootOrder, bodies: Bodies, workplace: Workplace, git: Git, clock: SystemClock
    ) -> None:
        self._order = order
        self._bodies = bodies
        self._workplace = workplace
        self._git = git
        self._started_at_ms = clock.now_ms()
        self.is_draining = False

    def make_app(self) -> web.Application:
        app = web.Application(
            client_max_size=BODY_BYTES_MAX, middlewares=[self._authenticate, self._answer_errors]
        )
        app.add_routes(
            [
                web.get("/health", self._get_health),
                web.post("/agents/start", self._post_start),
                web.get("/agents/{agent}/status", self._get_agent_status),
                web.get("/sessions/{session}/status", self._get_session_status),
                web.get("/sessions/{session}/output", self._get_session_output),
                web.post("/sessions/{session}/stop", self._post_stop),
                web.post("/git/prove-merge", self._post_prove_merge),
            ]
        )
        return app

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, f"Bearer {self._order.secret}".encode()):
            return _error(401, ErrorCode.UNAUTHENTICATED, "Wrong secret")
        return await handler(request)

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except msgspec.ValidationError as error:
            return _error(400, ErrorCode.INVALID_BODY, str(error))
        except msgspec.DecodeError as error:
            return _error(400, ErrorCode.INVALID_JSON, str(error))
        except BoomtownError as error:
            return _error(error.http_status, error.code, error.message)
        except web.HTTPException as error:
            is_large = error.status == 413
            code = ErrorCode.PAYLOAD_TOO_LARGE if is_large else ErrorCode.ROUTE_NOT_FOUND
            return _error(error.status, code, error.reason)

    async def _get_health(self, request: web.Request) -> web.Response:
        report = InstanceReport(
            instance_id=self._order.instance_id,
            town_id=self._order.town_id,
            pid=os.getpid(),
            started_at_ms=self._started_at_ms,
            sessions=tuple(self._bodies.reports()),
        )
        return _answer(200, report)

    async def _post_start(self, request: web.Request) -> web.Response:
        order = decode_json_as(await request.read(), StartSession)
        known = self._bodies.find(order.session_id)
        if known is not None:
            return _answer(200, known)
        if self.is_draining:
            raise error_for(ErrorCode.TOWN_DRAINING)
        self._workplace.check(order)
        outcome = self._bodies.start(order)
        if isinstance(outcome, Started):
            return _answer(201 if outcome.is_new else 200, outcome.report)
        return _answer(409, ConflictAnswer(holder_session_id=outcome.holder_session_id))

    async def _get_agent_status(self, request: web.Request) -> web.Response:
        agent_id = AgentId(request.match_info["agent"])
        return _report_answer(self._bodies.find_latest_of_agent(agent_id))

    async def _get_session_status(self, request: web.Request) -> web.Response:
        return _report_answer(self._bodies.find(_session_of(request)))

    async def _get_session_output(self, request: web.Request) -> web.Response:
        text = self._bodies.find_output(_session_of(request))
        if text is None:
            raise error_for(ErrorCode.SESSION_NOT_FOUND)
        return web.Response(text=text)

    async def _post_stop(self, request: web.Request) -> web.Response:
        stop = decode_json_as(await request.read(), StopOrder)
        session_id = _session_of(request)
        return _report_answer(
            await self._bodies.stop(session_id, stop.reason, grace_ms=stop.grace_ms)
        )

    async def _post_prove_merge(self, request: web.Request) -> web.Response:
        wanted = decode_json_as(await request.read(), ProveMerge)
        allow_local = self._order.settings.allow_local_git
        validate_git_url(wanted.repository.git_url, allow_local=allow_local)
        proof = await self._git.prove_merge(
            wanted.repository,
            branch=validate_branch(wanted.branch),
            target_branch=validate_branch(wanted.target_branch),
        )
        return _answer(200, proof)


def _session_of(request: web.Request) -> SessionId:
    return SessionId(request.match_info["session"])


def _answer(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=encode_json(value), content_type="application/json")


def _error(status: int, code: ErrorCode, text: str) -> web.Response:
    return _answer(status, ErrorAnswer(code=code, error=text))


def _report_answer(report: SessionReport | None) -> web.Response:
    if report is None:
        raise error_for(ErrorCode.SESSION_NOT_FOUND)
    return _answer(200, report)


def read_order(descriptor: int) -> BootOrder:
    """The first line of the inherited pipe, which stays open for as long as the town's server
    lives."""
    line = b""
    while not line.endswith(b"\n"):
        byte_run = os.read(descriptor, 65_536)
        if not byte_run:
            raise EOFError("the order ended too early")
        line += byte_run
    return decode_json_as(line, BootOrder)


async def serve(order: BootOrder) -> int:
    """Be the container until its end; the exit code."""
    ledger = Ledger(Path(order.ledger_path))
    mark = find_start_mark(os.getpid())
    assert mark is not None, "this process lives"
    group = os.getpgid(0)
    own = LedgerEntry(pid=os.getpid(), start_mark=mark, process_group=group, session_id=None)
    ledger.append(own)
    ending = Ending()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ending.drain_wanted.set)
    clock = SystemClock()
    settings = order.settings
    git = Git(
        Path(settings.data_dir),
        clock,
        environment=git_environment(
            os.environ, author_name=settings.author_name, author_email=settings.author_email
        ),
        command_ms_max=settings.limits.git_command_ms_max,
    )
    workplace = Workplace(order, git, ledger, clock, os.environ)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        link = TownLink(order, http, clock, SeededEntropy())
        kill_wait_ms = settings.limits.kill_wait_ms_max
        bodies = Bodies(order.instance_id, workplace, link, clock, tasks, kill_wait_ms=kill_wait_ms)
        ending.watch_pipe(sys.stdin.fileno(), bodies, order.instance_id)
        server = ControlServer(order, bodies, workplace, git, clock)
        runner = web.AppRunner(server.make_app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        os.umask(0o077)
        await web.UnixSite(runner, order.socket_path).start()
        os.umask(0o022)
        print("ready", flush=True)
        await ending.wait()
        server.is_draining = True
        await _drain(bodies, settings.limits.drain_ms_max - TELL_MS_MAX)
        await runner.cleanup()
        bodies.abandon()
    ledger.close()
    return 0


async def _drain(bodies: Bodies, drain_ms: int) -> None:
    try:
        async with asyncio.timeout(drain_ms / 1000):
            await bodies.drain(grace_ms=drain_ms // 2)
    except TimeoutError:
        log.warning("drain_unfinished live=%s", len(bodies.live_reports()))


class Ending:
    """Which of the two ends came: a drain, or the end of the town's server."""

    def __init__(self) -> None:
        self.drain_wanted = asyncio.Event()

    async def wait(self) -> None:
        await self.drain_wanted.wait()

    def watch_pipe(self, descriptor: int, bodies: Bodies, instance_id: InstanceId) -> None:
        """Die with the server at the other end of the pipe, also in the middle of a drain."""

        def look() -> None:
            if not os.read(descriptor, 4_096):
                _die_with_agents(bodies, instance_id)

        asyncio.get_running_loop().add_reader(descriptor, look)


def _die_with_agents(bodies: Bodies, instance_id: InstanceId) -> None:
    """In one go and without waiting: nobody is left to be told anything, and what is missed here
    is in the ledger for the next server."""
    groups = frozenset(r.pid for r in bodies.live_reports() if r.pid is not None)
    for group in sorted(groups):
        signal_group(group, signal.SIGKILL)
    for pid in find_members(groups, instance_mark(instance_id)):
        end_process(pid)
    os._exit(1)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    return asyncio.run(serve(read_order(sys.stdin.fileno())))


if __name__ == "__main__":
    sys.exit(main())
