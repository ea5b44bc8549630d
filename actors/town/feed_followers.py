"""Readers that wait inside a town for its next change.

Theory of operation. A follower asks `Town.next_changes`; where there is nothing to show it waits
here, and looks again each time that something may have been written (FeedSpeaker), or its time is
over. There is no await between a look and the wait that follows it, so no change falls between
the two. What it is shown it reads from the table, in a turn of its own; the reply then waits at
the output gate like any other. Nothing of this is durable or needs to be: when the object ends
its followers' calls fail, and they ask the next object from their own cursors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from boomtown.clock import Clock
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable


class FeedFollowers:
    """Those of one live town object."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order of their coming

    @property
    def count(self) -> int:
        return len(self._waiting)

    def notify(self) -> None:
        """Have every follower look again."""
        for waiting in self._waiting:
            _wake(waiting)

    async def wait_change(self, until_ms: int, *, followers_max: int) -> None:
        """Return when something may have changed, or at `until_ms`. Raises Unavailable(OVERLOADED)
        where too many wait."""
        if len(self._waiting) >= followers_max:
            raise Unavailable(ErrorCode.OVERLOADED, "Too many wait for this town's changes")
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at_ms(until_ms, _waker(waiting))
        self._waiting[waiting] = None
        try:
            await waiting
        finally:
            timer.cancel()
            del self._waiting[waiting]


def _waker(waiting: asyncio.Future[None]) -> Callable[[], None]:
    return lambda: _wake(waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
