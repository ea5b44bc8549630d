"""The examples, one object at a time, on a clock that stands still; test_lost_update is run by the
plugin's tests, and tests/system/test_examples.py serves them over the network."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObject, Host, Request, Response, WebSocket
from boomtown.actors.runtime.container_class import POLL_MS, TICK_MS
from boomtown.container_sim.command_model import PortAnswer, PortRequest
from boomtown.container_sim.sim_commands import SimCommands, SimProcess
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock, evict, list_ids, run_in_object
from support.inline_backend import inline_backend

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
URL = "http://jobs.example/hook"


class ScriptedClient:
    """An HttpClient that answers 503 as long as `refusals` last."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | None, str]] = []
        self.refusals = 0

    async def send(self, request: Request) -> Response:
        body = await request.text()
        self.sent.append((request.url, request.headers.find("idempotency-key"), body))
        if self.refusals:
            self.refusals -= 1
            return Response("busy", status=503)
        return Response("taken")

    async def aclose(self) -> None:
        """Nothing is open."""


class Workbench:
    """Hosts one example's class."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.client = ScriptedClient()
        self.commands = SimCommands({sys.executable: run_program})
        self.hosts: list[Host] = []

    async def open(self, module: str, class_name: str) -> Host:
        spec = importlib.util.spec_from_file_location(module, EXAMPLES / f"{module}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        kind: type[DurableObject] = getattr(loaded, class_name)
        with_alarms = (class_name,) if hasattr(kind, "alarm") else ()
        host = Host(
            classes={class_name: kind},
            data_dir=self.folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            backend=inline_backend(self.folder, self.clock, *with_alarms),
            bindings={"CLOCK": self.clock},
            http_client=self.client,
            containers=self.commands,
        )
        await host.start()
        self.hosts.append(host)
        return host

    async def get(self, module: str, class_name: str) -> Any:
        """The stub of the object "a"."""
        host = await self.open(module, class_name)
        return host.namespace(class_name).get_by_name("a")


async def run_program(process: SimProcess) -> int:
    """Stands for Python: the file server, or a program that is run beside it."""
    if process.argv[1] == "-c":
        process.stdout = f"ran {process.argv[2]}"
        return 0

    async def answer(request: PortRequest) -> PortAnswer:
        return PortAnswer(status=200, headers=(), body=request.target.encode())

    process.listen(8000, answer)
    return await asyncio.get_running_loop().create_future()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    bench = Workbench(tmp_path)
    async with bench.commands:
        yield bench
        for host in bench.hosts:
            await host.aclose()


async def until(bench: Workbench, told: Callable[[], Any], step_ms: int) -> Any:
    """What `told` answers when it is true, while time goes on in steps."""
    for _ in range(100):
        if answer := told():
            return answer
        await bench.clock.advance_ms(step_ms)
    raise AssertionError("it never happens")


async def enter(room: Any, name: str) -> WebSocket:
    answer = await room.fetch(f"http://chat/?name={name}", headers={"Upgrade": "websocket"})
    assert answer.status == 101
    answer.web_socket.accept()
    return answer.web_socket


async def test_a_counter_counts_across_an_eviction(bench: Workbench) -> None:
    counter = await bench.get("counter", "Counter")
    assert [await counter.increment(), await counter.increment(2)] == [1, 3]
    await evict(counter)
    assert await counter.increment() == 4


async def test_a_room_tells_its_members_also_after_it_has_slept(bench: Workbench) -> None:
    room = await bench.get("chat_room", "ChatRoom")
    ann = await enter(room, "Ann")
    assert await ann.receive() == "Ann has come"
    bob = await enter(room, "Bob")
    assert [await bob.receive() for _ in range(2)] == ["Ann has come", "Bob has come"]
    assert await ann.receive() == "Bob has come"
    await evict(room)
    bob.send("ping")
    assert await bob.receive() == "pong"
    bob.send("hello")
    assert [await ann.receive(), await bob.receive()] == ["Bob: hello"] * 2
    bob.close(1000)
    assert await ann.receive() == "Bob has gone"
    assert await bob.receive() is None
    told = await (await room.fetch("http://chat/")).json_as(list)
    assert told == ["Ann has come", "Bob has come", "Bob: hello", "Bob has gone"]


async def test_a_limiter_gives_a_burst_then_a_token_at_a_time(bench: Workbench) -> None:
    host = await bench.open("rate_limiter", "RateLimiter")
    limiter: Any = host.namespace("RateLimiter").get_by_name("ann")
    assert [await limiter.take() for _ in range(11)] == [0] * 10 + [200]
    await bench.clock.advance_ms(199)
    assert await limiter.take() == 1
    await bench.clock.advance_ms(1)
    assert [await limiter.take(), await limiter.take()] == [0, 200]
    with pytest.raises(ValueError, match="from 1 to 10"):
        await limiter.take(11)


async def test_a_limiter_that_is_full_again_keeps_nothing(bench: Workbench) -> None:
    limiter = await bench.get("rate_limiter", "RateLimiter")
    await limiter.take(5)
    await bench.clock.advance_ms(900)
    await limiter.take(1)
    assert await run_in_object(limiter, kept) == ["full_at_ms"]
    await bench.clock.advance_ms(299)
    assert await run_in_object(limiter, kept) == ["full_at_ms"]
    await bench.clock.advance_ms(1)
    assert await run_in_object(limiter, kept) == []


async def test_a_long_rest_saves_no_more_than_a_burst(bench: Workbench) -> None:
    limiter = await bench.get("rate_limiter", "RateLimiter")
    await run_in_object(limiter, lambda _, ctx: ctx.storage.put("full_at_ms", 1))
    assert [await limiter.take(10), await limiter.take()] == [0, 200]


async def kept(_: Any, ctx: Any) -> list[str]:
    return list(await ctx.storage.list())


async def test_a_job_is_tried_until_it_is_accepted(bench: Workbench) -> None:
    runner = await bench.get("job_runner", "JobRunner")
    bench.client.refusals = 2
    assert await runner.submit("j1", URL, "do") == "waiting"
    assert await runner.submit("j1", URL, "do") == "waiting"
    await bench.clock.advance_ms(10_000)
    assert await runner.status("j1") == "done"
    assert bench.client.sent == [(URL, "j1", "do")] * 3
    assert await runner.submit("j1", URL, "do") == "done"
    await bench.clock.advance_ms(10_000)
    assert len(bench.client.sent) == 3


async def test_a_job_that_is_refused_four_times_is_dead_until_it_is_retried(
    bench: Workbench,
) -> None:
    runner = await bench.get("job_runner", "JobRunner")
    bench.client.refusals = 4
    await runner.submit("j1", URL, "do", delay_ms=1_000)
    await bench.clock.advance_ms(999)
    assert bench.client.sent == []
    await bench.clock.advance_ms(60_000)
    assert await runner.status("j1") == "dead"
    assert len(bench.client.sent) == 4
    (letter,) = await runner.dead_letters()
    assert (letter["job_id"], "answered 503" in letter["error"]) == ("j1", True)
    await runner.retry(letter["letter_id"])
    await bench.clock.advance_ms(1)
    assert await runner.status("j1") == "done"


async def test_a_container_starts_with_the_first_request_and_sleeps_when_unused(
    bench: Workbench,
) -> None:
    server = await bench.get("file_server", "FileServer")
    asked = asyncio.ensure_future(server.fetch("http://files/a"))
    await until(bench, asked.done, POLL_MS)
    assert await (await asked).text() == "/a"
    assert await server.run("x") == "ran x"
    assert await status(server) == {"status": "healthy", "starts": 1}
    for _ in range(5 * 60_000 // TICK_MS + 2):
        await bench.clock.advance_ms(TICK_MS)
    assert await status(server) == {"status": "stopped", "starts": 1, "last_exit_code": 143}


async def status(server: Any) -> Any:
    return await (await server.fetch("http://files/-/status")).json_as(dict)


async def test_each_name_is_an_object_of_its_own(bench: Workbench) -> None:
    host = await bench.open("rate_limiter", "RateLimiter")
    limiters: Any = host.namespace("RateLimiter")
    for name in ("ann", "bob"):
        assert await limiters.get_by_name(name).take(10) == 0
    assert len(list_ids(limiters)) == 2
