"""A clock that moves only when a test says so.

Timers run inside `advance_to_ms`, in the order of their instants and, for equal instants, of
their making; between two instants the event loop gets `PASSES` passes, so that what a timer
starts has happened, as far as it needs no real I/O, before the next one fires.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

# Passes of the loop after each instant. A turn, its commit and its reply take fewer than ten.
PASSES = 50


class ManualClock:
    """A Clock that stands still until `advance_ms` or `advance_to_ms`; starts at `start_ms`."""

    def __init__(self, start_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = start_ms
        self._start_ms = start_ms
        self._sequence = itertools.count()
        self._timers: list[tuple[int, int, _ManualTimer]] = []

    def now_ms(self) -> int:
        """The instant that the test has moved it to, in ms since the epoch."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds since the clock was made."""
        return self._now_ms - self._start_ms

    def call_at_ms(self, at_ms: int, callback: Callable[[], None]) -> _ManualTimer:
        """Run `callback` in the `advance_*` that reaches `at_ms`; one in the past, in the next."""
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (at_ms, next(self._sequence), timer))
        return timer

    async def sleep_until_ms(self, at_ms: int) -> None:
        """Return once the test has moved the clock that far."""
        if at_ms <= self._now_ms:
            return
        woken = asyncio.Event()
        timer = self.call_at_ms(at_ms, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    def next_timer_at_ms(self) -> int | None:
        """The instant of the earliest timer that still waits."""
        while self._timers and self._timers[0][2].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    async def advance_ms(self, span_ms: int) -> None:
        """Move on by `span_ms`, running what falls due on the way."""
        await self.advance_to_ms(self._now_ms + span_ms)

    async def advance_to_ms(self, at_ms: int) -> None:
        """Move on to `at_ms`, running what falls due on the way."""
        await run_passes()
        while (due_ms := self.next_timer_at_ms()) is not None and due_ms <= at_ms:
            self._now_ms = max(self._now_ms, due_ms)
            heapq.heappop(self._timers)[2].fire()
            await run_passes()
        self._now_ms = max(self._now_ms, at_ms)
        await run_passes()


class _ManualTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self.is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def fire(self) -> None:
        self.is_cancelled = True
        self._callback()


async def run_passes(passes: int = PASSES) -> None:
    """Let the event loop go round, without time passing."""
    for _ in range(passes):
        await asyncio.sleep(0)
