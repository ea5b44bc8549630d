"""The input gate and critical sections (cases 42 to 55).

Cases about the gate alone hold a bare tree of scopes, where each waiter keeps what it was given
until it lets go; the others run events and sections through the gates of an object.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boomtown.actors import Response
from boomtown.actors.runtime.input_gate import Scope
from boomtown.testing.manual_clock import run_passes
from support.counter_world import CounterWorld
from support.fetch_world import FetchWorld, HeldClient
from support.gate_world import GateWorld, forever


class Door:
    """A bare input gate, and who was let in, in order."""

    def __init__(self) -> None:
        self._schedule = asyncio.get_running_loop().call_soon
        self.root = Scope(self._schedule)
        self.let_in: list[str] = []
        self._held: dict[str, Scope] = {}

    def wait(self, name: str, scope: Scope | None = None) -> None:
        """Come in, now or in turn, and keep a lock."""
        scope = (scope or self.root).current()

        def enter(granted: Scope) -> None:
            granted.lock()
            self._held[name] = granted
            self.let_in.append(name)

        if scope.locks:
            scope.wait(enter)
        else:
            enter(scope)

    def keep_longer(self, name: str) -> None:
        """Count the lock of `name` once more."""
        self._held[name].lock()

    def drop(self, name: str) -> None:
        """Let go of one count."""
        self._held[name].unlock()

    def begin_section(self, parent: Scope) -> Scope:
        """A section that runs: it holds its parent."""
        parent.lock()
        return Scope(self._schedule, parent)

    def end_section(self, section: Scope) -> None:
        """It ends well: its scope closes, and its hold ends."""
        assert section.parent is not None
        parent = section.parent
        section.finish()
        parent.unlock()


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def world() -> GateWorld:
    return GateWorld()


async def note(world: GateWorld, what: str) -> None:
    world.log.append(what)


async def section(world: GateWorld, name: str, until: asyncio.Future[None]) -> str:
    """A section that tells its depth, and ends when the test lets it."""
    world.log.append(f"{name} begins at depth {world.object.depth}")
    await until
    world.log.append(f"{name} ends")
    return name


def gates_to_open(world: GateWorld, count: int) -> list[asyncio.Future[None]]:
    return [world.loop.create_future() for _ in range(count)]


async def test_case_042_the_gate_opens_when_every_lock_is_dropped(door: Door) -> None:
    for name in ("first", "second", "third"):
        door.wait(name)
    assert door.let_in == ["first"]
    door.drop("first")
    await run_passes()
    assert door.let_in == ["first", "second"]
    door.keep_longer("second")
    door.drop("second")
    await run_passes()
    assert door.let_in == ["first", "second"]
    door.drop("second")
    await run_passes()
    assert door.let_in == ["first", "second", "third"]


async def test_case_043_an_event_waits_for_the_section_and_the_turn_of_its_end(
    world: GateWorld,
) -> None:
    (go,) = gates_to_open(world, 1)

    async def handler() -> None:
        assert await world.object.block(lambda: section(world, "section", go)) == "section"
        await note(world, "caller")

    calls = [world.call(handler())]
    await world.settle()
    calls.append(world.call(note(world, "event")))
    await world.settle()
    assert world.log == ["section begins at depth 1"]
    go.set_result(None)
    await asyncio.gather(*calls)
    assert world.log == ["section begins at depth 1", "section ends", "caller", "event"]


async def test_case_044_sections_made_together_run_one_after_the_other(world: GateWorld) -> None:
    first, second = gates_to_open(world, 2)

    async def handler() -> None:
        await asyncio.gather(
            world.object.block(lambda: section(world, "first", first)),
            world.object.block(lambda: section(world, "second", second)),
        )

    call = world.call(handler())
    second.set_result(None)
    await world.settle()
    assert world.log == ["first begins at depth 1"]
    first.set_result(None)
    await call
    assert world.log[1:] == ["first ends", "second begins at depth 1", "second ends"]


async def test_case_045_a_nested_section_holds_back_the_one_around_it(world: GateWorld) -> None:
    inner, around = gates_to_open(world, 2)

    async def rest_of_outer() -> None:
        await around
        world.log.append("the rest of outer")

    async def outer() -> None:
        rest = asyncio.create_task(rest_of_outer())
        await world.object.block(lambda: section(world, "nested", inner))
        await rest

    async def handler() -> None:
        await world.object.block(outer)

    call = world.call(handler())
    await world.settle()
    around.set_result(None)
    await world.settle()
    assert world.log == ["nested begins at depth 2"]
    inner.set_result(None)
    await call
    assert world.log[1:] == ["nested ends", "the rest of outer"]


async def test_case_046_a_nested_section_that_outlives_its_parent_holds_the_root(
    door: Door,
) -> None:
    outer = door.begin_section(door.root)
    nested = door.begin_section(outer)
    door.wait("event")
    door.end_section(outer)
    await run_passes()
    assert door.let_in == []
    door.end_section(nested)
    await run_passes()
    assert door.let_in == ["event"]


async def test_case_046_a_nested_section_that_has_not_begun_moves_to_the_root(
    world: GateWorld,
) -> None:
    (go,) = gates_to_open(world, 1)

    async def outer() -> None:
        world.object.block(lambda: section(world, "nested", go))

    async def handler() -> None:
        await world.object.block(outer)
        world.log.append("caller")

    calls = [world.call(handler()), world.call(note(world, "event"))]
    await world.settle()
    assert world.log == ["caller", "nested begins at depth 2"]
    go.set_result(None)
    await asyncio.gather(*calls)
    assert world.log[2:] == ["nested ends", "event"]


async def test_case_047_a_section_begins_before_events_that_waited_longer(door: Door) -> None:
    door.wait("first")
    door.wait("event")
    door.root.wait_with_section(lambda scope: door.let_in.append("section"))
    door.drop("first")
    await run_passes()
    assert door.let_in == ["first", "section", "event"]


async def test_case_048_an_event_whose_caller_left_is_skipped(world: GateWorld) -> None:
    (go,) = gates_to_open(world, 1)

    async def handler() -> None:
        await world.object.block(lambda: section(world, "section", go))

    calls = [world.call(handler())]
    await world.settle()
    left = world.call(note(world, "left"))
    calls.append(world.call(note(world, "stayed")))
    await world.settle()
    left.cancel()
    go.set_result(None)
    await asyncio.gather(*calls)
    assert world.log[1:] == ["section ends", "stayed"]


async def test_case_049_a_lock_that_outlives_its_section_holds_the_gate(door: Door) -> None:
    outer = door.begin_section(door.root)
    door.wait("inside", outer)
    door.wait("event")
    door.end_section(outer)
    await run_passes()
    assert door.let_in == ["inside"]
    door.drop("inside")
    await run_passes()
    assert door.let_in == ["inside", "event"]


async def test_case_050_a_nested_failure_reaches_every_waiter_at_every_level(
    world: GateWorld,
) -> None:
    (go,) = gates_to_open(world, 1)

    async def nested() -> None:
        await go
        raise ValueError("nested failed")

    async def outer() -> None:
        try:
            await world.object.block(nested)
        except Exception:
            world.log.append("caught in outer")
        world.log.append("outer went on")

    async def handler() -> None:
        await world.object.block(outer)
        world.log.append("handler went on")

    calls = [world.call(handler())]
    await world.settle()
    calls += [world.call(note(world, "queued")) for _ in range(2)]
    await world.settle()
    go.set_result(None)
    reasons = [await world.reset_reason(call) for call in calls]
    assert reasons == ["ValueError: nested failed"] * 3
    assert [str(error) for error in world.object.breaks] == ["ValueError: nested failed"]
    later = world.call(note(world, "later"))
    assert await world.reset_reason(later) == "ValueError: nested failed"
    assert world.log == []


async def test_case_051_a_section_that_is_dropped_unfinished_breaks_the_gate(
    world: GateWorld,
) -> None:
    async def dropped() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await forever()

    async def handler() -> None:
        await world.object.block(dropped)

    assert "before it ended" in await world.reset_reason(world.call(handler()))
    assert len(world.object.breaks) == 1


async def test_case_052_the_depth_counts_the_sections_around(world: GateWorld) -> None:
    async def nest(levels: int) -> None:
        if levels:
            await world.object.block(lambda: nest(levels - 1))
        world.log.append(world.object.depth)

    await world.invoke(nest(3))
    assert world.log == [3, 2, 1, 0]


async def test_case_053_concurrent_increments_lose_none(tmp_path: Path) -> None:
    world = CounterWorld(tmp_path)
    async with world.host:
        stub = world.counters.get_by_name("a")
        totals = await asyncio.gather(*[stub.increment() for _ in range(20)])
    assert totals == list(range(1, 21))


async def test_case_054_other_events_run_while_an_answer_is_awaited(tmp_path: Path) -> None:
    client = HeldClient()
    world = FetchWorld(tmp_path, client)
    async with world.host:
        counts = [
            asyncio.ensure_future(world.caller.count_around_a_fetch("http://far/"))
            for _ in range(2)
        ]
        await run_passes()
        assert len(client.sent) == 2
        for _, answer in client.sent:
            answer.set_result(Response())
        assert await asyncio.gather(*counts) == [1, 1]


async def test_case_055_a_timer_made_in_a_section_fires_inside_it(world: GateWorld) -> None:
    (go,) = gates_to_open(world, 1)
    at_ms = world.clock.now_ms() + 1_000

    async def timer(name: str) -> None:
        await world.clock.sleep_until_ms(at_ms)
        world.log.append((name, world.object.depth))

    async def timed() -> None:
        inside = asyncio.create_task(timer("inside"))
        await go
        await inside

    async def handler() -> None:
        outside = asyncio.create_task(timer("outside"))
        await world.object.block(timed)
        await outside

    call = world.call(handler())
    await world.settle()
    await world.clock.advance_ms(1_000)
    await world.settle()
    assert world.log == [("inside", 1)]
    go.set_result(None)
    await call
    assert world.log == [("inside", 1), ("outside", 0)]
