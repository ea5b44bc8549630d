"""The end of a container that somebody asks for: who is told, and how long agents may go on.

Theory of operation. There are two ways to ask. An *eviction* (SIGTERM: a machine that goes down, an
operator) has time: the town is told once, so that it starts nothing and concludes nothing from
silence (town.md 7.4, row 55), and agents may finish within `eviction_wait_ms` (decisions 52). The
*hurry* is the town's server's own: it ends, it stops the container, or the container sleeps. The
server knows of that end, has a bound of its own and kills after it, so nothing is told and nothing
waited for. A hurry cuts an eviction's wait short; after either the work is saved (bodies.py).

The word to the town is best effort and comes before the wait, never instead of it: a town that
does not hear it learns the end from the completions and from the instance's end. Nothing here is
durable. A container killed in its wait is one that crashed; the drain that it told is ended by the
proof of its end.
"""

from __future__ import annotations

import asyncio
import logging

from boomtown.clock import Clock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.deadlines import deadline
from boomtown.container_sim.town_link import TownLink

log = logging.getLogger(__name__)


class DrainWish:
    """Set by whoever asks for the end, as often as they like; one per control server."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.hurried = asyncio.Event()

    def evict(self) -> None:
        """End when the agents have finished, or have had their time."""
        self.wanted.set()

    def hurry(self) -> None:
        """End now, with the work saved."""
        self.hurried.set()
        self.wanted.set()


async def give_time(
    wish: DrainWish, bodies: Bodies, link: TownLink, clock: Clock, *, wait_ms: int
) -> None:
    """Tell the town, then let agents work; returns at the end of both or at a hurry. No start may
    be taken any more."""
    if wish.hurried.is_set():
        return
    giving = asyncio.create_task(_tell_and_wait(bodies, link, clock, wait_ms), name="give-time")
    hurrying = asyncio.create_task(wish.hurried.wait(), name="hurry")
    try:
        await asyncio.wait({giving, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        if giving.done():
            giving.result()
    finally:
        hurrying.cancel()
        if giving.cancel():
            await asyncio.wait({giving})


async def _tell_and_wait(bodies: Bodies, link: TownLink, clock: Clock, wait_ms: int) -> None:
    await link.tell_eviction()
    try:
        async with deadline(clock, wait_ms):
            await bodies.wait_finished()
    except TimeoutError:
        log.warning("eviction_wait_over live=%s", len(bodies.live_reports()))
