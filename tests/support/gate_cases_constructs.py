"""Cases of the gates' specification about what asyncio, anyio and libraries offer to objects."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import anyio.to_thread
from aiohttp import web

from support.gate_world import Case, GateWorld, forever

SOON_S = 0.002  # a timer that the case waits for, on loops of real time


async def gate_17_every_construct_resumes_in_a_turn(world: GateWorld) -> None:
    outside: list[str] = []

    def check(where: str) -> None:
        if not world.object.in_turn():
            outside.append(where)

    async def handler() -> str:
        await _asyncio_constructs(world, check)
        await _anyio_constructs(world, check)
        return "ended"

    assert await world.invoke(handler()) == "ended"
    gc.collect()
    await world.settle()
    assert outside == []
    assert list(world.object.gates.tasks) == []


async def _leaf(world: GateWorld, check: Any, value: int) -> int:
    check("leaf begins")
    await world.io()
    check("leaf ends")
    return value


async def _asyncio_constructs(world: GateWorld, check: Any) -> None:
    def leaf(value: int) -> Any:
        return _leaf(world, check, value)

    async def numbers() -> AsyncIterator[int]:
        try:
            for index in range(3):
                await world.io(1)
                check("generator")
                yield index
        finally:
            await world.io(1)
            check("generator ends")

    await asyncio.create_task(leaf(1))
    check("create_task")
    assert await leaf(3) == 3
    both: list[int] = await asyncio.gather(*[leaf(1), leaf(2)])
    assert both == [1, 2]
    async with asyncio.TaskGroup() as group:
        group.create_task(leaf(1))
        group.create_task(leaf(2))
    check("TaskGroup")
    assert await asyncio.wait_for(leaf(5), 60) == 5
    for waiting in (asyncio.wait_for(forever(), SOON_S), _timed_out()):
        try:
            await waiting
            outcome = "went on"
        except TimeoutError:
            outcome = "timed out"
        check(outcome)
        assert outcome == "timed out"
    await _queue_and_locks(world, check)
    assert [number async for number in numbers()] == [0, 1, 2]
    async for _ in numbers():
        break  # its end is left to the garbage collector
    check("generator left")
    tasks = [asyncio.create_task(leaf(1)), asyncio.create_task(forever())]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    check("wait")
    await asyncio.shield(leaf(1))
    check("shield")
    for completed in asyncio.as_completed([leaf(1), leaf(2)]):
        await completed
        check("as_completed")


async def _timed_out() -> None:
    async with asyncio.timeout(SOON_S):
        await forever()


async def _queue_and_locks(world: GateWorld, check: Any) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    lock, semaphore = asyncio.Lock(), asyncio.Semaphore(1)

    async def produce() -> None:
        for index in range(4):
            await queue.put(index)
            check("queue")

    async def take_locks() -> None:
        async with lock:
            await world.io(1)
            check("lock")
        async with semaphore:
            await world.io(1)
            check("semaphore")

    producing = asyncio.create_task(produce())
    assert [await queue.get() for _ in range(4)] == [0, 1, 2, 3]
    await producing
    await asyncio.gather(take_locks(), take_locks())
    check("locks")


async def _anyio_constructs(world: GateWorld, check: Any) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_leaf, world, check, 1)
        group.start_soon(_leaf, world, check, 2)
    check("anyio group")
    with anyio.move_on_after(SOON_S) as scope:
        await forever()
    assert scope.cancelled_caught
    check("move_on_after")
    with anyio.fail_after(60):
        await _leaf(world, check, 1)
    send, receive = anyio.create_memory_object_stream[int](0)
    async with send, receive, anyio.create_task_group() as group:
        group.start_soon(send.send, 1)
        assert await receive.receive() == 1
    check("memory stream")
    async with anyio.create_task_group() as group:
        group.start_soon(forever)
        await world.io(1)
        group.cancel_scope.cancel()
    check("group cancelled")
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await forever()
        finally:
            with anyio.CancelScope(shield=True):
                await world.io()
                check("shielded")
    check("scope cancelled")
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    try:
        await forever()
    except asyncio.CancelledError:
        task.uncancel()
    check("cancelled itself")


async def gate_18_the_inline_step_has_its_task(world: GateWorld) -> None:
    async def cancels_itself() -> tuple[bool, int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await forever()
        except asyncio.CancelledError:
            task.uncancel()
        async with asyncio.timeout(60):
            await world.io()
        return task is asyncio.current_task(), task.cancelling()

    async def times_out_at_once() -> str:
        try:
            async with asyncio.timeout(0):
                await forever()
        except TimeoutError:
            return "timed out"
        return "went on"

    async def adds_a_callback() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: world.log.append("done"))
        return 3

    async def scope_cancelled_before_its_first_await() -> int:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            return 1
        return 2

    async def anyio_deadline_passed() -> bool:
        with anyio.move_on_after(0) as scope:
            await forever()
        return scope.cancelled_caught

    assert await world.invoke(cancels_itself()) == (True, 0)
    assert await world.invoke(times_out_at_once()) == "timed out"
    assert await world.invoke(adds_a_callback()) == 3
    assert await world.invoke(scope_cancelled_before_its_first_await()) == 2
    assert await world.invoke(anyio_deadline_passed())
    assert list(world.object.gates.tasks) == []


async def gate_31_threads_answer_in_a_turn(world: GateWorld) -> None:
    async def handler() -> int:
        assert await asyncio.to_thread(lambda: 7) == 7
        assert world.object.in_turn()
        answer = await anyio.to_thread.run_sync(lambda: 8)
        assert world.object.in_turn()
        return answer

    assert await world.invoke(handler()) == 8


async def gate_31_failing_subtasks(world: GateWorld) -> None:
    async def fails() -> None:
        await world.io()
        raise ValueError("subtask")

    async def handler() -> int:
        assert await asyncio.to_thread(lambda: 7) == 7
        assert world.object.in_turn()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(forever())
        except* ValueError:
            world.log.append("group failed")
        errors = await asyncio.gather(fails(), fails(), return_exceptions=True)
        return len(errors)

    assert await world.invoke(handler()) == 2
    assert world.log == ["group failed"]


async def gate_32_an_http_client_inside(world: GateWorld) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hi" * 10_000)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"

    async def reads(session: aiohttp.ClientSession) -> int:
        text = ""
        for _ in range(2):
            async with session.get(url) as response:
                text = await response.text()
                assert world.object.in_turn()
        async with asyncio.timeout(60), session.get(url) as response:
            async for _ in response.content.iter_chunked(4_096):
                assert world.object.in_turn()
        return len(text)

    async def owns_a_session() -> int:
        async with aiohttp.ClientSession() as session:
            return await reads(session)

    try:
        assert await world.invoke(owns_a_session()) == 20_000
        async with aiohttp.ClientSession() as shared:
            assert await world.invoke(reads(shared)) == 20_000
    finally:
        await runner.cleanup()


CASES: tuple[Case, ...] = (
    gate_17_every_construct_resumes_in_a_turn,
    gate_18_the_inline_step_has_its_task,
    gate_31_failing_subtasks,
)
# Threads and sockets: not for a loop of virtual time.
REAL_LOOP_CASES: tuple[Case, ...] = (
    gate_31_threads_answer_in_a_turn,
    gate_32_an_http_client_inside,
)
