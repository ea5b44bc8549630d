"""Time as an argument: the clock that every part is given, and the real one.

Instants are integer milliseconds since the epoch (`*_at_ms`, `now_ms`); spans are integer
milliseconds (`*_ms`). Nothing else in the project reads the wall clock or sleeps: a hand-driven
clock (boomtown.testing) and the simulator's clock satisfy the same protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

# A sleeping timer looks at the wall clock again at least this often, so that a clock that was
# set forward, or a laptop that slept, delays an alarm by at most this long.
WALL_CLOCK_RECHECK_MS = 60_000


class Timer(Protocol):
    """A callback that waits for its instant."""

    def cancel(self) -> None:
        """Give up the callback; harmless when it has run or was cancelled before."""
        ...


class Clock(Protocol):
    """What the parts may know of time: instants are integers of ms since the epoch. Every part is
    given one, so that a test or a simulation decides when time passes."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than an earlier answer."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an arbitrary start, for measuring spans; never set back."""
        ...

    def call_at_ms(self, at_ms: int, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the event loop once `now_ms() >= at_ms`, at the earliest in the next
        pass of the loop; never early."""
        ...

    async def sleep_until_ms(self, at_ms: int) -> None:
        """Return once `now_ms() >= at_ms`; at once when that has passed."""
        ...


class SystemClock:
    """The machine's clock. A step back of the wall clock is held at the last instant that was
    handed out and counted in `steps_back` (decisions: now = max(last, wall)). `not_before_ms`
    is an instant that was handed out before, by an earlier clock."""

    def __init__(self, *, not_before_ms: int = 0) -> None:
        self.steps_back: int = 0
        self._last_ms = not_before_ms

    def now_ms(self) -> int:
        """The wall clock, or the last answer where that is later."""
        wall_ms = time.time_ns() // 1_000_000
        if wall_ms < self._last_ms:
            self.steps_back += 1
            return self._last_ms
        self._last_ms = wall_ms
        return wall_ms

    def monotonic_ms(self) -> int:
        """As Clock.monotonic_ms: since the machine started, more or less."""
        return time.monotonic_ns() // 1_000_000

    def call_at_ms(self, at_ms: int, callback: Callable[[], None]) -> Timer:
        """As Clock.call_at_ms, on the running loop. A wall clock that is set forward is noticed
        within WALL_CLOCK_RECHECK_MS."""
        return _SystemTimer(self, at_ms, callback)

    async def sleep_until_ms(self, at_ms: int) -> None:
        """As Clock.sleep_until_ms; as late as call_at_ms where the clock is set forward."""
        # The wall clock is nobody's event: it can only be looked at again.
        while (left_ms := at_ms - self.now_ms()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_ms, WALL_CLOCK_RECHECK_MS) / 1000)


class _SystemTimer:
    """Re-arms itself until the wall clock has really reached the instant."""

    def __init__(self, clock: SystemClock, at_ms: int, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._at_ms = at_ms
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._arm()

    def _arm(self) -> None:
        left_ms = max(0, self._at_ms - self._clock.now_ms())
        delay_s = min(left_ms, WALL_CLOCK_RECHECK_MS) / 1000
        self._handle = self._loop.call_later(delay_s, self._fire)

    def _fire(self) -> None:
        if self._clock.now_ms() < self._at_ms:
            self._arm()
            return
        self._handle = None
        self._callback()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
