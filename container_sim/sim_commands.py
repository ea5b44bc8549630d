"""Containers that run any command, simulated: the programs are coroutines of the test.

The twin of command_containers.py under virtual time; one conformance suite runs on both. A program
gets a SimProcess, may listen on ports and waits by the clock it was written with; it returns its
exit code. Signals end it (128 + n) unless it handles them. A command whose first word names no
program ends with 127, as a shell's does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

from boomtown.container_sim.command_model import (
    CommandOrder,
    ExecOrder,
    ExecOutcome,
    NotListening,
    PortAnswer,
    PortRequest,
)

NOT_FOUND = 127
KILLED = 128 + 9

Program = Callable[["SimProcess"], Awaitable[int]]
PortHandler = Callable[[PortRequest], Awaitable[PortAnswer]]


class SimProcess:
    """What a simulated program sees of its world."""

    def __init__(
        self, argv: tuple[str, ...], env: Mapping[str, str], ports: tuple[int, ...], stdin: bytes
    ) -> None:
        self.argv = argv
        self.env = env
        self.stdin = stdin
        self.stdout = ""
        self.stderr = ""
        self.on_signal: Callable[[int], None] | None = None  # None: a signal ends the program
        self._ports = ports
        self._handlers: dict[int, PortHandler] = {}

    def listen(self, port: int, handler: PortHandler) -> None:
        """Serve one of the container's ports."""
        assert port in self._ports, "a container serves the ports that it declares"
        self._handlers[port] = handler

    def get_handler(self, port: int) -> PortHandler:
        """Raises NotListening."""
        handler = self._handlers.get(port)
        if handler is None:
            raise NotListening(f"The container is not listening to port {port}")
        return handler


class SimCommands:
    """Satisfies boomtown.actors.runtime.container_port.ContainersPort, with `programs` by the
    first word of their command. Use it as an async context manager."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self._programs = programs
        self._running: dict[SimCommandContainer, None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        running = list(self._running)
        for container in running:
            container.kill()
        for container in running:
            await container.wait_gone()

    async def start(self, order: CommandOrder) -> SimCommandContainer:
        """A running container."""
        process = SimProcess(order.argv, order.env, order.ports, b"")
        container = SimCommandContainer(process, self._programs, self._running)
        self._running[container] = None
        return container


class SimCommandContainer:
    """One simulated container; satisfies container_port.RunningContainer."""

    def __init__(
        self,
        process: SimProcess,
        programs: Mapping[str, Program],
        running: dict[SimCommandContainer, None],
    ) -> None:
        self._process = process
        self._programs = programs
        self._running = running
        self._killed_code = KILLED
        self._task = asyncio.ensure_future(_run(process, programs))
        self._gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task.add_done_callback(self._end)

    def _end(self, ended: asyncio.Future[int]) -> None:
        self._running.pop(self, None)
        self._gone.set_result(self._killed_code if ended.cancelled() else ended.result())

    async def wait_gone(self) -> int:
        return await asyncio.shield(self._gone)

    def signal(self, number: int) -> None:
        if number != KILLED - 128 and self._process.on_signal is not None:
            self._process.on_signal(number)
        elif not self._task.done():
            self._killed_code = 128 + number
            self._task.cancel()

    def kill(self) -> None:
        self.signal(KILLED - 128)

    async def fetch(self, port: int, request: PortRequest) -> PortAnswer:
        if self._task.done():
            raise NotListening(f"The container is not listening to port {port}")
        return await self._process.get_handler(port)(request)

    async def run(self, order: ExecOrder) -> ExecOutcome:
        env = {**self._process.env, **order.env}
        process = SimProcess(order.argv, env, (), order.stdin)
        code = await _run(process, self._programs)
        return ExecOutcome(exit_code=code, stdout=process.stdout, stderr=process.stderr)


async def _run(process: SimProcess, programs: Mapping[str, Program]) -> int:
    program = programs.get(process.argv[0])
    if program is None:
        process.stderr = f"cannot start {process.argv[0]}"
        return NOT_FOUND
    return await program(process)
