"""Gate cases that need whole objects: constructors, what leaves an object, threads, eviction.

As with the other gate cases, the order of events is a matter of passes of the loop, so that a case
means the same on every loop. Nothing is on a disk, and time is the test's.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    DataCloneError,
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    OutsideTurnError,
    Request,
    Response,
    WebSocket,
    WebSocketPair,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes
from support.memory_backend import MemoryBackend

TOLD = contextvars.ContextVar("told", default="nothing")
CROSSING: tuple[Any, ...] = (
    None,
    True,
    2**200,
    1.5,
    "text",
    b"\xff",
    [1, [2]],
    {"a": {(1, "b"): 2}},
    (1,),
    {1},
)
NOT_CROSSING: tuple[Any, ...] = (bytearray(b"x"), 1j, ValueError("x"), object(), lambda: None)


class Slow(DurableObject):
    """Prepares itself before the first event."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        env.LOG.append("made")
        if env.FAILS:
            raise ValueError(env.FAILS.pop())
        ctx.block_concurrency_while(self._prepare)
        self.released = asyncio.Event()

    async def _prepare(self) -> None:
        await self.env.CLOCK.sleep_until_ms(self.env.CLOCK.now_ms() + 1_000)
        self.env.LOG.append("prepared")

    async def fetch(self, request: Request) -> Response:
        client, server = WebSocketPair()
        self.ctx.accept_web_socket(server)
        return Response(status=101, web_socket=client)

    async def web_socket_message(self, ws: WebSocket, message: str | bytes) -> None:
        await self.ctx.storage.put("said", message)
        for what in ("one", "two"):
            ws.send(f"{message!s} {what}")

    async def note(self, what: str) -> None:
        self.env.LOG.append(what)

    async def write_and_tell(self, what: str) -> str:
        """Write, and call another object in the same turn."""
        await self.ctx.storage.put("written", what)
        answer: str = await self.env.ECHO.get_by_name("e").answer(what)
        return answer

    async def pass_on(self, value: Any) -> Any:
        return await self.env.ECHO.get_by_name("e").answer(value)

    async def write_from_a_thread(self) -> list[str]:
        """Have another thread start a coroutine and a callback on this loop."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        outcomes: list[str] = []

        async def write() -> None:
            await self.ctx.storage.put("stray", True)

        def look_now() -> None:
            try:
                self.ctx.get_web_sockets()
            except OutsideTurnError:
                outcomes.append("callback refused")
            ended.set()

        def work() -> None:
            try:
                asyncio.run_coroutine_threadsafe(write(), loop).result()
            except OutsideTurnError:
                outcomes.append("coroutine refused")
            loop.call_soon_threadsafe(look_now)

        thread = threading.Thread(target=work)
        thread.start()
        await ended.wait()
        thread.join()
        outcomes.append(str(await self.ctx.storage.get("stray")))
        return outcomes

    async def wait_for_release(self) -> None:
        await self.released.wait()

    async def wait_in_the_background(self) -> None:
        self.ctx.wait_until(self.released.wait())

    async def wait_for_a_time(self) -> None:
        clock = self.env.CLOCK
        self.ctx.wait_until(clock.sleep_until_ms(clock.now_ms() + 60_000))

    async def told(self) -> str:
        return TOLD.get()

    async def release(self) -> None:
        self.released.set()


class Echo(DurableObject):
    """Answers what it is told."""

    async def answer(self, value: Any) -> Any:
        self.env.LOG.append(f"told {value}")
        return value


class HostWorld:
    """Made inside the running loop, one for each case; its host is started."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.log: list[str] = []
        self.fails: list[str] = []
        self.backend = MemoryBackend()
        self.host = Host(
            classes={"Slow": Slow, "Echo": Echo},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"LOG": self.log, "FAILS": self.fails, "CLOCK": self.clock},
            backend=self.backend,
        )

    @property
    def slow(self) -> Any:
        return self.host.namespace("Slow").get_by_name("s")

    async def ready(self) -> Any:
        """A stub of the object, which is prepared."""
        stub = self.slow
        noted = asyncio.ensure_future(stub.note("first"))
        await self.clock.advance_ms(1_000)
        await noted
        return stub

    async def held(self) -> Any:
        """A stub of the object, whose commits are durable from now on when the case says."""
        stub = await self.ready()
        self.backend.is_held = True
        return stub


HostCase = Callable[[HostWorld], Coroutine[Any, Any, None]]


async def run_host_case(case: HostCase, folder: Path) -> None:
    """One case in a world of its own."""
    world = HostWorld(folder)
    async with world.host:
        await case(world)


async def gate_28_an_event_that_had_to_wait_has_its_callers_context(world: HostWorld) -> None:
    TOLD.set("before")
    queued = asyncio.ensure_future(world.slow.told())
    await run_passes()
    TOLD.set("after")
    await world.clock.advance_ms(1_000)
    assert await queued == "before"
    assert await world.slow.told() == "after"


async def gate_34_events_of_a_cold_object_make_it_once_and_wait_for_its_section(
    world: HostWorld,
) -> None:
    stub = world.slow
    calls = [asyncio.ensure_future(stub.note(what)) for what in ("one", "two")]
    await run_passes()
    assert world.log == ["made"]
    await world.clock.advance_ms(1_000)
    await asyncio.gather(*calls)
    assert world.log[:2] == ["made", "prepared"]
    assert sorted(world.log[2:]) == ["one", "two"]  # which task began first is the loop's choice


async def gate_34_a_constructor_that_throws_fails_its_event_and_the_next_stub_is_fresh(
    world: HostWorld,
) -> None:
    world.fails.append("not today")
    broken = world.slow
    for _ in range(2):
        with pytest.raises(DurableObjectError, match="not today") as raised:
            await broken.note("lost")
        assert raised.value.durable_object_reset
    await world.ready()
    assert world.log == ["made", "made", "prepared", "first"]


async def gate_36_an_outgoing_call_waits_for_the_writes_before_it(world: HostWorld) -> None:
    stub = await world.held()
    call = asyncio.ensure_future(stub.write_and_tell("kept"))
    await run_passes()
    assert "told kept" not in world.log
    world.backend.commits[0].resolve()
    await run_passes()
    assert world.log[-1] == "told kept"
    assert await call == "kept"


async def gate_36_an_outgoing_call_after_a_failed_commit_is_never_made(world: HostWorld) -> None:
    stub = await world.held()
    call = asyncio.ensure_future(stub.write_and_tell("lost"))
    await run_passes()
    world.backend.commits[0].reject(OSError("no disk"))
    with pytest.raises(DurableObjectError, match="no disk"):
        await call
    await run_passes()
    assert "told lost" not in world.log


async def gate_37_sends_wait_for_the_commit_in_their_order(world: HostWorld) -> None:
    stub = await world.held()
    response: Response = await stub.fetch("http://slow/", headers={"Upgrade": "websocket"})
    ws = response.web_socket
    assert ws is not None
    ws.accept()
    ws.send("a")
    ws.send("b")
    first = asyncio.ensure_future(ws.receive())
    await run_passes()
    assert len(world.backend.commits) == 2
    world.backend.commits[1].resolve()  # the later one first: nobody may overtake
    await run_passes()
    assert not first.done()
    world.backend.commits[0].resolve()
    heard = [await first, *[await ws.receive() for _ in range(3)]]
    assert heard == ["a one", "a two", "b one", "b two"]
    ws.close(1000, "done")


async def gate_38_what_a_thread_starts_is_no_turn_of_the_object(world: HostWorld) -> None:
    stub = await world.ready()
    assert await stub.write_from_a_thread() == ["coroutine refused", "callback refused", "None"]


async def never_evicted(world: HostWorld, keeps: str) -> None:
    stub = await world.ready()
    pending = asyncio.ensure_future(getattr(stub, keeps)())
    await world.clock.advance_ms(30_000)
    assert world.host.statistics().live_objects == 1
    await stub.release()
    await world.clock.advance_ms(120_000)
    await pending
    assert world.host.statistics().live_objects == 0
    assert world.log.count("made") == 1


async def gate_39_an_object_that_owes_a_reply_is_not_evicted(world: HostWorld) -> None:
    await never_evicted(world, "wait_for_release")


async def gate_39_an_object_with_a_task_is_not_evicted(world: HostWorld) -> None:
    await never_evicted(world, "wait_in_the_background")


async def gate_39_an_object_with_a_timer_is_not_evicted(world: HostWorld) -> None:
    await never_evicted(world, "wait_for_a_time")


async def gate_40_values_cross_between_objects_and_back(world: HostWorld) -> None:
    stub = await world.ready()
    for value in CROSSING:
        copied = await stub.pass_on(value)
        assert copied == value
        assert type(copied) is type(value)
    for value in NOT_CROSSING:
        with pytest.raises(DataCloneError):
            await stub.pass_on(value)


CASES: tuple[HostCase, ...] = (
    gate_28_an_event_that_had_to_wait_has_its_callers_context,
    gate_34_events_of_a_cold_object_make_it_once_and_wait_for_its_section,
    gate_34_a_constructor_that_throws_fails_its_event_and_the_next_stub_is_fresh,
    gate_36_an_outgoing_call_waits_for_the_writes_before_it,
    gate_36_an_outgoing_call_after_a_failed_commit_is_never_made,
    gate_37_sends_wait_for_the_commit_in_their_order,
    gate_39_an_object_that_owes_a_reply_is_not_evicted,
    gate_39_an_object_with_a_task_is_not_evicted,
    gate_39_an_object_with_a_timer_is_not_evicted,
    gate_40_values_cross_between_objects_and_back,
)
# Threads: not for a loop of virtual time.
REAL_LOOP_CASES: tuple[HostCase, ...] = (gate_38_what_a_thread_starts_is_no_turn_of_the_object,)
