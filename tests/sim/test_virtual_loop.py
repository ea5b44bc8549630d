"""The loop: virtual time, chosen order, hangs found, nothing real."""

from __future__ import annotations

import asyncio

import pytest

from boomtown.clock import Clock
from boomtown.sim.choices import Choices
from boomtown.sim.escapes import Escape
from boomtown.sim.run_trace import Trace
from boomtown.sim.shrink import shrink
from boomtown.sim.virtual_loop import (
    FENCED_METHODS,
    START_MS,
    Hang,
    Livelock,
    VirtualClock,
    VirtualLoop,
    open_virtual_loop,
    run_virtually,
)

DAY_MS = 86_400_000
PINNED_DIGEST = "1ebac259dfc5f606455e5ffdf2541eb01951b93e026cf9c25f637fb4127f1f2e"


async def finishing_order(workers: int) -> list[int]:
    finished: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        finished.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(work(number), name=f"worker {number}")
    return finished


def order_of(choices: Choices) -> list[int]:
    return run_virtually(lambda loop: finishing_order(6), choices)


def test_a_day_passes_at_once_and_to_the_millisecond() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        clock: Clock = VirtualClock(loop)
        seen = [clock.now_ms()]
        for _ in range(3):
            await clock.sleep_until_ms(clock.now_ms() + DAY_MS + 1)
            seen.append(clock.now_ms())
        return seen

    seen = run_virtually(main, Choices(seed=1))
    assert seen == [START_MS + nth * (DAY_MS + 1) for nth in range(4)]


def test_every_millisecond_of_a_minute_is_hit_exactly() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        clock = VirtualClock(loop, start_ms=0)
        seen: list[int] = []
        for at_ms in range(86_400_000, 86_460_000, 7):
            clock.call_at_ms(at_ms, lambda: seen.append(clock.now_ms()))
        await clock.sleep_until_ms(86_460_000)
        return seen

    assert run_virtually(main, Choices(seed=1)) == list(range(86_400_000, 86_460_000, 7))


def test_a_timer_for_the_past_runs_in_the_next_pass_and_a_cancelled_one_never() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        clock = VirtualClock(loop)
        ran: list[str] = []
        clock.call_at_ms(clock.now_ms() - 5, lambda: ran.append("past"))
        clock.call_at_ms(clock.now_ms() + 5, lambda: ran.append("cancelled")).cancel()
        assert ran == []
        await clock.sleep_until_ms(clock.now_ms() + 10)
        return ran

    assert run_virtually(main, Choices(seed=1, plan={})) == ["past"]


def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        clock = VirtualClock(loop)
        fired: list[int] = []
        timers = [
            clock.call_at_ms(clock.now_ms() + 5, lambda number=number: fired.append(number))
            for number in range(200)
        ]
        for timer in timers[::2]:
            timer.cancel()
        await asyncio.sleep(1)
        return fired

    assert run_virtually(main, Choices(seed=1)) == list(range(1, 200, 2))


def test_the_order_of_tasks_depends_on_the_seed_alone() -> None:
    orders = [order_of(Choices(seed=seed)) for seed in range(12)]
    assert orders == [order_of(Choices(seed=seed)) for seed in range(12)]
    assert len({tuple(order) for order in orders}) > 6


def test_without_choices_tasks_run_first_in_first_out() -> None:
    assert order_of(Choices(seed=5, plan={})) == [0, 1, 2, 3, 4, 5]


def test_a_recorded_run_is_replayed_by_its_plan() -> None:
    first = Choices(seed=11)
    order = order_of(first)
    assert order != [0, 1, 2, 3, 4, 5]
    assert order_of(Choices(seed=0, plan=first.taken)) == order


def test_plain_callbacks_keep_their_order_under_every_seed() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        called: list[int] = []
        workers = asyncio.create_task(finishing_order(5), name="workers")
        for number in range(30):
            loop.call_soon(called.append, number)
            await asyncio.sleep(0)
        await workers
        return called

    for seed in range(20):
        assert run_virtually(main, Choices(seed=seed)) == list(range(30))


async def update_without_lock() -> int:
    value = 0

    async def add() -> None:
        nonlocal value
        read = value
        await asyncio.sleep(0)
        value = read + 1

    async def add_later(passes: int) -> None:
        for _ in range(passes):
            await asyncio.sleep(0)
        await add()

    async with asyncio.TaskGroup() as group:
        group.create_task(add(), name="first")
        group.create_task(add_later(2), name="second")
    return value


def test_a_lost_update_that_needs_one_overtaking_shrinks_to_a_handful_of_choices() -> None:
    def value_under(choices: Choices) -> int:
        return run_virtually(lambda loop: update_without_lock(), choices)

    assert value_under(Choices(seed=0, plan={})) == 2
    recorded = [Choices(seed=seed) for seed in range(200)]
    failing = next(choices for choices in recorded if value_under(choices) == 1)
    shrunk = shrink(
        lambda plan: value_under(Choices(seed=0, plan=plan)) == 1, failing.taken, runs_max=200
    )
    assert shrunk.is_minimal
    assert 1 <= len(shrunk.plan) <= 3


def test_a_hang_is_reported_with_the_tasks_and_where_they_wait() -> None:
    async def waits_for_nobody() -> None:
        await asyncio.Event().wait()

    async def main(loop: VirtualLoop) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_nobody(), name="the patient one")

    with pytest.raises(Hang) as caught:
        run_virtually(main, Choices(seed=1))
    message = str(caught.value)
    assert "the patient one: " in message
    assert "waits_for_nobody:" in message
    assert "asyncio.locks.Event.wait:" in message
    assert "main:" in message


def test_tasks_that_go_round_without_time_are_a_livelock() -> None:
    async def spin(loop: VirtualLoop) -> None:
        loop.passes_per_instant_max = 1_000
        while True:  # noqa: ASYNC110 - a busy wait is what the loop must find
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="time stands still"):
        run_virtually(spin, Choices(seed=1))


def test_tasks_left_over_are_cancelled_and_clean_up_by_virtual_time() -> None:
    cleaned: list[str] = []

    async def linger(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3_600)
            cleaned.append(name)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if cleaned:
                    raise

    with open_virtual_loop(Choices(seed=1, plan={})) as loop:
        loop.create_task(linger("b"), name="b")
        loop.create_task(linger("a"), name="a")
        loop.create_task(stubborn(), name="c")
        loop.run_until_complete(asyncio.sleep(1))
    assert sorted(cleaned) == ["a", "b"]


def test_offloaded_work_runs_on_the_loop_at_a_chosen_later_instant() -> None:
    def refuse() -> None:
        raise OSError("no")

    async def main(loop: VirtualLoop) -> tuple[list[int], str]:
        ran: list[int] = []
        calls = [asyncio.to_thread(ran.append, number) for number in range(6)]
        assert ran == []
        await asyncio.gather(*calls)
        try:
            await loop.run_in_executor(None, refuse)
        except OSError as error:
            return ran, str(error)
        return ran, "nothing was raised"

    outcomes = [run_virtually(main, Choices(seed=seed)) for seed in range(10)]
    assert all(sorted(ran) == [0, 1, 2, 3, 4, 5] for ran, _ in outcomes)
    assert all(error == "no" for _, error in outcomes)
    assert len({tuple(ran) for ran, _ in outcomes}) > 3


@pytest.mark.parametrize("name", FENCED_METHODS)
def test_methods_that_reach_outside_are_refused_by_name(name: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        await getattr(loop, name)("127.0.0.1", 80)

    with pytest.raises(Escape, match=rf"^loop\.{name} inside"):
        run_virtually(main, Choices(seed=1))


def traced_run(seed: int) -> str:
    async def main(loop: VirtualLoop) -> str:
        clock = VirtualClock(loop)
        trace = Trace(clock.now_ms)

        async def work(number: int) -> None:
            for _ in range(20):
                await clock.sleep_until_ms(clock.now_ms() + loop.choices.below(50, label="nap"))
                trace.record("woke", worker=number)
                await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
                trace.record("gathered", worker=number)

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(work(number), name=f"worker {number}")
        return trace.digest

    return run_virtually(main, Choices(seed=seed))


def test_same_seed_same_trace_pinned_across_versions() -> None:
    assert traced_run(3) == traced_run(3)
    assert traced_run(3) != traced_run(4)
    assert traced_run(3) == PINNED_DIGEST


async def cancelling_order(workers: int) -> list[int]:
    """The order in which a group that breaks cancels its tasks."""
    cancelled: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.sleep(DAY_MS)
        finally:
            cancelled.append(number)

    async def breaking_group() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(work(number), name=f"worker {number}")
            await asyncio.sleep(1)
            raise ValueError

    with pytest.raises(ExceptionGroup):
        await breaking_group()
    return cancelled


def test_sets_of_tasks_are_gone_through_in_the_order_of_their_making() -> None:
    """asyncio keeps a group's tasks in a set: by address, two runs would differ."""
    cancelled = run_virtually(lambda loop: cancelling_order(50), Choices(seed=1, plan={}))
    assert cancelled == list(range(50))


async def waiting_order(count: int) -> list[int]:
    """The order in which a set of futures comes out of asyncio.wait."""
    loop = asyncio.get_running_loop()
    futures = {loop.create_future(): number for number in range(count)}
    for future in futures:
        future.set_result(None)
    done, _ = await asyncio.wait(set(futures))
    return [futures[future] for future in done]


def test_sets_of_futures_too() -> None:
    seen = run_virtually(lambda loop: waiting_order(50), Choices(seed=1, plan={}))
    assert seen == list(range(50))
