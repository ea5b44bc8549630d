"""Defects that are planted into a simulated town are found, from few faults, and only there.

Each row was found by `boomtown sim --bug BUG` within 500 seeds and shrunk; `make hunt` looks again.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from boomtown.sim.choices import parse_plan
from boomtown.sim.planted_bugs import PlantedBug
from boomtown.sim.town_runs import (
    TownFinding,
    describe,
    faults_of,
    replay_line,
    run_seed,
)

pytestmark = pytest.mark.sim

MINUTE_MS = 60_000
FAULTS_MAX = 5


class Found(NamedTuple):
    """What finds a bug."""

    bug: PlantedBug
    seed: int
    minutes: int
    plan: str
    kind: str


FOUND: tuple[Found, ...] = (
    Found(PlantedBug.NO_SYNC, 0, 10, "chaos.7=1", "lost acknowledgement"),
    Found(PlantedBug.NO_FOLDER_SYNC, 1, 8, "chaos.6=1", "lost acknowledgement"),
    Found(PlantedBug.EARLY_ALARM_DELETION, 2, 8, "chaos.5=179", "lost alarm"),
    Found(
        PlantedBug.EARLY_EFFECT,
        64,
        8,
        "chaos.2=653,chaos.5=172,recipe.1=1",
        "effect before its row",
    ),
    Found(
        PlantedBug.NO_FENCE,
        39,
        21,
        "chaos.13=1365,entropy.sim.git_refresh_ms.14=1777,entropy.sim.git_refresh_ms.15=158,"
        "entropy.sim.work_ms.9=52272,entropy.sim.work_ms.10=25095,entropy.sim.work_ms.11=46395,"
        "entropy.sim.work_ms.12=44300,entropy.sim.work_ms.13=57632,entropy.sim.work_ms.14=48351,"
        "entropy.sim.work_ms.15=44638,entropy.sim.work_ms.25=44500,recipe.2=9,recipe.5=6",
        "body without a session",
    ),
    Found(
        PlantedBug.START_NOT_IDEMPOTENT,
        6,
        21,
        "by_hand.3=1,chaos.11=1822,entropy.sim.work_ms.28=59407",
        "two bodies",
    ),
    Found(PlantedBug.ALREADY_RUNNING_IS_SUCCESS, 5, 8, "chaos.4=1872", "body of another"),
    Found(PlantedBug.ROLLBACK_WITHOUT_CAS, 7, 8, "chaos.2=1955,recipe.2=1", "illegal edge"),
    Found(PlantedBug.SILENCE_IS_DEATH, 0, 8, "chaos.0=1347,recipe.0=1", "body without a session"),
)


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.bug.value)
def test_a_planted_bug_is_found_again_from_its_plan(found: Found) -> None:
    plan = parse_plan(found.plan)
    assert 0 < len(faults_of(plan)) <= FAULTS_MAX
    run_ms = found.minutes * MINUTE_MS
    outcome = run_seed(found.seed, run_ms=run_ms, bug=found.bug, plan=plan)
    assert outcome.kind == found.kind
    finding = TownFinding(
        seed=found.seed, bug=found.bug, run_ms=run_ms, outcome=outcome, plan=plan, shrink_runs=0
    )
    assert f"--plan '{found.plan}'" in replay_line(finding)
    assert replay_line(finding) in describe(finding, commit="0123456789ab")


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.bug.value)
def test_without_the_bug_the_same_plan_passes(found: Found) -> None:
    outcome = run_seed(found.seed, run_ms=found.minutes * MINUTE_MS, plan=parse_plan(found.plan))
    assert (outcome.kind, outcome.message) == ("", "")


def test_every_bug_has_a_row() -> None:
    assert {found.bug for found in FOUND} == set(PlantedBug)
