"""A bound on a block of awaits, measured by the clock that was given, not by the event loop's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from boomtown.clock import Clock


@asynccontextmanager
async def deadline(clock: Clock, span_ms: int) -> AsyncGenerator[None]:
    """Cancel what the block waits for when `span_ms` have passed, and raise TimeoutError from
    the block; a cancellation from outside stays one, as with `asyncio.timeout`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        timer = clock.call_at_ms(clock.now_ms() + span_ms, lambda: scope.reschedule(loop.time()))
        try:
            yield
        finally:
            timer.cancel()
