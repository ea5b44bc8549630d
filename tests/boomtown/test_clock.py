"""The real clock never goes back; the hand-driven one goes only where it is told."""

from __future__ import annotations

import asyncio

from boomtown.clock import SystemClock
from boomtown.testing import ManualClock


def test_a_step_back_is_held_and_counted() -> None:
    an_hour_on_ms = SystemClock().now_ms() + 3_600_000  # as if the wall clock went back
    clock = SystemClock(not_before_ms=an_hour_on_ms)
    assert clock.now_ms() == an_hour_on_ms
    assert clock.steps_back == 1


async def test_a_system_timer_runs_once_and_never_early() -> None:
    clock = SystemClock()
    ran = asyncio.Event()
    seen: list[int] = []
    at_ms = clock.now_ms() + 5

    def callback() -> None:
        seen.append(clock.now_ms())
        ran.set()

    clock.call_at_ms(at_ms, callback)
    await ran.wait()
    assert len(seen) == 1
    assert seen[0] >= at_ms


async def test_a_cancelled_system_timer_does_not_run() -> None:
    clock = SystemClock()
    seen: list[int] = []
    timer = clock.call_at_ms(clock.now_ms(), lambda: seen.append(1))
    timer.cancel()
    later = asyncio.Event()
    clock.call_at_ms(clock.now_ms() + 2, later.set)
    await later.wait()
    assert seen == []


async def test_hand_driven_timers_run_in_the_order_of_their_instants() -> None:
    clock = ManualClock(start_ms=0)
    seen: list[tuple[str, int]] = []
    clock.call_at_ms(20, lambda: seen.append(("b", clock.now_ms())))
    clock.call_at_ms(10, lambda: seen.append(("a", clock.now_ms())))
    clock.call_at_ms(20, lambda: seen.append(("c", clock.now_ms())))
    await clock.advance_ms(19)
    assert seen == [("a", 10)]
    await clock.advance_ms(1)
    assert seen == [("a", 10), ("b", 20), ("c", 20)]


async def test_a_hand_driven_sleeper_wakes_at_its_instant_and_may_sleep_again() -> None:
    clock = ManualClock(start_ms=0)
    seen: list[int] = []

    async def sleeper() -> None:
        for at_ms in (5, 10):
            await clock.sleep_until_ms(at_ms)
            seen.append(clock.now_ms())

    task = asyncio.create_task(sleeper())
    await clock.advance_ms(30)
    await task
    assert seen == [5, 10]
    assert clock.next_timer_at_ms() is None
