"""Cases of the gates' specification that need a whole object: constructors, threads, eviction."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    OutsideTurnError,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes
from support.memory_backend import MemoryBackend

TOLD = contextvars.ContextVar("told", default="nothing")


class Slow(DurableObject):
    """Prepares itself before the first event."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        env.LOG.append("made")
        if env.FAILS:
            raise ValueError(env.FAILS.pop())
        ctx.block_concurrency_while(self._prepare)
        self.heard: list[str] = []
        self.released = asyncio.Event()

    async def _prepare(self) -> None:
        await self.env.CLOCK.sleep_until_ms(self.env.CLOCK.now_ms() + 1_000)
        self.env.LOG.append("prepared")

    async def note(self, what: str) -> None:
        self.env.LOG.append(what)

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


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.log: list[str] = []
        self.fails: list[str] = []
        self.host = Host(
            classes={"Slow": Slow},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"LOG": self.log, "FAILS": self.fails, "CLOCK": self.clock},
            backend=MemoryBackend(),
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


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.host:
        yield world


async def test_gate_34_events_of_a_cold_object_make_it_once_and_wait_for_its_section(
    world: World,
) -> None:
    calls = [asyncio.ensure_future(world.slow.note(what)) for what in ("one", "two")]
    await run_passes()
    assert world.log == ["made"]
    await world.clock.advance_ms(1_000)
    await asyncio.gather(*calls)
    assert world.log == ["made", "prepared", "one", "two"]


async def test_gate_34_a_constructor_that_throws_fails_its_event_and_the_next_stub_is_fresh(
    world: World,
) -> None:
    world.fails.append("not today")
    broken = world.slow
    for _ in range(2):
        with pytest.raises(DurableObjectError, match="not today") as raised:
            await broken.note("lost")
        assert raised.value.durable_object_reset
    await world.ready()
    assert world.log == ["made", "made", "prepared", "first"]


async def test_gate_38_what_a_thread_starts_is_no_turn_of_the_object(world: World) -> None:
    stub = await world.ready()
    assert await stub.write_from_a_thread() == ["coroutine refused", "callback refused", "None"]


@pytest.mark.parametrize("keeps", ["wait_for_release", "wait_in_the_background", "wait_for_a_time"])
async def test_gate_39_what_is_pending_is_never_evicted(world: World, keeps: str) -> None:
    stub = await world.ready()
    pending = asyncio.ensure_future(getattr(stub, keeps)())
    await world.clock.advance_ms(30_000)
    assert world.host.statistics().live_objects == 1
    await stub.release()
    await world.clock.advance_ms(120_000)
    await pending
    assert world.host.statistics().live_objects == 0
    assert world.log.count("made") == 1


async def test_gate_28_an_event_that_had_to_wait_has_its_callers_context(world: World) -> None:
    TOLD.set("before")
    queued = asyncio.ensure_future(world.slow.told())
    await run_passes()
    TOLD.set("after")
    await world.clock.advance_ms(1_000)
    assert await queued == "before"
    assert await world.slow.told() == "after"
