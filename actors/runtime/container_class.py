"""`Container`: a durable object that serves through its container (durable-actors 7.2).

Theory of operation. The state of the container is kept in storage (`stopped`, `running`,
`healthy`, `stopped_with_code`); a task monitors each start, and what an older start's monitor says
never changes a newer one's state. An exit only records its code: `on_stop` runs from the next
tick, from `stop`, or from the next start, and is tried again where it raises. Ticks are a schedule
of the object's own (schedules.py), so `alarm` stays the subclass's; they flush `on_stop`, end what
nobody has used for `sleep_after`, and cease with the container. While the container runs the
object is busy, and stays in memory.

Starts that come while one is under way join it. One for which the host has no room is tried again
for as long as ports are waited for; any other that fails is told at once, and leaves `stopped`:
what never ran has no `on_stop`. A crash of the host ends the container; the next tick finds it
dead and calls `on_stop`.

Not here: outbound interception and labels (decisions 19), WebSockets to a port.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from boomtown.actors.runtime.durable_object import DurableObject, DurableObjectState
from boomtown.actors.runtime.environment import Env
from boomtown.actors.runtime.exchange import Request, Response
from boomtown.actors.runtime.namespace import DurableObjectStub, Namespace
from boomtown.actors.runtime.object_container import (
    ContainerExit,
    ContainerStartError,
    NoCapacityError,
    ObjectContainer,
)
from boomtown.actors.runtime.runtime_errors import describe
from boomtown.actors.runtime.schedule_rules import Every

STATE_KEY = "__CF_CONTAINER_STATE"
PORT_HEADER = "cf-container-target-port"
SINGLETON = "cf-singleton-container"
TICK_NAME = "__CF_CONTAINER_TICK"
TICK_MS = 30_000  # under the forced eviction's 70 s
POLL_MS = 300
PORTS_MS_MAX = 20_000
FALLBACK_PORT = 33

log = logging.getLogger(__name__)


class ContainerStatus(enum.StrEnum):
    """Where a container is in its life; the values are those that are kept in storage."""

    STOPPED = "stopped"
    RUNNING = "running"
    HEALTHY = "healthy"  # its ports answer
    STOPPED_WITH_CODE = "stopped_with_code"  # `on_stop` has not run yet


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """What `get_state` tells: the last that was written down, which an end of the program precedes
    by a moment. `exit_code` is there for `stopped_with_code`, 128 + n for signal n."""

    status: ContainerStatus
    last_change_at_ms: int
    exit_code: int | None = None


class ContainerStop(msgspec.Struct, frozen=True, kw_only=True):
    """What `on_stop` is told: the code that the program ended with, 128 + n for signal n."""

    exit_code: int
    reason: str  # "exit", or "runtime_signal" for 128 and more


class NoContainerError(RuntimeError):
    """The class declares no container, or the host has none to give."""


class Container(DurableObject):
    """Base of classes whose objects are a container with a front. Subclasses set `container` and
    the fields below, and override the hooks."""

    default_port: ClassVar[int | None] = None
    required_ports: ClassVar[tuple[int, ...]] = ()
    sleep_after: ClassVar[str | int] = "10m"  # seconds, or "30s", "10m", "1h"
    env_vars: ClassVar[Mapping[str, str]] = {}
    entrypoint: ClassVar[Sequence[str] | None] = None  # None: the command's own
    ping_endpoint: ClassVar[str] = "ping"

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        """NoContainerError where there is none; ValueError for a bad `sleep_after`."""
        super().__init__(ctx, env)
        if ctx.container is None:
            raise NoContainerError(f"{type(self).__name__} has no container on this host")
        self._box: ObjectContainer = ctx.container
        self._sleep_ms = span_ms(self.sleep_after)
        self._in_flight = 0
        self._starting: asyncio.Task[None] | None = None
        self._runs = 0
        self._failure: RuntimeError | None = None  # why the last run never began, or was lost
        self._expires_at_ms = self._box.clock.now_ms() + self._sleep_ms
        if self._box.running:
            self._watch()

    # Hooks.

    async def on_start(self) -> None:
        """The container runs, and its ports answer where they were waited for. Nothing else is
        delivered to the object until this returns; where it raises, the object is reset. Called
        again by each `start_and_wait_for_ports`, also of one that runs."""

    async def on_stop(self, stop: ContainerStop) -> None:
        """It has ended, whyever. At least once for each end, also after a crash of the host; where
        this raises, again with the next tick or start."""

    async def on_activity_expired(self) -> None:
        """Nobody used it for `sleep_after`, and no request is under way. By default it is stopped;
        where an override lets it run, this is called again after another `sleep_after`."""
        await self.stop()

    async def on_error(self, error: Exception) -> None:
        """It ended before it was ready, or could not be started."""
        log.error("container_failed error=%s", describe(error))

    # What callers use.

    async def start(self) -> None:
        """Start it, unless it runs; returns when `on_start` has. ContainerStartError where it
        cannot be started, after 20 s where the host has no room."""
        await self._flush_stop()
        if not self._box.running:
            await self._begin(self._box.clock.now_ms() + PORTS_MS_MAX)
            await self._started(ContainerStatus.RUNNING)

    async def start_and_wait_for_ports(self, ports: Sequence[int] | None = None) -> None:
        """Start it, unless it runs, and wait until all of `ports` (else `required_ports`, else
        `default_port`) answer. RuntimeError where that takes 20 s or it ends before, and, as
        ContainerStartError, where it cannot be started."""
        if self._starting is None:
            wanted = tuple(ports or self.required_ports or (self.default_port or FALLBACK_PORT,))
            self._starting = asyncio.create_task(self._start_and_wait(wanted))
            self._starting.add_done_callback(self._start_ended)
        await asyncio.shield(self._starting)

    async def container_fetch(self, request: Request, port: int | None = None) -> Response:
        """Hand a request to a port, starting the container where it is not healthy. ValueError
        where there is no port; what goes wrong later is a response: 503 where the host has no
        room for the container, 429 where it has started too many lately, else 500."""
        number = port or self.default_port
        if number is None:
            raise ValueError("container_fetch needs a port, or a class with a default_port")
        if not self._box.running or (await self.get_state()).status != ContainerStatus.HEALTHY:
            try:
                await self.start_and_wait_for_ports((number,))
            except RuntimeError as error:
                status = error.http_status if isinstance(error, ContainerStartError) else 500
                return Response(f"Failed to start container: {error}", status=status)
        self._in_flight += 1
        try:
            return await self._box.get_tcp_port(number).fetch(request)
        except ConnectionError as error:
            return Response(f"Error proxying request to container: {error}", status=500)
        finally:
            self._in_flight -= 1
            self.renew_activity_timeout()

    async def fetch(self, request: Request) -> Response:
        """container_fetch to the port that `switch_port` chose, else `default_port`."""
        chosen = request.headers.find(PORT_HEADER)
        return await self.container_fetch(request, int(chosen) if chosen else None)

    async def stop(self, number: int = 15) -> None:
        """Send a signal, if it runs, and run an `on_stop` that is due. Never kills."""
        if self._box.running:
            self._box.signal(number)
        await self._flush_stop()

    async def destroy(self) -> None:
        """Kill it, and return when it is gone. `on_stop` runs with the next tick or start."""
        await self._box.destroy()

    async def get_state(self) -> ContainerState:
        """What is known of it: kept in storage, so also what an earlier process knew."""
        known = await self.ctx.storage.get(STATE_KEY)
        if known is None:
            return ContainerState(status=ContainerStatus.STOPPED, last_change_at_ms=0)
        return msgspec.convert(known, ContainerState)

    def renew_activity_timeout(self) -> None:
        """Count `sleep_after` from now on, as after each request. In memory only: a new instance
        counts anew."""
        self._expires_at_ms = self._box.clock.now_ms() + self._sleep_ms

    # Inside.

    async def _begin(self, until_ms: int) -> None:
        """Start it, and see that it has: tried again until then while only room is missing."""
        clock = self._box.clock
        while not self._box.running:
            self._box.start(entrypoint=self.entrypoint, env=self.env_vars)
            self.ctx.schedule(TICK_NAME, Every(TICK_MS), method="_tick")
            monitoring = self._watch()
            await self._answers(FALLBACK_PORT)  # or not: after the start has succeeded or failed
            if self._box.running:
                return
            await asyncio.wait([monitoring])
            failure = self._failure
            if failure is None:
                return  # it has run, and ended
            if not isinstance(failure, NoCapacityError) or clock.now_ms() >= until_ms:
                raise failure
            await clock.sleep_until_ms(clock.now_ms() + POLL_MS)

    def _watch(self) -> asyncio.Task[None]:
        self._runs += 1
        self._failure = None
        # A task of the object, so it keeps the object in memory.
        return asyncio.create_task(self._monitor(self._runs))

    async def _monitor(self, run: int) -> None:
        exit_code = 0
        try:
            await self._box.monitor()
        except ContainerExit as ended:
            exit_code = ended.exit_code
        except Exception as error:
            if run == self._runs:
                self._failure = (
                    error if isinstance(error, RuntimeError) else RuntimeError(describe(error))
                )
                self._set_state(ContainerStatus.STOPPED)
                if not isinstance(error, NoCapacityError):
                    await self.on_error(error)
            return
        if run == self._runs:
            self._set_state(ContainerStatus.STOPPED_WITH_CODE, exit_code)

    def _set_state(self, status: ContainerStatus, exit_code: int | None = None) -> None:
        now_ms = self._box.clock.now_ms()
        state = ContainerState(status=status, last_change_at_ms=now_ms, exit_code=exit_code)
        self.ctx.storage.put(STATE_KEY, msgspec.to_builtins(state))

    def _start_ended(self, ended: asyncio.Task[None]) -> None:
        self._starting = None
        if not ended.cancelled():
            ended.exception()  # retrieved: whoever waits has it, and nobody need

    async def _start_and_wait(self, ports: tuple[int, ...]) -> None:
        await self._flush_stop()
        clock = self._box.clock
        until_ms = clock.now_ms() + PORTS_MS_MAX
        await self._begin(until_ms)
        for port in ports:
            while not await self._answers(port):
                if not self._box.running:
                    await self._fail("the container ended before it was ready")
                if clock.now_ms() >= until_ms:
                    await self._fail(f"the container is not listening to port {port}")
                await clock.sleep_until_ms(clock.now_ms() + POLL_MS)
        await self._started(ContainerStatus.HEALTHY)

    async def _answers(self, port: int) -> bool:
        try:
            await self._box.get_tcp_port(port).fetch(f"http://container/{self.ping_endpoint}")
        except ConnectionError:
            return False
        return True

    async def _fail(self, message: str) -> None:
        error = RuntimeError(message)
        await self.on_error(error)
        raise error

    async def _started(self, status: ContainerStatus) -> None:
        async def started() -> None:
            if self._box.running:  # else its end is known already
                self._set_state(status)
            self.renew_activity_timeout()
            await self.on_start()

        await self.ctx.block_concurrency_while(started)

    async def _flush_stop(self) -> None:
        """Run `on_stop` where a container has ended and it has not run."""
        state = await self.get_state()
        if self._box.running or state.status is ContainerStatus.STOPPED:
            return
        code = state.exit_code or 0
        await self.on_stop(
            ContainerStop(exit_code=code, reason="exit" if code < 128 else "runtime_signal")
        )
        if not self._box.running:  # else the hook has started the next
            self._set_state(ContainerStatus.STOPPED)

    async def _tick(self, _: object) -> None:
        if self._starting is not None:
            return
        if not self._box.running:
            await self._flush_stop()
            if not self._box.running:
                self.ctx.cancel_schedule(TICK_NAME)
        elif not self._in_flight and self._box.clock.now_ms() >= self._expires_at_ms:
            await self.on_activity_expired()
            self.renew_activity_timeout()


def span_ms(text: str | int) -> int:
    """`"30s"`, `"10m"`, `"1h"` or a number of seconds, in milliseconds. ValueError otherwise."""
    if isinstance(text, int):
        return text * 1_000
    match = re.fullmatch(r"([0-9]+)([smh])", text)
    if match is None:
        raise ValueError(f"invalid time expression {text!r}")
    return int(match[1]) * {"s": 1_000, "m": 60_000, "h": 3_600_000}[match[2]]


def switch_port(request: Request, port: int) -> Request:
    """The request, to be handed to that port by `Container.fetch`."""
    request.headers.set(PORT_HEADER, str(port))
    return request


def get_random(namespace: Namespace, count: int = 3) -> DurableObjectStub:
    """One of the objects `instance-0` to `instance-<count - 1>`, each as likely as the others: for
    work that any of them can do."""
    # The digits of a new id are the namespace's own source of chance.
    number = int(str(namespace.new_unique_id())[:16], 16) % count
    return namespace.get_by_name(f"instance-{number}")


def get_container(namespace: Namespace, name: str = SINGLETON) -> DurableObjectStub:
    """The object of a name, by default the only one of its class."""
    return namespace.get_by_name(name)
