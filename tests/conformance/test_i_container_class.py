"""The Container class, cases 183 to 187 of durable-actors.md 9, on simulated programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    Command,
    Container,
    ContainerStartError,
    ContainerStop,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    RemoteError,
    Request,
    Response,
    get_container,
    get_random,
    switch_port,
)
from boomtown.actors.runtime.container_class import POLL_MS, PORTS_MS_MAX, span_ms
from boomtown.container_sim.command_model import (
    CommandFailed,
    CommandOrder,
    NoCapacity,
    PortAnswer,
    PortRequest,
    TooManyStarts,
)
from boomtown.container_sim.sim_commands import (
    Program,
    SimCommandContainer,
    SimCommands,
    SimProcess,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock, run_in_object
from support.inline_backend import inline_backend

PORT = 8080
PASSES = 200  # of the loop: more than any call here has waits


class Box(Container):
    """Notes its hooks in LOG."""

    container = Command(("serve",), ports=(PORT, 9090))
    default_port = PORT
    sleep_after = "2m"

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self.fails = 1

    async def on_start(self) -> None:
        self.env.LOG.append("start")

    async def on_stop(self, stop: ContainerStop) -> None:
        self.env.LOG.append((stop.exit_code, stop.reason))
        if self.env.STOP_FAILS:
            self.env.STOP_FAILS.pop()
            raise ValueError("on_stop fails")

    async def on_error(self, error: Exception) -> None:
        self.env.LOG.append(str(error))

    async def on_activity_expired(self) -> None:
        self.env.LOG.append("expired")
        await self.stop()

    async def status(self) -> tuple[str, int | None]:
        state = await self.get_state()
        return state.status.value, state.exit_code


class Portless(Container):
    container = Command(("serve",), ports=(PORT,))


class Quick(Box):
    """Its program ends at once."""

    container = Command(("quick",))


class Bare(Container):
    """It declares no command."""


class Refusing(SimCommands):
    """Refuses the next starts with these failures."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        super().__init__(programs)
        self.refusals: list[CommandFailed] = []

    async def start(self, order: CommandOrder) -> SimCommandContainer:
        if self.refusals:
            raise self.refusals.pop()
        return await super().start(order)


class World:
    """A host whose containers the test ends by `exits`."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.stop_fails: list[int] = []
        self.starts = 0
        self.exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.listens_after = asyncio.Event()
        self.listens_after.set()
        self.commands = Refusing({"serve": self.serve, "quick": self.end_at_once})
        self.host = Host(
            classes={"Box": Box, "Quick": Quick, "Portless": Portless, "Bare": Bare},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            backend=inline_backend(folder, self.clock),
            bindings={"LOG": self.log, "STOP_FAILS": self.stop_fails},
            containers=self.commands,
        )

    async def end_at_once(self, process: SimProcess) -> int:
        return 3

    async def serve(self, process: SimProcess) -> int:
        self.starts += 1
        exit_future = self.exit = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(self.listens_after.wait())
        await asyncio.wait([exit_future, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

        async def answer(request: PortRequest) -> PortAnswer:
            return PortAnswer(status=200, headers=(), body=request.target.encode())

        process.listen(PORT, answer)
        return await exit_future

    @property
    def stub(self) -> Any:
        return get_container(self.host.namespace("Box"))

    async def get(self, path: str = "/x") -> tuple[int, str]:
        return await self.ask(self.stub, Request("GET", f"http://box{path}"))

    async def ask(self, stub: Any, request: Request) -> tuple[int, str]:
        """Fetch, while time passes for a start that polls its ports."""
        asking: asyncio.Future[Response] = asyncio.ensure_future(stub.fetch(request))
        for _ in range(20):
            await self.settle()
            if asking.done():
                break
            await self.clock.advance_ms(POLL_MS)
        answer = await asking
        return answer.status, await answer.text()

    async def settle(self) -> None:
        for _ in range(PASSES):
            await asyncio.sleep(0)

    async def pass_ms(self, span: int) -> None:
        for _ in range(span // 10_000):
            await self.clock.advance_ms(10_000)
            await self.settle()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    asyncio.get_running_loop().set_exception_handler(lambda _, __: None)
    async with world.commands, world.host:
        yield world


async def test_case_183_requests_to_a_cold_container_start_it_once(world: World) -> None:
    answers = await asyncio.gather(world.get("/a"), world.get("/b"))
    assert answers == [(200, "/a"), (200, "/b")]
    assert world.starts == 1
    assert world.log == ["start"]
    assert await world.stub.status() == ("healthy", None)


async def test_case_184_without_a_port_a_request_fails(world: World) -> None:
    portless: Any = get_container(world.host.namespace("Portless"))
    with pytest.raises(ValueError, match="port"):
        await portless.fetch(Request("GET", "http://box/"))
    request = switch_port(Request("GET", "http://box/y"), PORT)
    assert await world.ask(portless, request) == (200, "/y")


@pytest.mark.parametrize(
    ("refusal", "status", "logged"),
    [
        (TooManyStarts("too many lately"), 429, ["too many lately"]),
        (CommandFailed("no such folder"), 500, ["no such folder"]),
    ],
    ids=["rate-limited", "other"],
)
async def test_case_184_a_start_that_fails_is_answered_at_once(
    world: World, refusal: CommandFailed, status: int, logged: list[str]
) -> None:
    world.commands.refusals.append(refusal)
    assert await world.get() == (status, f"Failed to start container: {refusal}")
    assert world.log == logged
    assert world.starts == 0
    # What never ran is not told to have stopped; the next request starts it.
    assert await world.stub.status() == ("stopped", None)
    assert await world.get() == (200, "/x")
    assert world.log == [*logged, "start"]


async def test_case_184_a_start_without_room_is_tried_again(world: World) -> None:
    world.commands.refusals += [NoCapacity("no room")] * 3
    assert await world.get() == (200, "/x")
    assert world.log == ["start"]


async def test_case_184_without_room_for_twenty_seconds_a_request_is_a_503(world: World) -> None:
    world.commands.refusals += [NoCapacity("no room")] * 1_000
    asking = asyncio.ensure_future(world.stub.fetch(Request("GET", "http://box/")))
    for _ in range(PORTS_MS_MAX // POLL_MS):
        await world.settle()
        await world.clock.advance_ms(POLL_MS)
        assert not asking.done()
    await world.settle()
    await world.clock.advance_ms(POLL_MS)
    answer = await asking
    assert (answer.status, await answer.text()) == (503, "Failed to start container: no room")
    assert await world.stub.status() == ("stopped", None)


async def test_a_start_without_ports_raises_what_went_wrong(world: World) -> None:
    world.commands.refusals.append(CommandFailed("no such folder"))
    with pytest.raises(RemoteError) as raised:
        await world.stub.start()
    assert raised.value.type_name == ContainerStartError.__name__
    assert world.log == ["no such folder"]


async def test_a_program_that_ends_at_once_has_started_and_stopped(world: World) -> None:
    quick: Any = get_container(world.host.namespace("Quick"))
    await quick.start()
    assert world.log == ["start"]
    assert await quick.status() == ("stopped_with_code", 3)
    await quick.stop()
    assert world.log == ["start", (3, "exit")]


async def test_a_random_object_is_one_of_so_many(world: World) -> None:
    boxes = world.host.namespace("Box")
    names = [get_random(boxes, 2).name for _ in range(40)]
    assert set(names) == {"instance-0", "instance-1"}
    assert {get_random(boxes).name for _ in range(60)} == {f"instance-{n}" for n in range(3)}


async def test_case_185_an_exit_is_told_by_the_next_tick(world: World) -> None:
    await world.get()
    world.exit.set_result(0)
    await world.settle()
    assert world.log == ["start"]  # not from the exit itself
    assert await world.stub.status() == ("stopped_with_code", 0)
    await world.pass_ms(30_000)
    assert world.log == ["start", (0, "exit")]
    assert await world.stub.status() == ("stopped", None)


async def test_an_on_stop_that_fails_is_called_again(world: World) -> None:
    await world.get()
    world.stop_fails.append(1)
    world.exit.set_result(3)
    await world.settle()
    await world.pass_ms(60_000)
    assert world.log == ["start", (3, "exit"), (3, "exit")]


async def test_case_186_what_an_older_run_says_changes_nothing(world: World) -> None:
    await world.get()
    world.exit.set_result(0)
    await world.settle()
    await world.get()
    await world.settle()
    assert world.log == ["start", (0, "exit"), "start"]
    assert world.starts == 2
    assert await world.stub.status() == ("healthy", None)


async def test_case_187_a_tick_during_a_start_does_not_stop_it(world: World) -> None:
    world.listens_after.clear()
    asking = asyncio.ensure_future(world.stub.fetch(Request("GET", "http://box/")))
    await world.settle()
    await world.pass_ms(10_000)
    await run_in_object(world.stub, lambda box, _: box._tick(None))
    assert world.log == []
    world.listens_after.set()
    await world.settle()
    await world.clock.advance_ms(POLL_MS)
    assert (await asking).status == 200
    assert world.log == ["start"]


async def test_a_container_that_ends_before_it_is_ready_is_a_500(world: World) -> None:
    world.listens_after.clear()
    asking = asyncio.ensure_future(world.stub.fetch(Request("GET", "http://box/")))
    await world.settle()
    world.exit.set_result(1)
    await world.settle()
    await world.clock.advance_ms(POLL_MS)
    answer = await asking
    assert answer.status == 500
    assert "before it was ready" in await answer.text()
    assert "the container ended before it was ready" in world.log


async def test_what_nobody_uses_is_stopped_after_a_while(world: World) -> None:
    await world.get()
    await world.pass_ms(90_000)
    await world.get()  # renews
    await world.pass_ms(110_000)
    assert world.log == ["start"]
    await world.pass_ms(80_000)
    assert world.log == ["start", "expired", (143, "runtime_signal")]
    assert world.host.statistics().live_objects == 1 or world.starts == 1


async def test_a_class_without_a_container_cannot_be_constructed(world: World) -> None:
    bare: Any = get_container(world.host.namespace("Bare"))
    with pytest.raises(DurableObjectError, match="has no container"):
        await bare.start()


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30_000), ("10m", 600_000), ("1h", 3_600_000), (5, 5_000)]
)
def test_spans_are_read(text: str | int, expected: int) -> None:
    assert span_ms(text) == expected


@pytest.mark.parametrize("text", ["", "10", "10 m", "-1s", "1d"])
def test_other_spans_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid time expression"):
        span_ms(text)
