"""When free memory is given back: after many endings, in a quiet moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

from boomtown.actors.runtime.ports import ObjectKey
from boomtown.freed_memory import (
    ENDED_MIN,
    EVENTS_QUIET_MAX,
    PAUSE_MS,
    FreedMemory,
    find_trim,
)
from boomtown.testing import ManualClock

KEY = ObjectKey("Thing", "ab" + "1" * 62)


class Server:
    """A host's instrument, and how often memory was given back."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.trims = 0
        self.memory = FreedMemory(self.clock, trim=self._trim)

    def _trim(self) -> None:
        self.trims += 1

    def end(self, objects: int) -> None:
        for _ in range(objects):
            self.memory.object_stopped(KEY, "idle")

    async def pass_ms(self, span_ms: int) -> int:
        """How often it was given back until then."""
        await self.clock.advance_ms(span_ms)
        return self.trims


async def test_it_is_given_back_once_after_many_endings() -> None:
    server = Server()
    server.end(ENDED_MIN)
    assert await server.pass_ms(PAUSE_MS - 1) == 0
    assert await server.pass_ms(1) == 1
    server.end(ENDED_MIN - 1)
    assert await server.pass_ms(10 * PAUSE_MS) == 1
    server.end(1)
    assert await server.pass_ms(PAUSE_MS) == 2


async def test_a_few_endings_are_not_worth_it() -> None:
    server = Server()
    server.end(ENDED_MIN - 1)
    assert await server.pass_ms(10 * PAUSE_MS) == 0


async def test_it_waits_for_a_quiet_moment() -> None:
    server = Server()
    server.end(ENDED_MIN)
    server.memory.commits_synced(EVENTS_QUIET_MAX + 1, 1)
    assert await server.pass_ms(PAUSE_MS) == 0
    for _ in range(EVENTS_QUIET_MAX + 1):
        server.memory.object_started(KEY)
    assert await server.pass_ms(PAUSE_MS) == 0
    server.memory.commits_synced(EVENTS_QUIET_MAX, 1)
    assert await server.pass_ms(PAUSE_MS) == 1


async def test_a_stopped_host_is_left_alone() -> None:
    server = Server()
    server.end(ENDED_MIN)
    server.memory.stop()
    assert await server.pass_ms(10 * PAUSE_MS) == 0


async def test_the_systems_own_can_be_called() -> None:
    begun = find_trim()()
    if asyncio.isfuture(begun):
        assert await cast("Awaitable[int]", begun) in (0, 1)
