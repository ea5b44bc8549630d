"""A bound measured by the clock that was given."""

from __future__ import annotations

import asyncio

import pytest

from boomtown.container_sim.deadlines import deadline
from boomtown.testing.manual_clock import ManualClock, run_passes


async def wait_within(clock: ManualClock, event: asyncio.Event, span_ms: int) -> str:
    try:
        async with deadline(clock, span_ms):
            await event.wait()
    except TimeoutError:
        return "late"
    return "in time"


async def test_block_ends_when_its_time_has_passed_and_not_before() -> None:
    clock, event = ManualClock(), asyncio.Event()
    waiting = asyncio.create_task(wait_within(clock, event, 1_000))
    await clock.advance_ms(999)
    assert not waiting.done()
    await clock.advance_ms(1)
    assert await waiting == "late"


async def test_block_that_ends_in_time_leaves_no_timer() -> None:
    clock, event = ManualClock(), asyncio.Event()
    waiting = asyncio.create_task(wait_within(clock, event, 1_000))
    await run_passes()
    event.set()
    assert await waiting == "in time"
    assert clock.next_timer_at_ms() is None


async def test_cancellation_from_outside_stays_one() -> None:
    clock = ManualClock()
    waiting = asyncio.create_task(wait_within(clock, asyncio.Event(), 1_000))
    await run_passes()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert clock.next_timer_at_ms() is None
