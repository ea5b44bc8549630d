"""Cases of the gates' specification about order: turns, critical sections, microtasks."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio

from support.gate_world import Case, GateWorld


async def gate_01_concurrent_increments_lose_none(world: GateWorld) -> None:
    count = [0]

    async def increment() -> None:
        seen = await world.object.read(count[0])
        await world.object.read(None)
        count[0] = seen + 1

    await asyncio.gather(*[world.invoke(increment()) for _ in range(50)])
    assert count == [50]


async def gate_02_gathered_reads_stay_in_the_turn(world: GateWorld) -> None:
    count = [0]

    async def increment() -> None:
        seen, _ = await asyncio.gather(world.object.read(count[0]), world.object.read(None))
        count[0] = seen + 1

    await asyncio.gather(*[world.invoke(increment()) for _ in range(50)])
    assert count == [50]


async def gate_03_groups_after_real_io_stay_in_the_turn(world: GateWorld) -> None:
    count = [0]

    async def increment() -> None:
        await world.io()
        async with asyncio.TaskGroup() as group:
            read = group.create_task(world.object.read(count[0]))
        seen = read.result()
        async with anyio.create_task_group() as anyio_group:
            anyio_group.start_soon(world.object.read, None)
        count[0] = seen + 1

    await asyncio.gather(*[world.invoke(increment()) for _ in range(50)])
    assert count == [50]


async def gate_04_real_io_lets_events_interleave(world: GateWorld) -> None:
    count = [0]

    async def increment() -> None:
        seen = count[0]
        await world.io()
        count[0] = seen + 1

    await asyncio.gather(*[world.invoke(increment()) for _ in range(5)])
    assert count == [1]


async def gate_05_a_section_blocks_events_and_its_caller_resumes_first(world: GateWorld) -> None:
    log = world.log

    async def section() -> int:
        log.append("section")
        await world.io(20)
        log.append("section ends")
        return 7

    async def caller() -> int:
        value = await world.object.block(section)
        log.append("caller")
        return value

    first = world.call(caller())
    await world.io(3)
    second = world.call(_note(world, "event"))
    assert await first == 7
    await second
    assert log == ["section", "section ends", "caller", "event"]


async def gate_06_sections_run_one_after_the_other(world: GateWorld) -> None:
    async def handler() -> None:
        await asyncio.gather(
            world.object.block(lambda: _section(world, 1)),
            world.object.block(lambda: _section(world, 2)),
        )

    await world.invoke(handler())
    assert world.log == [(1, "begins"), (1, "ends"), (2, "begins"), (2, "ends")]


async def gate_07_a_nested_section_outlives_its_parent(world: GateWorld) -> None:
    async def outer_not_awaiting() -> None:
        world.object.block(lambda: _section(world, "inner"))

    async def outer_ending_while_inner_runs() -> None:
        world.object.block(lambda: _section(world, "inner", 30))
        await world.io(10)

    for outer in (outer_not_awaiting, outer_ending_while_inner_runs):
        world.log.clear()

        async def handler(outer: Any = outer) -> None:
            await world.object.block(outer)

        first = world.call(handler())
        await world.io(3)
        second = world.call(_note(world, "event"))
        await asyncio.gather(first, second)
        assert world.log == [("inner", "begins"), ("inner", "ends"), "event"]


async def gate_08_a_section_goes_before_a_waiting_event(world: GateWorld) -> None:
    async def handler() -> None:
        first = world.object.block(lambda: _section(world, 1))
        second = world.object.block(lambda: _note(world, "second section"))
        await first
        await second

    running = world.call(handler())
    await world.io(3)
    await asyncio.gather(running, world.call(_note(world, "event")))
    assert world.log == [(1, "begins"), (1, "ends"), "second section", "event"]


async def gate_09_a_caller_that_gave_up_is_skipped(world: GateWorld) -> None:
    async def handler() -> None:
        await world.object.block(lambda: world.io(20))

    running = world.call(handler())
    await world.io(3)
    waiting = [world.call(_note(world, index)) for index in range(4)]
    await world.io(2)
    waiting[1].cancel()
    await asyncio.gather(running, *waiting, return_exceptions=True)
    assert world.log == [0, 2, 3]


async def gate_10_a_failing_section_resets_the_object(world: GateWorld) -> None:
    async def section() -> None:
        await world.io()
        raise ValueError("boom")

    async def handler() -> None:
        try:
            await world.object.block(section)
            world.log.append("resumed")
        except Exception as error:
            world.log.append(error)
        world.log.append("after")

    running = world.call(handler())
    await world.io(2)
    queued = world.call(_note(world, "event"))
    assert "boom" in await world.reset_reason(running)
    assert "boom" in await world.reset_reason(queued)
    assert "boom" in await world.reset_reason(world.call(_note(world, "later")))
    assert world.log == []


async def gate_11_sections_nest_64_deep(world: GateWorld) -> None:
    depths: list[int] = []

    async def nest(levels: int) -> str:
        depths.append(world.object.depth)
        if levels:
            return await world.object.block(lambda: nest(levels - 1))
        try:
            world.object.block(lambda: _note(world, "too deep"))
        except ValueError as error:
            return str(error)
        return "one more would fit"

    assert await world.invoke(nest(63)) == "one more would fit"
    await world.settle()
    depths.clear()
    assert "nested too deeply" in await world.invoke(nest(64))
    assert max(depths) == 64
    assert await world.invoke(world.object.read(1)) == 1


async def gate_12_a_task_of_a_section_runs_inside_it(world: GateWorld) -> None:
    async def later() -> None:
        await world.io(5)
        world.log.append(("task", world.object.depth))

    async def section() -> None:
        task = asyncio.create_task(later())
        await world.io(20)
        world.log.append("section ends")
        await task

    async def handler() -> None:
        await world.object.block(section)

    running = world.call(handler())
    await world.io(3)
    await asyncio.gather(running, world.call(_note(world, "event")))
    assert world.log == [("task", 1), "section ends", "event"]


async def gate_13_a_straggler_of_a_section_moves_to_its_parent(world: GateWorld) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await world.io(20)
        world.log.append(world.object.depth)

    async def section() -> None:
        tasks.append(asyncio.create_task(later()))
        await world.io(2)

    async def handler() -> None:
        await world.object.block(section)

    await world.invoke(handler())
    await world.settle()
    assert world.log == [0]
    assert tasks[0].done()


async def gate_14_an_outside_handler_answers_a_section(world: GateWorld) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def outside() -> None:
        await asked.wait()
        world.log.append("outside")
        answered.set()

    async def section() -> None:
        await world.io()
        asked.set()
        await answered.wait()
        world.log.append("section")

    async def handler() -> None:
        await world.object.block(section)

    waiting = world.call(outside())
    await world.io(2)
    await asyncio.gather(waiting, world.call(handler()))
    assert world.log == ["outside", "section"]


async def gate_15_nothing_runs_between_a_set_and_its_waiter(world: GateWorld) -> None:
    event = asyncio.Event()

    async def waiter() -> None:
        await event.wait()
        world.log.append("waiter")

    async def setter() -> None:
        await world.io()
        event.set()
        world.log.append("setter")

    async def other() -> None:
        await world.io()
        world.log.append("other")

    await asyncio.gather(*[world.call(make()) for make in (waiter, setter, other)])
    assert world.log.index("waiter") == world.log.index("setter") + 1


async def gate_16_a_bare_yield_lets_others_in(world: GateWorld) -> None:
    async def yielding() -> None:
        for index in range(3):
            world.log.append(index)
            await asyncio.sleep(0)

    await asyncio.gather(world.call(yielding()), world.call(_note(world, "event")))
    assert world.log.index("event") < world.log.index(2)


async def gate_29_resumptions_after_a_section_keep_their_order(world: GateWorld) -> None:
    async def resuming(index: int) -> None:
        await world.io(4 + 2 * index)
        world.log.append(index)

    async def handler() -> None:
        await world.object.block(lambda: world.io(40))
        world.log.append("caller")

    running = [world.call(resuming(index)) for index in range(5)]
    running.append(world.call(handler()))
    await asyncio.gather(*running)
    assert world.log == ["caller", 0, 1, 2, 3, 4]


async def gate_30_a_long_ping_pong_is_one_turn(world: GateWorld) -> None:
    async def handler() -> int:
        there: asyncio.Queue[int] = asyncio.Queue(1)
        back: asyncio.Queue[int] = asyncio.Queue(1)

        async def ping() -> None:
            for index in range(500):
                await there.put(index)
                await back.get()

        async def pong() -> None:
            for _ in range(500):
                await back.put(await there.get())

        await asyncio.gather(ping(), pong())
        world.log.append("done")
        return 1

    running = world.call(handler())
    event = world.call(_note(world, "event"))
    await asyncio.gather(running, event)
    assert world.log == ["done", "event"]


async def _note(world: GateWorld, what: Any) -> None:
    world.log.append(what)


async def _section(world: GateWorld, name: Any, passes: int = 5) -> None:
    world.log.append((name, "begins"))
    await world.io(passes)
    world.log.append((name, "ends"))


CASES: tuple[Case, ...] = (
    gate_01_concurrent_increments_lose_none,
    gate_02_gathered_reads_stay_in_the_turn,
    gate_03_groups_after_real_io_stay_in_the_turn,
    gate_04_real_io_lets_events_interleave,
    gate_05_a_section_blocks_events_and_its_caller_resumes_first,
    gate_06_sections_run_one_after_the_other,
    gate_07_a_nested_section_outlives_its_parent,
    gate_08_a_section_goes_before_a_waiting_event,
    gate_09_a_caller_that_gave_up_is_skipped,
    gate_10_a_failing_section_resets_the_object,
    gate_11_sections_nest_64_deep,
    gate_12_a_task_of_a_section_runs_inside_it,
    gate_13_a_straggler_of_a_section_moves_to_its_parent,
    gate_14_an_outside_handler_answers_a_section,
    gate_15_nothing_runs_between_a_set_and_its_waiter,
    gate_16_a_bare_yield_lets_others_in,
    gate_29_resumptions_after_a_section_keep_their_order,
    gate_30_a_long_ping_pong_is_one_turn,
)
