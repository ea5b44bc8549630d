"""A container: the program that gives sessions their bodies, behind a Unix socket.

`python -m boomtown.container_sim.control_server`, its order on standard input. It writes its own
line into the ledger before anything else, binds the socket, says `ready` on standard output, and
serves until one of four ends:

- SIGTERM: an eviction. New starts are answered 503, the town is told, agents may finish within
  `eviction_wait_ms`; then a drain.
- SIGUSR1: a drain at once (drain.py), also in the middle of an eviction. Agents get SIGTERM and
  their grace, uncommitted work is committed and pushed, completions are told; then exit 0.
- its standard input ends: the town's server is gone. Agents are killed at once; exit 1.
- SIGKILL: agents get the parent-death signal, and the manager ends the rest by the ledger.

Requests need the instance's secret and are answered by the desk (control_desk.py). Everything is
in memory and ends with the process.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import signal
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from boomtown.clock import SystemClock
from boomtown.container_sim.agent_births import ProcessBirths
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.called_faults import CalledFaults
from boomtown.container_sim.control_client import Answer
from boomtown.container_sim.control_desk import ControlDesk, error_answer
from boomtown.container_sim.drain import DrainWish
from boomtown.container_sim.faults import FAULTS_FOLDER, SharedFaults
from boomtown.container_sim.faulty_calls import FaultyCalls
from boomtown.container_sim.git import Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.harnesses import find_program
from boomtown.container_sim.ledger import Ledger, LedgerEntry
from boomtown.container_sim.process_groups import (
    end_process,
    find_members,
    find_start_mark,
    instance_mark,
    signal_group,
)
from boomtown.container_sim.town_link import HttpCalls, TownLink
from boomtown.container_sim.workplace import Workplace
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.ids import InstanceId
from boomtown.wire import decode_json_as

BODY_BYTES_MAX = 4 * 1024 * 1024  # a bead's body of 1 MiB, its prompt, and room

log = logging.getLogger(__name__)


class ControlServer:
    """The desk behind HTTP; one per process. Every request must show the instance's secret."""

    def __init__(self, order: BootOrder, desk: ControlDesk) -> None:
        self._secret = f"Bearer {order.secret}".encode()
        self._desk = desk

    def make_app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, self._secret):
            return _response(error_answer(401, ErrorCode.UNAUTHENTICATED, "Wrong secret"))
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            return _response(error_answer(413, ErrorCode.PAYLOAD_TOO_LARGE, error.reason))
        return _response(await self._desk.answer(request.method, request.path, body))


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")


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
    wish = DrainWish()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, wish.evict)
    loop.add_signal_handler(signal.SIGUSR1, wish.hurry)
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
    faults_folder = Path(settings.data_dir) / FAULTS_FOLDER
    planned = SharedFaults(faults_folder, settings.faults)
    faults = CalledFaults(planned, faults_folder, order.town_id)

    async def reach(point: str) -> None:
        if faults.take(point) is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    births = ProcessBirths(order, git, ledger, clock, os.environ)
    workplace = Workplace(order, git, births, find_program, faults, reach)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        calls = FaultyCalls(HttpCalls(order.api_url, http), faults, clock)
        link = TownLink(order, calls, clock, SeededEntropy(), faults)
        kill_wait_ms = settings.limits.kill_wait_ms_max
        bodies = Bodies(order.instance_id, workplace, link, clock, tasks, kill_wait_ms=kill_wait_ms)
        watch_pipe(sys.stdin.fileno(), bodies, order.instance_id)
        desk = ControlDesk(
            order, bodies, link, workplace, git, clock, faults, reach, pid=os.getpid()
        )
        app = ControlServer(order, desk).make_app()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        os.umask(0o077)
        await web.UnixSite(runner, order.socket_path).start()
        os.umask(0o022)
        asking = tasks.create_task(desk.ask_registry(), name="ask-registry")
        print("ready", flush=True)
        await desk.drain(wish)
        asking.cancel()
        await runner.cleanup()
        bodies.abandon()
    ledger.close()
    return 0


def watch_pipe(descriptor: int, bodies: Bodies, instance_id: InstanceId) -> None:
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
