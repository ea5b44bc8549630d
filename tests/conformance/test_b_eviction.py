"""When objects leave memory by themselves (cases 27 to 30): idle, forced, or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    Durability,
    DurableObject,
    DurableObjectState,
    Env,
    Host,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock


class Ticker(DurableObject):
    """Counts in memory; `tick_every` works until it is cleared."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        env.LOG.append("made")
        self.count = 0
        self.task: asyncio.Task[None] | None = None

    async def touch(self) -> int:
        self.count += 1
        return self.count

    async def tick_every(self, span_ms: int) -> None:
        self.task = asyncio.create_task(self._tick(span_ms))

    async def _tick(self, span_ms: int) -> None:
        clock = self.env.CLOCK
        while True:
            await clock.sleep_until_ms(clock.now_ms() + span_ms)
            self.env.LOG.append("tick")
            await self.ctx.storage.put("ticks", len(self.env.LOG))

    async def clear(self) -> None:
        assert self.task is not None
        self.task.cancel()

    async def ticks(self) -> int | None:
        ticks: int | None = await self.ctx.storage.get("ticks")
        return ticks

    async def wait(self) -> None:
        await asyncio.Event().wait()


class World:
    def __init__(self, folder: Path, prevented: tuple[str, ...]) -> None:
        self.clock = ManualClock()
        self.log: list[str] = []
        self.host = Host(
            classes={"Ticker": Ticker},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            durability=Durability.PROCESS,  # the clock moves faster than the disk syncs
            bindings={"LOG": self.log, "CLOCK": self.clock},
            prevent_eviction=prevented,
        )

    def stub(self, name: str = "t") -> Any:
        return self.host.namespace("Ticker").get_by_name(name)

    async def pass_ms(self, span_ms: int) -> None:
        for _ in range(span_ms // 1_000):
            await self.clock.advance_ms(1_000)
            for _ in range(5):
                await asyncio.sleep(0)

    def made(self) -> int:
        return self.log.count("made")


NewWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def new_world(tmp_path: Path) -> NewWorld:
    @asynccontextmanager
    async def make(*prevented: str) -> AsyncGenerator[World]:
        world = World(tmp_path, prevented)
        async with world.host:
            yield world

    return make


async def test_case_027_a_class_that_prevents_eviction_stays(new_world: NewWorld) -> None:
    async with new_world("Ticker") as world:
        await world.stub().touch()
        await world.pass_ms(200_000)
        assert await world.stub().touch() == 2
        assert world.made() == 1


async def test_case_028_a_pending_interval_keeps_it_until_it_is_cleared(
    new_world: NewWorld,
) -> None:
    async with new_world() as world:
        await world.stub().tick_every(15_000)
        await world.pass_ms(16_000)
        assert world.host.statistics().live_objects == 1
        await world.stub().clear()
        await world.pass_ms(12_000)
        assert world.host.statistics().live_objects == 0


async def test_case_029_an_interval_without_clients_ends_with_a_forced_eviction(
    new_world: NewWorld,
) -> None:
    async with new_world() as world:
        stub = world.stub()
        await stub.tick_every(15_000)
        await world.pass_ms(70_000)
        assert world.host.statistics().live_objects == 1
        await world.pass_ms(70_000)
        assert world.host.statistics().live_objects == 0
        ticks = world.log.count("tick")
        assert 4 <= ticks <= 8
        # What it wrote is there, and a stub that was connected finds the next instance.
        assert await stub.ticks() == ticks + 1
        await world.pass_ms(9_000)
        assert world.log.count("tick") == ticks


async def test_a_caller_that_waits_keeps_its_object(new_world: NewWorld) -> None:
    async with new_world() as world:
        call = asyncio.ensure_future(world.stub().wait())
        await world.pass_ms(300_000)
        assert world.host.statistics().live_objects == 1
        call.cancel()


async def test_case_030_a_request_in_time_keeps_the_instance(new_world: NewWorld) -> None:
    async with new_world() as world:
        await world.stub().touch()
        for _ in range(3):
            await world.pass_ms(9_000)
            await world.stub().touch()
        assert world.made() == 1
