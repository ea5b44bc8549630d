"""One tick of a busy town: drain, plan and apply, in this process, with agents that only say that
they live. The world is the tests' own: a real host and town, and containers from a script."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from boomtown.actors.town.model import TownConfig
from side_by_side.figures import Row, no_more_than, percentile
from support.town_steps import sling
from support.town_world import OpenTown, TownWorld

BEADS = 1_000
AGENTS = 100
TICKS = 40
SPAN_MS = 5_000  # between ticks of an active town


class _PlainWorld(TownWorld):
    town_class = OpenTown  # the tests' own watches each tick, and takes as long again


def tick_rows(folder: Path) -> list[Row]:
    """The 95th percentile of some ticks, none of which has much to do."""
    taken_ms = asyncio.run(_ticks_ms(folder / "tick"))
    return [
        Row(
            name=f"one tick of a town with {BEADS:,} open beads and {AGENTS} agents: p95",
            unit="ms",
            ours=percentile(taken_ms, 95),
            target=no_more_than(20),
        )
    ]


async def _ticks_ms(folder: Path) -> list[float]:
    config = TownConfig(max_polecats_per_rig=AGENTS)
    taken: list[float] = []
    async with _PlainWorld(folder, config=config) as world:
        for number in range(BEADS):
            await sling(world, f"bead {number}")
        for _ in range(TICKS):
            await world.settle()
            for session in await world.live_sessions():
                await world.heartbeat(session.session_id)
            await world.advance_ms(SPAN_MS)
            began = time.perf_counter()
            await world.tick_now()
            taken.append((time.perf_counter() - began) * 1_000)
    return taken
