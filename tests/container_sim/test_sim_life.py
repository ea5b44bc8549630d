"""After the end of a simulated instance nothing of it has an effect."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boomtown.container_sim.faults import Fault, FaultKind, NoFaults, PlannedFaults
from boomtown.container_sim.sim_git import SimGit
from boomtown.container_sim.sim_life import LivingCalls, SimLife
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.entropy import SeededEntropy
from boomtown.testing.manual_clock import ManualClock, run_passes
from support.git_worlds import SIM_URL, repository_at

CRASH = "container.crash@clone"


class CountingTown:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.count = 0

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        self.count += 1
        return 200, b""


def make_life(clock: ManualClock) -> SimLife:
    return SimLife(clock, SeededEntropy(1), NoFaults(), SimTimings(), on_crash=lambda: None)


async def test_town_hears_nothing_from_the_dead() -> None:
    life, town = make_life(ManualClock()), CountingTown()
    calls = LivingCalls(town, life)
    assert await calls.call("POST", "/api", {}, b"") == (200, b"")
    life.is_over = True
    with pytest.raises(asyncio.CancelledError):
        await calls.call("POST", "/api", {}, b"")
    assert town.count == 1


async def test_operation_under_way_at_the_end_does_not_happen() -> None:
    clock, repositories = ManualClock(), SimRepositories()
    repositories.add_origin(SIM_URL, {})
    life = make_life(clock)
    git = SimGit(Path("/data"), repositories, life)
    cloning = asyncio.create_task(git.refresh(repository_at(SIM_URL), token=None))
    await run_passes()
    life.is_over = True
    await clock.advance_ms(60_000)
    assert cloning.cancelled()
    assert repositories.clones == {}


async def test_planned_crash_does_not_return() -> None:
    crashes: list[str] = []
    faults = PlannedFaults((Fault(point=CRASH, nth=2, kind=FaultKind.CRASH),))
    clock = ManualClock()
    life = SimLife(
        clock, SeededEntropy(1), faults, SimTimings(), on_crash=lambda: crashes.append("")
    )
    await life.reach(CRASH)
    assert crashes == []
    dying = asyncio.create_task(life.reach(CRASH))
    await clock.advance_ms(86_400_000)
    assert crashes == [""]
    assert not dying.done()
    dying.cancel()


async def test_time_is_drawn_within_its_span() -> None:
    entropy = SeededEntropy(1)
    drawn = [Span(3, 5).draw(entropy, label="x") for _ in range(100)]
    assert sorted(dict.fromkeys(drawn)) == [3, 4, 5]
