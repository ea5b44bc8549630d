"""Finds idle objects at a cost that does not grow with their events.

Theory of operation. An event stamps its object with the present tick of one second; nothing is
moved. A wheel of buckets holds each object once, in the bucket of the tick at which it would be
idle long enough; when that tick comes, an object that was used since, or that is busy, is filed
anew. So an object is found one idle span after its last event, up to a tick late. One timer is
armed for the next bucket that holds anything, and none while the wheel is empty: a simulated
clock can run dry.

An object whose last event is `forced_eviction_ms` ago is offered to `drop` at each look, busy or
not: tasks that nobody waits for do not keep it for ever (durable-actors 2.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from boomtown.clock import Clock, Timer

TICK_MS = 1_000


class Idler(Protocol):
    """What the wheel needs of an object."""

    seen_tick: int  # of its last event

    def is_busy(self) -> bool: ...

    def is_live(self) -> bool: ...


class IdleWheel:
    """The wheel of one host. `evict` is called for what is idle, `drop` for what has seen
    no event for long and is free to refuse; neither may raise."""

    def __init__(
        self,
        clock: Clock,
        *,
        idle_ms: int,
        evictions_per_sweep_max: int,
        forced_eviction_ms: int,
        evict: Callable[[Idler], None],
        drop: Callable[[Idler], None],
    ) -> None:
        self._clock = clock
        self._idle_ticks = -(-idle_ms // TICK_MS)
        self._evictions_max = evictions_per_sweep_max
        self._forced_ticks = -(-forced_eviction_ms // TICK_MS)
        self._evict = evict
        self._drop = drop
        self._buckets: dict[int, list[Idler]] = {}  # by the tick at which to look
        self._timer: Timer | None = None
        self._timer_tick = 0

    @property
    def tick(self) -> int:
        return self._clock.monotonic_ms() // TICK_MS

    def add(self, idler: Idler) -> None:
        """Watch a new object, from its first event on."""
        idler.seen_tick = self.tick
        self._file(idler, idler.seen_tick + self._idle_ticks + 1)

    def stop(self) -> None:
        """Forget every object."""
        self._buckets.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _file(self, idler: Idler, tick: int) -> None:
        self._buckets.setdefault(tick, []).append(idler)
        if self._timer is None or tick < self._timer_tick:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buckets:
            self._timer_tick = min(self._buckets)
            left_ms = self._timer_tick * TICK_MS - self._clock.monotonic_ms()
            at_ms = self._clock.now_ms() + max(1, left_ms)
            self._timer = self._clock.call_at_ms(at_ms, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now_tick = self.tick
        evictions = 0
        for due_tick in sorted(tick for tick in self._buckets if tick <= now_tick):
            for idler in self._buckets.pop(due_tick):
                look_tick = idler.seen_tick + self._idle_ticks + 1
                if not idler.is_live():
                    continue
                if look_tick > now_tick:
                    self._buckets.setdefault(look_tick, []).append(idler)
                elif idler.is_busy() or evictions >= self._evictions_max:
                    if now_tick - idler.seen_tick > self._forced_ticks:
                        self._drop(idler)
                    if idler.is_live():
                        self._buckets.setdefault(now_tick + 1, []).append(idler)
                else:
                    evictions += 1
                    self._evict(idler)
        self._arm()
