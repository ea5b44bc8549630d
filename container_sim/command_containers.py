"""Containers that run any command: real processes of this server's, one group and ledger each.

Theory of operation. `start` makes a folder for the instance with its ledger and an empty working
folder, and gives birth to the command through the launcher (recorded_birth.py); it returns when
the ledger has it. A watcher waits for the leader's exit, ends its group and whatever carries the
instance's mark (so what an exec left too), removes the folder, and only then is it gone. Ports are
loopback ports that are free at the start; the command learns them from `{port}` in its arguments
and from `PORT` and `PORT_<n>` in its environment.

If this server is killed, the kernel ends the leaders (Linux, parent-death signal), and the keeper
what they had started (command_keeper.py); where the keeper was killed too, the next entry ends what
the ledgers name before anything is served. Nothing is adopted. On exit everything is killed at
once: there is no work to save that the owner could still be told of.

So many containers run at once, and so many are started within a span, as the limits say.

As for agents (decisions 48) this is no security boundary: a command runs as the server's user and
sees its network and its disk.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import INSTANCE_VARIABLE, TEST_RUN_VARIABLE
from boomtown.container_sim.command_keeper import Keeper, end_instances
from boomtown.container_sim.command_model import (
    CommandFailed,
    CommandOrder,
    ExecOrder,
    ExecOutcome,
    NoCapacity,
    NotListening,
    PortAnswer,
    PortRequest,
    TooManyStarts,
    exit_code_of,
)
from boomtown.container_sim.instance import LEDGER_NAME, end_recorded
from boomtown.container_sim.ledger import Ledger
from boomtown.container_sim.output_ring import OutputRing
from boomtown.container_sim.process_groups import signal_group
from boomtown.container_sim.recorded_birth import spawn_recorded
from boomtown.entropy import Entropy
from boomtown.errors import BoomtownError
from boomtown.ids import InstanceId, new_id
from boomtown.limits import ContainerLimits

FOLDER_NAME = "object_containers"  # in the data directory
WORK_NAME = "work"
_OWN_PREFIXES = ("BOOMTOWN_", "GASTOWN_")
# The system's way to say that there is no room for one more process.
_NO_ROOM = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class CommandContainers:
    """Satisfies boomtown.actors.runtime.container_port.ContainersPort. Use it as an async context
    manager."""

    def __init__(
        self, data_dir: Path, clock: Clock, entropy: Entropy, *, limits: ContainerLimits
    ) -> None:
        self._folder = data_dir / FOLDER_NAME
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._tasks = asyncio.TaskGroup()
        self._keeper = Keeper(self._folder, kill_wait_ms=limits.kill_wait_ms_max)
        self._alive: dict[InstanceId, None] = {}  # from before their birth until they are gone
        self._started_at_ms: deque[int] = deque()  # of the starts within the span, monotonic
        self._running: dict[CommandContainer, None] = {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        left = self._folder.iterdir() if self._folder.is_dir() else ()
        await end_instances(  # what is left even so is tried again by the next life
            self._folder,
            sorted(InstanceId(path.name) for path in left if path.is_dir()),
            kill_wait_ms=self._limits.kill_wait_ms_max,
            clock=self._clock,
        )
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), auto_decompress=False
        )
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for container in list(self._running):
            container.kill()
        await self._tasks.__aexit__(None, None, None)
        await self._keeper.aclose()
        if self._http is not None:
            await self._http.close()

    async def start(self, order: CommandOrder) -> CommandContainer:
        """A running container. Raises CommandFailed; nothing runs then. A program that cannot be
        executed is one that ends with exit code 127."""
        self._check_room()
        instance_id = InstanceId(
            new_id(self._clock.now_ms(), self._entropy, label="containers.instance")
        )
        self._alive[instance_id] = None
        try:
            container = await self._bear(instance_id, order)
        except (OSError, ValueError, BoomtownError) as error:
            self._note_gone(instance_id)
            has_room = not (isinstance(error, OSError) and error.errno in _NO_ROOM)
            kind = CommandFailed if has_room else NoCapacity
            raise kind(f"the container failed to start: {error}") from error
        except BaseException:
            self._note_gone(instance_id)
            raise
        self._running[container] = None
        self._tasks.create_task(self._watch(container), name=f"container-{instance_id}")
        return container

    def _check_room(self) -> None:
        now_ms, started = self._clock.monotonic_ms(), self._started_at_ms
        while started and now_ms - started[0] >= self._limits.command_starts_span_ms:
            started.popleft()
        if len(self._alive) >= self._limits.commands_max:
            raise NoCapacity(f"{len(self._alive)} containers run, and there may be no more")
        if len(started) >= self._limits.command_starts_max:
            raise TooManyStarts(
                f"{len(started)} containers were started within "
                f"{self._limits.command_starts_span_ms} ms"
            )
        started.append(now_ms)

    async def _bear(self, instance_id: InstanceId, order: CommandOrder) -> CommandContainer:
        assert self._http is not None, "enter the containers first"
        ports = _free_ports(order.ports)
        environment = _environment(order.env, instance_id, ports)
        folder = self._folder / instance_id
        work = folder / WORK_NAME
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        work.mkdir(mode=0o700, parents=True)
        ledger = Ledger(folder / LEDGER_NAME)
        output = OutputRing(self._clock, bytes_max=self._limits.agent_output_bytes_max)
        process: Process | None = None
        try:
            others = [other for other in self._alive if other != instance_id]
            await self._keeper.keep(instance_id, others)
            process = await spawn_recorded(
                [_filled(word, ports) for word in order.argv],
                folder=work,
                environment=environment,
                stdin=DEVNULL,
                stdout=output.write_descriptor,
                stderr=STDOUT,
                ledger=ledger,
                session_id=None,
            )
        finally:
            output.close_write_end()
            if process is None:
                output.close()
                ledger.close()
                shutil.rmtree(folder, ignore_errors=True)
        assert process is not None, "spawned, or an error was raised"
        return CommandContainer(
            process,
            instance_id,
            folder=folder,
            ledger=ledger,
            output=output,
            ports=ports,
            environment=environment,
            clock=self._clock,
            limits=self._limits,
            http=self._http,
        )

    def _note_gone(self, instance_id: InstanceId) -> None:
        del self._alive[instance_id]
        self._keeper.let_go(instance_id)

    async def _watch(self, container: CommandContainer) -> None:
        try:
            await container.bring_to_end()
            self._note_gone(container.instance_id)
        finally:
            del self._running[container]

    @property
    def keeper_pid(self) -> int | None:
        """Of the keeper; None before the first start."""
        return self._keeper.pid

    def pids(self) -> list[int]:
        """The leaders of the containers that run."""
        return [container.pid for container in self._running]


class CommandContainer:
    """One running command; satisfies container_port.RunningContainer."""

    def __init__(
        self,
        process: Process,
        instance_id: InstanceId,
        *,
        folder: Path,
        ledger: Ledger,
        output: OutputRing,
        ports: Mapping[int, int],
        environment: dict[str, str],
        clock: Clock,
        limits: ContainerLimits,
        http: aiohttp.ClientSession,
    ) -> None:
        self.output = output
        self.instance_id = instance_id
        self._process = process
        self._folder = folder
        self._ledger = ledger
        self._ports = ports
        self._environment = environment
        self._clock = clock
        self._limits = limits
        self._http = http
        self._gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_gone(self) -> int:
        """The exit code, once no process of the container lives; 128 + n for signal n."""
        return await asyncio.shield(self._gone)

    async def bring_to_end(self) -> None:
        """Wait for the leader's exit, then end and remove everything of it; for the watcher."""
        code = await self._process.wait()
        while not await end_recorded(
            self._folder / LEDGER_NAME,
            self.instance_id,
            kill_wait_ms=self._limits.kill_wait_ms_max,
            clock=self._clock,
        ):
            continue  # stuck in the kernel: never reported gone while it lives
        self.output.close()
        self._ledger.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._gone.set_result(exit_code_of(code))

    def signal(self, number: int) -> None:
        """Send a signal to the leader; nothing happens when it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the container; `wait_gone` says when it is."""
        if self._process.returncode is None:
            signal_group(self._process.pid, signal.SIGKILL)

    async def fetch(self, port: int, request: PortRequest) -> PortAnswer:
        """Ask a port. Raises NotListening; ConnectionError where the connection breaks."""
        number = self._ports.get(port)
        if number is None or self._process.returncode is not None:
            raise NotListening(f"The container is not listening to port {port}")
        try:
            async with self._http.request(
                request.method,
                f"http://127.0.0.1:{number}{request.target}",
                headers=list(request.headers),
                data=request.body or None,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(self._limits.port_answer_bytes_max + 1)
                while not answer.content.at_eof() and len(body) <= (
                    self._limits.port_answer_bytes_max
                ):
                    body += await answer.content.read(self._limits.port_answer_bytes_max)
                if len(body) > self._limits.port_answer_bytes_max:
                    raise ConnectionError("The container's answer is larger than its bound")
                return PortAnswer(
                    status=answer.status,
                    headers=tuple((name, value) for name, value in answer.headers.items()),
                    body=body,
                )
        except aiohttp.ClientConnectorError as error:
            raise NotListening(f"The container is not listening to port {port}") from error
        except aiohttp.ClientError as error:
            raise ConnectionError(f"The connection to port {port} was lost: {error}") from error

    async def run(self, order: ExecOrder) -> ExecOutcome:
        """Run a program beside the leader, to its end. Raises CommandFailed where it cannot be
        started. What it leaves running lives as long as the container."""
        bytes_max = self._limits.agent_output_bytes_max
        stdout = OutputRing(self._clock, bytes_max=bytes_max)
        stderr = OutputRing(self._clock, bytes_max=bytes_max)
        try:
            process = await spawn_recorded(
                order.argv,
                folder=Path(order.folder) if order.folder else self._folder / WORK_NAME,
                environment=self._environment | order.env,
                stdin=PIPE,
                stdout=stdout.write_descriptor,
                stderr=stderr.write_descriptor,
                ledger=self._ledger,
                session_id=None,
            )
            stdout.close_write_end()
            stderr.close_write_end()
            try:
                code = await _feed_and_wait(process, order.stdin)
            except BaseException:
                signal_group(process.pid, signal.SIGKILL)
                raise
        except (OSError, ValueError, BoomtownError) as error:
            raise CommandFailed(f"the program failed to start: {error}") from error
        finally:
            stdout.close()
            stderr.close()
        return ExecOutcome(exit_code=exit_code_of(code), stdout=stdout.text(), stderr=stderr.text())


async def _feed_and_wait(process: Process, data: bytes) -> int:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
    except ConnectionError:
        process.stdin.close()  # it reads nothing, or has ended
    return await process.wait()


def _free_ports(ports: tuple[int, ...]) -> dict[int, int]:
    """A free loopback port for each. Another program may take one before the command does, as
    for any program that is told its port."""
    held: list[socket.socket] = []
    try:
        for _ in ports:
            listener = socket.socket()
            held.append(listener)
            listener.bind(("127.0.0.1", 0))
        return {port: held[at].getsockname()[1] for at, port in enumerate(ports)}
    finally:
        for listener in held:
            listener.close()


def _environment(
    own: Mapping[str, str], instance_id: InstanceId, ports: Mapping[int, int]
) -> dict[str, str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN_PREFIXES)
    }
    if TEST_RUN_VARIABLE in os.environ:
        environment[TEST_RUN_VARIABLE] = os.environ[TEST_RUN_VARIABLE]
    for port, number in ports.items():
        environment[f"PORT_{port}"] = str(number)
    if ports:
        environment["PORT"] = str(next(iter(ports.values())))
    return environment | dict(own) | {INSTANCE_VARIABLE: instance_id}


def _filled(word: str, ports: Mapping[int, int]) -> str:
    for port, number in ports.items():
        word = word.replace("{port}", str(number)).replace(f"{{port_{port}}}", str(number))
    return word
