"""Deadlocks between objects are found when their last call is delivered; re-entrance is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import CallCycleError, DurableObject, DurableObjectError, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes
from support.memory_backend import MemoryBackend


class Node(DurableObject):
    """Calls along a path of names: "!" before a name asks within a critical section, "&" by a
    task of its own, "+" by a gather, "~" without waiting for the answer."""

    async def walk(self, *path: str) -> str:
        if not path:
            return "end"
        first, rest = path[0], path[1:]
        name = first.lstrip("!&+~")
        marks = first[: len(first) - len(name)]

        async def ask() -> str:
            call = self._noting_cycles(self.env.NODE.get_by_name(name).walk(*rest))
            if "~" in marks:
                self.ctx.wait_until(call)
                await asyncio.sleep(0)
                return "not waited for"
            if "&" in marks:
                return str(await asyncio.create_task(call))
            if "+" in marks:
                return str((await asyncio.gather(call, asyncio.sleep(0)))[0])
            return str(await call)

        if "!!" in marks:
            return await self.ctx.block_concurrency_while(
                lambda: self.ctx.block_concurrency_while(ask)
            )
        if "!" in marks:
            return await self.ctx.block_concurrency_while(ask)
        return await ask()

    async def _noting_cycles(self, call: Awaitable[str]) -> str:
        try:
            return await call
        except CallCycleError as error:
            self.env.CYCLES.append(error.cycle)
            raise

    async def meet(self, name: str) -> str:
        """In a critical section, wait for the test and then call another."""

        async def section() -> str:
            self.env.HERE.append(self.ctx.id.name)
            await self.env.GO.wait()
            return str(await self.env.NODE.get_by_name(name).walk())

        return await self.ctx.block_concurrency_while(section)


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.cycles: list[tuple[str, ...]] = []
        self.here: list[str] = []
        self.go = asyncio.Event()
        self.host = Host(
            classes={"Node": Node},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"CYCLES": self.cycles, "HERE": self.here, "GO": self.go},
            backend=MemoryBackend(),
        )

    def node(self, name: str) -> Any:
        return self.host.namespace("Node").get_by_name(name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.host:
        yield world


@pytest.mark.parametrize(
    ("start", "path", "cycle"),
    [
        pytest.param("a", ["!a"], "a a", id="itself"),
        pytest.param("a", ["!b", "a"], "a b a", id="two"),
        pytest.param("a", ["!b", "c", "d", "a"], "a b c d a", id="four"),
        pytest.param("x", ["a", "!b", "a"], "a b a", id="begun-elsewhere"),
        pytest.param("a", ["!b", "!c", "a"], "a b c a", id="sections-on-the-way"),
        pytest.param("a", ["!&b", "&a"], "a b a", id="through-tasks"),
        pytest.param("a", ["!+b", "+a"], "a b a", id="through-gathers"),
        pytest.param("a", ["!!b", "a"], "a b a", id="nested-sections"),
    ],
)
async def test_a_call_into_a_section_that_waits_for_it_names_the_cycle(
    world: World, start: str, path: list[str], cycle: str
) -> None:
    with pytest.raises(DurableObjectError, match="would wait for ever") as raised:
        await world.node(start).walk(*path)
    names = tuple(f"Node/{name}" for name in cycle.split())
    assert world.cycles[0] == names
    assert " -> ".join(names) in str(raised.value)
    assert world.clock.now_ms() == ManualClock().now_ms()  # at once


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(["b", "a"], id="re-entrance"),
        pytest.param(["b", "a", "b", "a"], id="twice"),
        pytest.param(["a"], id="itself"),
        pytest.param(["!b", "c"], id="no-cycle"),
        pytest.param(["!~b", "a"], id="nobody-waits"),
        pytest.param(["!b", "~a"], id="nobody-waits-on-the-way"),
        pytest.param(["b", "!a"], id="a-section-of-another"),
    ],
)
async def test_what_is_no_deadlock_goes_on(world: World, path: list[str]) -> None:
    assert await world.node("a").walk(*path) in ("end", "not waited for")
    await run_passes()
    assert world.cycles == []
    assert await world.node("a").walk() == "end"


async def test_two_sections_that_wait_for_each_other_are_found(world: World) -> None:
    calls = [
        asyncio.ensure_future(world.node("a").meet("b")),
        asyncio.ensure_future(world.node("b").meet("a")),
    ]
    await run_passes()
    assert world.here == ["a", "b"]
    world.go.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    # The section that is told ends its object, and with it the answer that the other waits for.
    assert all("Node/a -> Node/b -> Node/a" in str(outcome) for outcome in outcomes), outcomes
    assert world.clock.now_ms() == ManualClock().now_ms()


async def test_a_call_that_only_waits_for_a_section_is_delivered_after_it(world: World) -> None:
    busy = asyncio.ensure_future(world.node("a").meet("c"))
    await run_passes()
    waiting = asyncio.ensure_future(world.node("b").walk("a"))
    await run_passes()
    assert not waiting.done()
    world.go.set()
    assert await asyncio.gather(busy, waiting) == ["end", "end"]
