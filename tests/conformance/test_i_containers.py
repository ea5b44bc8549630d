"""`ctx.container`, cases 171 to 179 of durable-actors.md 9, on real processes and on their twin."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    Command,
    ContainerExit,
    Durability,
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    RemoteError,
    Request,
)
from boomtown.actors.runtime.container_port import ContainersPort
from boomtown.clock import SystemClock
from boomtown.container_sim.command_containers import FOLDER_NAME, CommandContainers
from boomtown.container_sim.command_model import PortAnswer, PortRequest
from boomtown.container_sim.process_groups import find_start_mark
from boomtown.container_sim.sim_commands import Program, SimCommands, SimProcess
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import ContainerLimits
from boomtown.testing import ManualClock

pytestmark = pytest.mark.system

PORT = 8080
# One program in two languages: `hang`, `serve`, `exit N`, and `echo` for exec.
REAL = Path(__file__).with_name("container_program.py")
REAL_ARGV = (sys.executable, "-I", str(REAL))


async def hang(_: SimProcess) -> int:
    await asyncio.Event().wait()
    return 0


async def serve(process: SimProcess) -> int:
    async def answer(request: PortRequest) -> PortAnswer:
        text = f"{request.method} {request.target} {request.body.decode()}"
        return PortAnswer(status=201, headers=(("X-Own", "yes"),), body=text.encode())

    process.listen(PORT, answer)
    return await hang(process)


async def leave(process: SimProcess) -> int:
    return int(process.argv[1])


async def echo(process: SimProcess) -> int:
    process.stdout = process.stdin.decode().upper() + process.env.get("GREETING", "")
    return 3


PROGRAMS: dict[str, Program] = {"hang": hang, "serve": serve, "exit": leave, "echo": echo}


class Box(DurableObject):
    """Drives its container as it is told."""

    container = Command(("hang",), ports=(PORT,), env={"GREETING": "!"})

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self.was_running = ctx.container is not None and ctx.container.running

    @property
    def box(self) -> Any:
        return self.ctx.container

    async def begin(self, *words: str) -> bool:
        self.box.start(entrypoint=[*self.env.PREFIX, *words])
        running: bool = self.box.running
        return running

    async def running(self) -> bool:
        running: bool = self.box.running
        return running

    async def found_running(self) -> bool:
        return self.was_running

    async def exit_code(self) -> int:
        try:
            await self.box.monitor()
        except ContainerExit as ended:
            return ended.exit_code
        return 0

    async def monitor(self) -> None:
        await self.box.monitor()

    async def destroy(self, message: str | None = None) -> bool:
        await self.box.destroy(ValueError(message) if message else None)
        running: bool = self.box.running
        return running

    async def signal(self, number: int) -> None:
        self.box.signal(number)

    async def get(self, port: int, url: str = "http://box/path?q=1") -> tuple[int, str, str]:
        answer = await self.box.get_tcp_port(port).fetch(Request("POST", url, body="data"))
        return answer.status, await answer.text(), answer.headers["x-own"]

    async def keep(self, span_ms: int) -> None:
        self.box.set_inactivity_timeout(span_ms)

    async def run(self, *words: str) -> tuple[int, str]:
        outcome = await self.box.exec([*self.env.PREFIX, *words], stdin=b"text")
        return outcome.exit_code, outcome.stdout

    async def begin_and_abort(self, *words: str) -> None:
        await self.ctx.storage.put("lost", True)
        self.box.start(entrypoint=[*self.env.PREFIX, *words])
        self.ctx.abort("lost")

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        self.env.RANG.append(self.box is not None)
        self.env.HEARD.set()


class World:
    """A host with containers, and the name of its one object."""

    def __init__(self, folder: Path, port: ContainersPort, prefix: tuple[str, ...]) -> None:
        self.clock = ManualClock()
        self.rang: list[bool] = []
        self.heard = asyncio.Event()
        self.port = port
        self.host = Host(
            classes={"Box": Box},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            durability=Durability.PROCESS,  # the clock moves faster than the disk syncs
            bindings={"PREFIX": prefix, "RANG": self.rang, "HEARD": self.heard},
            containers=port,
        )

    @property
    def stub(self) -> Any:
        return self.host.namespace("Box").get_by_name("box")

    @property
    def object_id(self) -> str:
        return str(self.host.namespace("Box").id_from_name("box"))

    async def until(self, running: bool) -> None:
        while await self.stub.running() is not running:
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(int))])


@pytest.fixture(params=["real", "simulated"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        if request.param == "real":
            real = CommandContainers(
                tmp_path, SystemClock(), SeededEntropy(2), limits=ContainerLimits()
            )
            world = World(tmp_path, await stack.enter_async_context(real), REAL_ARGV)
        else:
            twin = await stack.enter_async_context(SimCommands(PROGRAMS))
            world = World(tmp_path, twin, ())
        await stack.enter_async_context(world.host)
        yield world


async def test_case_171_a_start_is_running_at_once_until_its_exit_is_seen(world: World) -> None:
    assert not await world.stub.running()
    assert await world.stub.begin("exit", "0")
    await world.until(running=False)
    assert await world.stub.exit_code() == 0


async def test_case_172_a_start_while_running_is_refused(world: World) -> None:
    await world.stub.begin("hang")
    with pytest.raises(RuntimeError, match="already running"):
        await world.stub.begin("hang")


@pytest.mark.parametrize(
    ("words", "code"), [(("exit", "7"), 7), (("missing",), 127)], ids=["code", "entrypoint"]
)
async def test_case_173_monitor_tells_the_exit_code(
    world: World, words: tuple[str, ...], code: int
) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await world.stub.monitor()
    await world.stub.begin(*words)
    assert await world.stub.exit_code() == code
    assert await world.stub.exit_code() == code  # also after the end


async def test_case_174_destroy_ends_it_with_137(world: World) -> None:
    assert not await world.stub.destroy()
    await world.stub.begin("hang")
    monitoring = asyncio.ensure_future(world.stub.exit_code())
    assert not await world.stub.destroy()
    assert await monitoring == 137


async def test_case_175_the_error_of_a_destroy_is_told_once_and_not_of_the_next_run(
    world: World,
) -> None:
    await world.stub.begin("hang")
    await world.stub.destroy("why")
    with pytest.raises(ValueError, match="why"):
        await world.stub.monitor()
    assert await world.stub.exit_code() == 137
    await world.stub.begin("hang")
    await world.stub.destroy("old")
    await world.stub.begin("exit", "0")
    assert await world.stub.exit_code() == 0


async def test_case_176_a_closed_port_is_named_and_an_open_one_answers(world: World) -> None:
    await world.stub.begin("serve")
    with pytest.raises(RemoteError, match=r"NotListening.*not listening to port 9"):
        await world.stub.get(9)
    answered = None
    while answered is None:
        with contextlib.suppress(DurableObjectError):  # NotListening, as callers see it
            answered = await world.stub.get(PORT)
    assert answered == (201, "POST /path?q=1 data", "yes")
    with pytest.raises(ValueError, match="http"):
        await world.stub.get(PORT, "https://box/")
    for port in (0, 65_536):
        with pytest.raises(TypeError):
            await world.stub.get(port)


async def test_case_177_an_abort_ends_the_container_unless_it_is_to_be_kept(world: World) -> None:
    await world.stub.begin("hang")
    await world.host.abort("Box", world.object_id, "reset")
    assert not await world.stub.found_running()
    await world.stub.begin("hang")  # waits until the one before is gone
    await world.stub.keep(10_000)
    await world.host.abort("Box", world.object_id, "reset")
    assert await world.stub.found_running()
    await world.host.evict("Box", world.object_id)
    await world.clock.advance_ms(9_000)
    assert await world.stub.found_running()
    await world.host.evict("Box", world.object_id)
    await world.clock.advance_ms(10_000)
    assert not await world.stub.found_running()


async def test_case_178_an_inactivity_timeout_is_positive(world: World) -> None:
    with pytest.raises(TypeError):
        await world.stub.keep(0)


async def test_case_179_an_alarm_after_a_reset_has_its_container(world: World) -> None:
    at_ms = world.clock.now_ms() + 1_000
    await world.stub.arm(at_ms)
    await world.host.abort("Box", world.object_id, "reset")
    await world.clock.advance_to_ms(at_ms)
    await world.heard.wait()
    assert world.rang == [True]


async def test_a_signal_reaches_the_program(world: World) -> None:
    with pytest.raises(RuntimeError, match="not running"):
        await world.stub.signal(signal.SIGTERM)
    await world.stub.begin("hang")
    for number in (0, 65):
        with pytest.raises(ValueError, match="signal"):
            await world.stub.signal(number)
    await world.stub.signal(signal.SIGTERM)
    assert await world.stub.exit_code() == 128 + signal.SIGTERM


async def test_exec_runs_a_program_beside_it(world: World) -> None:
    with pytest.raises(RuntimeError, match="not running"):
        await world.stub.run("echo")
    await world.stub.begin("hang")
    assert await world.stub.run("echo") == (3, "TEXT!")


async def test_a_start_of_a_lost_turn_never_happens(world: World) -> None:
    with pytest.raises(DurableObjectError, match="lost"):
        await world.stub.begin_and_abort("hang")
    assert not await world.stub.found_running()
    if isinstance(world.port, CommandContainers):
        assert world.port.pids() == []


async def test_containers_die_with_their_host(tmp_path: Path) -> None:
    clock = SystemClock()
    async with CommandContainers(
        tmp_path, clock, SeededEntropy(2), limits=ContainerLimits()
    ) as real:
        world = World(tmp_path, real, REAL_ARGV)
        async with world.host:
            await world.stub.begin("hang")
            assert await world.stub.run("echo") == (3, "TEXT!")
            (pid,) = real.pids()
        assert find_start_mark(pid) is None
        assert list((tmp_path / FOLDER_NAME).iterdir()) == []
