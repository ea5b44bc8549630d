"""A whole town in simulation: it works, it is the same run twice, and it keeps what it said."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from boomtown.sim.choices import Choices
from boomtown.sim.town_runs import run_seed
from boomtown.sim.town_world import CALM, HOUR_MS, TownWorld, run_town, run_world
from support.sim_hashes import compute_hashes, recorded_hashes

pytestmark = pytest.mark.sim

HERE = Path(__file__).parent
REGRESSIONS = HERE / "regressions.txt"
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
NEEDED = "import aiohttp, anyio, apsw, click, jwt, msgspec, psutil, rich"
HALF_HOUR_MS = HOUR_MS // 2
SEEDS_PER_RUN = 6  # of `make test`; `make hunt` runs hundreds


def other_pythons() -> list[str]:
    """Every other Python that has what a simulation imports: those named in
    BOOMTOWN_SIM_PYTHONS, and those on the PATH."""
    named = os.environ.get("BOOMTOWN_SIM_PYTHONS", "").split(os.pathsep)
    found = [path for path in (*named, *(shutil.which(name) or "" for name in PYTHONS)) if path]
    return [path for path in dict.fromkeys(found) if _has_dependencies(path)]


def _has_dependencies(python: str) -> bool:
    if Path(python).resolve() == Path(sys.executable).resolve():
        return False
    return subprocess.run([python, "-c", NEEDED], capture_output=True, check=False).returncode == 0


def failed_once() -> list[int]:
    lines = REGRESSIONS.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def test_a_convoy_of_three_beads_lands() -> None:
    outcome = run_town(Choices(seed=0, plan={}), msgspec.structs.replace(CALM, run_ms=60_000))
    assert (outcome.kind, outcome.message) == ("", "")
    assert outcome.statuses["convoy closed"] == 1
    assert outcome.faults_fired == ()


class ImpatientWorld(TownWorld):
    """Is shut down as soon as it has work to do, and its end is not clean either."""

    async def _be_busy(self, until_ms: int) -> None:
        slinger = self._person("slinger")
        await self.load.settle_down(slinger)
        await self.load.sling_convoy(slinger, 1, is_plain=True)

    async def _come_to_rest(self) -> None:
        asyncio.get_running_loop().call_soon(self._fail)

    def _fail(self) -> None:
        raise AssertionError("torn down")


def test_trouble_at_the_end_of_a_world_does_not_hide_its_lack_of_rest() -> None:
    choices = Choices(seed=0, plan={})
    settings = msgspec.structs.replace(CALM, run_ms=0)
    outcome = run_world(choices, lambda loop: ImpatientWorld(loop, choices, settings))
    assert outcome.kind == "no rest"


def test_a_seed_is_the_same_run_twice() -> None:
    first, second = (run_seed(7, run_ms=HOUR_MS // 10) for _ in range(2))
    assert first == second
    assert first.events > 50
    assert first.digest != run_seed(8, run_ms=HOUR_MS // 10).digest


@pytest.mark.parametrize("python", [sys.executable, *other_pythons()])
def test_recorded_seeds_have_their_traces_on_every_python(python: str) -> None:
    assert compute_hashes(python) == recorded_hashes()


@pytest.mark.parametrize("seed", failed_once())
def test_a_seed_that_once_failed_passes(seed: int) -> None:
    outcome = run_seed(seed, run_ms=HALF_HOUR_MS)
    assert (outcome.kind, outcome.message) == ("", "")


@pytest.mark.parametrize("seed", range(1_000, 1_000 + SEEDS_PER_RUN))
def test_half_an_hour_of_outages_loses_nothing(seed: int) -> None:
    outcome = run_seed(seed, run_ms=HALF_HOUR_MS)
    assert (outcome.kind, outcome.message) == ("", "")
    assert outcome.checks > 10
