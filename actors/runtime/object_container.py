"""`ctx.container`: the container of one object, as its code drives it (durable-actors 7.1).

Theory of operation. Each call leaves through the output gate, like any outgoing call: a container
that is started on the strength of a write is never started when that write is lost. `start` and
`signal` return at once and their failures show in `monitor` and `running`; what is awaited arrives
through the input gate. State and order are the slot's (container_slots.py), which outlives the
object's instances.

Not here, and listed as such: interception of what the container sends, snapshots, labels, images
and instance types (decisions 19). `exec` runs a program to its end and gives its output at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from boomtown.actors.runtime.container_slots import ContainerRun, ContainerSlot
from boomtown.actors.runtime.environment import OutgoingCalls
from boomtown.actors.runtime.exchange import Request, Response
from boomtown.actors.runtime.ports import ObjectGate
from boomtown.clock import Clock
from boomtown.container_sim.command_model import (
    CommandFailed,
    ExecOrder,
    ExecOutcome,
    NoCapacity,
    PortAnswer,
    PortRequest,
    TooManyStarts,
)

SIGNAL_MAX = 64
PORT_MAX = 65_535


class ContainerExit(Exception):
    """The container ended other than well; 128 + n for signal n."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"Container exited with unexpected exit code: {exit_code}")
        self.exit_code = exit_code


class ContainerStartError(RuntimeError):
    """The container could not be started; nothing of it runs."""

    http_status: ClassVar[int] = 500  # what `Container` answers to a request that needed it


class NoCapacityError(ContainerStartError):
    """The host has no room for one more container now."""

    http_status = 503


class TooManyStartsError(ContainerStartError):
    """The host has started too many containers lately."""

    http_status = 429


class ObjectContainer:
    """The container of one live object. Every method is for the object's own turns."""

    def __init__(
        self, slot: ContainerSlot, gate: ObjectGate, outgoing: OutgoingCalls, clock: Clock
    ) -> None:
        self.clock = clock  # of the host: what the Container class waits by
        self._slot = slot
        self._gate = gate
        self._outgoing = outgoing

    @property
    def running(self) -> bool:
        """Whether it was started and has not been seen to end."""
        return self._slot.is_running

    def start(
        self, *, entrypoint: Sequence[str] | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Start the class's command, or `entrypoint` in its place, with `env` added.

        Returns at once; a failure is `monitor`'s. RuntimeError where one is running, TypeError
        for an empty command or names and values that no environment takes.
        """
        self._gate.check_turn("ctx.container.start")
        if self.running:
            raise RuntimeError("start() cannot be called on a container that is already running")
        command = self._slot.command
        argv = _checked_argv(command.argv if entrypoint is None else entrypoint)
        variables = _checked_env({**command.env, **(env or {})})
        run, before = self._slot.new_run(asyncio.get_running_loop())
        self._send(
            self._outgoing.hold_and_run(
                lambda: self._slot.start(run, before, argv=argv, env=variables)
            )
        )

    async def monitor(self) -> None:
        """Return when the container has ended with code 0. ContainerExit for another code, the
        error of `destroy(error)`, once; ContainerStartError where it failed to start, RuntimeError
        before the first start. Many may wait; after the end it tells the same."""
        self._gate.check_turn("ctx.container.monitor")
        run = self._slot.run
        if run is None:
            raise RuntimeError("monitor() cannot be called on a container that was not started")
        outcome: int | CommandFailed = await self._outgoing.hold_and_run(lambda: _outcome_of(run))
        error, run.destroy_error = run.destroy_error, None
        if error is not None:
            raise error
        if isinstance(outcome, CommandFailed):
            raise _start_error(outcome)
        if outcome != 0:
            raise ContainerExit(outcome)

    async def destroy(self, error: Exception | None = None) -> None:
        """Kill it, and return when it is gone; at once where it does not run. `error` is what
        `monitor` then raises; the first counts."""
        self._gate.check_turn("ctx.container.destroy")
        run = self._slot.run
        if run is None or not self.running:
            return
        run.destroy_error = run.destroy_error or error
        await self._outgoing.hold_and_run(lambda: self._slot.destroy(run))

    def signal(self, number: int) -> None:
        """Send a signal to its program. ValueError outside of 1 to 64, RuntimeError where it
        does not run."""
        self._gate.check_turn("ctx.container.signal")
        if not 1 <= number <= SIGNAL_MAX:
            raise ValueError(f"A signal is a number from 1 to {SIGNAL_MAX}")
        run = self._get_run("signal")
        self._send(self._outgoing.hold_and_run(lambda: self._slot.signal(run, number)))

    def get_tcp_port(self, port: int) -> ContainerPort:
        """A port to fetch from, ready or not. TypeError outside of 1 to 65535."""
        self._gate.check_turn("ctx.container.get_tcp_port")
        if not 1 <= port <= PORT_MAX:
            raise TypeError(f"A port is a number from 1 to {PORT_MAX}")
        return ContainerPort(self._slot, self._gate, self._outgoing, port)

    def set_inactivity_timeout(self, span_ms: int) -> None:
        """Keep the container for so long after the object has left memory, for its next instance
        to find; without this it dies with the instance. TypeError for 0 or less."""
        self._gate.check_turn("ctx.container.set_inactivity_timeout")
        if span_ms <= 0:
            raise TypeError("An inactivity timeout is a positive number of milliseconds")
        self._slot.inactivity_ms = span_ms

    async def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        folder: str | None = None,
        stdin: bytes = b"",
    ) -> ExecOutcome:
        """Run a program inside to its end. RuntimeError where the container does not run or the
        program cannot be started; TypeError for an empty command."""
        self._gate.check_turn("ctx.container.exec")
        order = ExecOrder(
            argv=_checked_argv(argv), env=_checked_env(env or {}), folder=folder, stdin=stdin
        )
        run = self._get_run("exec")
        try:
            outcome: ExecOutcome = await self._outgoing.hold_and_run(
                lambda: self._slot.execute(run, order)
            )
        except CommandFailed as error:
            raise RuntimeError(str(error)) from error
        return outcome

    def _get_run(self, what: str) -> ContainerRun:
        run = self._slot.run
        if run is None or not self.running:
            raise RuntimeError(f"{what}() cannot be called on a container that is not running")
        return run

    def _send(self, answer: asyncio.Future[None]) -> None:
        """Nobody waits for the answer: the run's outcome tells what went wrong."""
        answer.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


class ContainerPort:
    """One port of an object's container, as long as that runs or is started again."""

    def __init__(
        self, slot: ContainerSlot, gate: ObjectGate, outgoing: OutgoingCalls, port: int
    ) -> None:
        self._slot = slot
        self._gate = gate
        self._outgoing = outgoing
        self._port = port

    async def fetch(self, request: Request | str) -> Response:
        """Send a request, or a GET of an URL; Host is the URL's. NotListening where nothing
        listens, ConnectionError where the connection breaks, ValueError for https."""
        self._gate.check_turn("ctx.container fetch")
        if isinstance(request, str):
            request = Request("GET", request)
        parts = urlsplit(request.url)
        if parts.scheme == "https":
            raise ValueError("A container's port speaks http: use an http:// URL")
        run = self._slot.run
        if run is None:
            raise RuntimeError("The container was not started")
        body = await request.bytes()
        headers = [pair for pair in request.headers if pair[0].lower() != "host"]
        order = PortRequest(
            method=request.method,
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers=(("Host", parts.netloc or "container"), *headers),
            body=body,
        )
        answer: PortAnswer = await self._outgoing.hold_and_run(
            lambda: self._slot.fetch(run, self._port, order)
        )
        return Response(answer.body, answer.status, answer.headers)


async def _outcome_of(run: ContainerRun) -> int | CommandFailed:
    return await asyncio.shield(run.ended)


def _start_error(failure: CommandFailed) -> ContainerStartError:
    match failure:
        case NoCapacity():
            return NoCapacityError(str(failure))
        case TooManyStarts():
            return TooManyStartsError(str(failure))
        case _:
            return ContainerStartError(str(failure))


def _checked_argv(argv: Sequence[str]) -> tuple[str, ...]:
    if isinstance(argv, str) or not argv or any("\0" in word for word in argv):
        raise TypeError("A command is a list of words, none of them with a NUL")
    return tuple(argv)


def _checked_env(env: Mapping[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise TypeError(f"{name!r} is no variable that an environment takes")
    return dict(env)
