"""Cases of the gates' specification about the ends of calls: cancellation, exceptions, aborts,
commits, and what a caller is kept from."""

from __future__ import annotations

import asyncio
import contextvars
import traceback

import anyio

from boomtown.actors.runtime.output_gate import OutputGate
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import OutsideTurnError
from boomtown.limits import RuntimeLimits
from support.gate_world import Case, GateObject, GateWorld, forever

SOON_S = 0.002  # a timer that the case waits for, on loops of real time


async def gate_19_a_caller_that_leaves_does_not_stop_the_work(world: GateWorld) -> None:
    async def handler(what: str) -> None:
        async with asyncio.timeout(60):
            await world.io(10)
        world.log.append(what)

    cancelled = world.call(handler("cancelled"))
    await world.io(2)
    cancelled.cancel()
    try:
        async with asyncio.timeout(0):
            await world.invoke(handler("timed out"))
    except TimeoutError:
        world.log.append("caller")
    await world.settle()
    assert sorted(world.log) == ["caller", "cancelled", "timed out"]
    assert cancelled.cancelled()


async def gate_20_an_abort_cannot_be_held_up(world: GateWorld) -> None:
    log = world.log

    async def swallows_exceptions() -> None:
        while True:
            try:
                await world.io(10)
            except Exception:
                log.append("swallowed")

    async def swallows_everything() -> None:
        while True:
            try:
                await world.io(10)
            except GeneratorExit:
                raise  # the garbage collector's, at the end of the test
            except BaseException:
                log.append("stubborn")

    async def task_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(swallows_exceptions())
            group.create_task(forever())

    async def anyio_group() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(swallows_exceptions)
            await forever()

    async def aborts() -> None:
        try:
            world.object.abort("bye")
        except Exception:
            log.append("swallowed")
        log.append("after")

    handlers = (swallows_exceptions, swallows_everything, task_group, anyio_group)
    calls = [world.call(make()) for make in handlers]
    await world.io(3)
    calls.append(world.call(aborts()))
    assert [await world.reset_reason(call) for call in calls] == ["bye"] * 5
    await world.settle()
    assert "swallowed" not in log
    assert "after" not in log
    assert 1 <= log.count("stubborn") <= 6
    assert list(world.object.gates.tasks) == []


async def gate_21_an_abort_ends_a_section_and_its_queue(world: GateWorld) -> None:
    async def handler() -> None:
        await world.object.block(forever)

    calls = [world.call(handler()), world.call(world.object.read(1))]
    await world.io(3)
    calls.append(world.call(world.object.read(2)))
    await world.io(2)
    world.object.gates.break_with(RuntimeError("gone"))
    for call in calls:
        assert "gone" in await world.reset_reason(call)
    await world.settle()
    assert list(world.object.gates.tasks) == []


async def gate_22_an_exception_breaks_nothing(world: GateWorld) -> None:
    async def at_once() -> None:
        raise KeyError("at once")

    async def later() -> None:
        await world.io()
        raise KeyError("later")

    assert repr(await world.outcome(world.call(at_once()))) == "KeyError('at once')"
    assert repr(await world.outcome(world.call(later()))) == "KeyError('later')"
    assert await world.invoke(world.object.read(1)) == 1


async def gate_23_a_traceback_has_no_frames_of_ours_inside(world: GateWorld) -> None:
    async def inner() -> None:
        await world.io()
        raise ZeroDivisionError

    async def handler() -> None:
        await inner()

    error = await world.outcome(world.call(handler()))
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-2:] == ["handler", "inner"]


async def gate_24_output_locks_hold_those_who_came_after(world: GateWorld) -> None:
    log = world.log

    def new_gate() -> OutputGate:
        log.clear()
        return OutputGate(
            clock=world.clock,
            lock_ms_max=30_000,
            waiting=str,
            on_broken=lambda _: log.append("broken"),
        )

    def wait(gate: OutputGate, name: str) -> None:
        gate.when_open(lambda error: log.append((name, "failed") if error else name))

    gate = new_gate()
    wait(gate, "0")
    first, second = Promise(), Promise()
    gate.lock_while(first)
    wait(gate, "1")
    gate.lock_while(second)
    wait(gate, "2")
    second.resolve()
    await world.settle()
    assert log == ["0"]
    first.resolve()
    await world.settle()
    assert log == ["0", "1", "2"]
    assert gate.chain is None

    gate = new_gate()
    first, second = Promise(), Promise()
    gate.lock_while(first)
    wait(gate, "1")
    gate.lock_while(second)
    wait(gate, "2")
    second.reject(ValueError("disk"))
    await world.settle()
    assert log == ["broken"]
    first.resolve()
    await world.settle()
    assert log == ["broken", "1", ("2", "failed")]

    gate = new_gate()
    first = Promise()
    gate.lock_while(first)
    first.reject(ValueError("dropped"))
    await world.settle()
    assert log == ["broken"]


async def gate_25_replies_wait_for_the_commit(world: GateWorld) -> None:
    target = world.object
    target.is_held = True

    async def writes() -> int:
        target.write()
        return 1

    async def writes_later() -> int:
        await world.io(1)
        target.write()
        return 3

    writing = world.call(writes())
    reading = world.call(target.read(2))
    await world.settle()
    assert not writing.done()
    assert not reading.done()
    target.commits[0].resolve()
    assert list(await asyncio.gather(writing, reading)) == [1, 2]
    writing = world.call(writes_later())
    await world.settle()
    assert not writing.done()
    target.commits[1].reject(OSError("disk"))
    assert "disk" in await world.reset_reason(writing)
    assert target.gates.broken is not None


async def gate_26_storage_outside_a_turn_is_refused(world: GateWorld) -> None:
    def touch(target: GateObject) -> None:
        try:
            target.write()
            world.log.append("written")
        except OutsideTurnError:
            world.log.append("refused")

    async def leaves_a_callback() -> None:
        asyncio.get_running_loop().call_soon(touch, world.object)
        await world.io()

    async def touches_another() -> None:
        touch(world.object)

    await world.invoke(leaves_a_callback())
    await world.invoke(touches_another(), world.new_object())
    assert world.log == ["refused", "refused"]


async def gate_27_two_objects_call_each_other(world: GateWorld) -> None:
    first, second = world.object, world.new_object()

    async def back() -> int:
        world.log.append(first.in_turn())
        return 1

    async def there() -> int:
        world.log.append(second.in_turn())
        await world.io(1)
        answer = await world.invoke(back(), first)
        world.log.append(second.in_turn())
        return answer + 1

    async def begin() -> int:
        answer = await world.invoke(there(), second)
        world.log.append(first.in_turn())
        return answer

    assert await world.invoke(begin()) == 2
    assert world.log == [True] * 4


async def gate_28_context_variables_stay_inside(world: GateWorld) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(1)

    async def suspends() -> int:
        assert variable.get() == 1
        variable.set(2)
        await world.io()
        return variable.get()

    async def does_not() -> int:
        variable.set(5)
        return variable.get()

    assert await world.invoke(suspends()) == 2
    assert await world.invoke(does_not()) == 5
    assert variable.get() == 1


async def gate_33_a_section_over_its_time_overloads(world: GateWorld) -> None:
    async def waits_for_a_queued_event() -> None:
        await forever()

    async def handler() -> None:
        await world.object.block(waits_for_a_queued_event)

    running = world.call(handler())
    await world.io(3)
    queued = world.call(world.object.read(1))
    await world.settle()
    await world.clock.advance_ms(29_999)
    assert not running.done()
    await world.clock.advance_ms(1)
    error = await world.outcome(running)
    assert error.overloaded
    assert error.durable_object_reset
    assert "1 events were queued" in str(error)
    assert "waits_for_a_queued_event" in str(error)
    await world.reset_reason(queued)


async def gate_35_a_long_drain_keeps_the_gate_and_lets_others_run(world: GateWorld) -> None:
    busy = world.new_object(RuntimeLimits(drain_steps_max=10))

    async def ping_pong() -> None:
        there: asyncio.Queue[int] = asyncio.Queue(1)

        async def produce() -> None:
            for index in range(50):
                await there.put(index)

        producing = asyncio.create_task(produce())
        for _ in range(50):
            await there.get()
        await producing
        world.log.append("drained")

    async def note(what: str) -> None:
        world.log.append(what)

    running = world.call(ping_pong(), busy)
    queued = world.call(note("own event"), busy)
    other = world.call(note("other object"))
    await asyncio.gather(running, queued, other)
    assert world.log == ["other object", "drained", "own event"]


CASES: tuple[Case, ...] = (
    gate_19_a_caller_that_leaves_does_not_stop_the_work,
    gate_20_an_abort_cannot_be_held_up,
    gate_21_an_abort_ends_a_section_and_its_queue,
    gate_22_an_exception_breaks_nothing,
    gate_23_a_traceback_has_no_frames_of_ours_inside,
    gate_24_output_locks_hold_those_who_came_after,
    gate_25_replies_wait_for_the_commit,
    gate_26_storage_outside_a_turn_is_refused,
    gate_27_two_objects_call_each_other,
    gate_28_context_variables_stay_inside,
    gate_33_a_section_over_its_time_overloads,
    gate_35_a_long_drain_keeps_the_gate_and_lets_others_run,
)
