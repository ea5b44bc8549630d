"""The life of one simulated instance: its clock, its delays, and its end at any moment.

Everything of an instance that has an effect asks `check` first. After `end` nothing passes, so a
step of a task that was already due when the instance was killed does nothing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from boomtown.clock import Clock
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.container_sim.town_calls import TownCalls
from boomtown.entropy import Entropy


class SimLife:
    """Made with the instance; `on_crash` is called at a planned crash."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        faults: Faults,
        timings: SimTimings,
        on_crash: Callable[[], None],
    ) -> None:
        self.timings = timings
        self.is_over = False
        self._clock = clock
        self._entropy = entropy
        self._faults = faults
        self._on_crash = on_crash

    def check(self) -> None:
        """Whoever outlived the instance stops here, as a task that was cancelled."""
        if self.is_over:
            raise asyncio.CancelledError

    async def reach(self, point: str) -> None:
        """Come by a crash point; whoever dies there does not return."""
        self.check()
        if self._faults.take(point) is not None:
            self._on_crash()
            await asyncio.Event().wait()

    async def spend(self, span: Span, what: str) -> None:
        """Let a drawn time pass."""
        await self.sleep_ms(span.draw(self._entropy, label=f"sim.{what}_ms"))

    async def sleep_ms(self, span_ms: int) -> None:
        self.check()
        await self._clock.sleep_until_ms(self._clock.now_ms() + span_ms)
        self.check()


class LivingCalls:
    """Satisfies TownCalls for as long as the instance lives."""

    def __init__(self, calls: TownCalls, life: SimLife) -> None:
        self._calls = calls
        self._life = life

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        self._life.check()
        answer = await self._calls.call(method, path, headers, body)
        self._life.check()
        return answer
