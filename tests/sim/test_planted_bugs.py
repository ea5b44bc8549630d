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
        4,
        27,
        "by_hand.7=2,by_hand.8=1,by_hand_ms.0=52060,by_hand_ms.1=23788,chaos.19=1715,"
        "chaos.20=1324,entropy.sim.git_branch_ms.0=659,entropy.sim.git_branch_ms.1=617,"
        "entropy.sim.spawn_ms.21=363,entropy.sim.spawn_ms.22=410,"
        "entropy.sim.spawn_ms.23=118,entropy.sim.spawn_ms.41=235,"
        "entropy.sim.spawn_ms.42=95,entropy.sim.spawn_ms.43=324,"
        "entropy.sim.spawn_ms.44=261,entropy.sim.spawn_ms.45=38,"
        "entropy.sim.spawn_ms.46=448,entropy.sim.spawn_ms.47=174,"
        "entropy.sim.spawn_ms.48=396,network.double.124=1,network.double.156=1,"
        "network.double.160=1,network.double.242=1,network.double.259=1,"
        "network.double.365=1,network.double.534=1,network.double.753=1,network.lose.31=1,"
        "network.lose.107=1,network.lose.169=1,network.lose.314=1,network.lose.373=1,"
        "network.lose.470=1,network.lose.476=1,network.lose.488=1,network.lose.612=1,"
        "network.lose.710=1,order.0=2,order.1=1,order.4=1,order.5=1,order.7=1,order.12=2,"
        "order.15=1,order.59=1,order.61=1,order.469=2,order.470=1,order.471=1,order.472=1,"
        "order.473=1,order.475=1,order.478=1,order.485=1,order.486=1,order.490=2,"
        "order.495=2,order.497=1,order.501=2,order.502=2,recipe.14=1",
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
