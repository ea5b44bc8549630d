"""A scenario as a value, and one run of it."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.sim_timings import SimTimings
from boomtown.sim.choices import Choices
from boomtown.sim.escapes import Escape
from boomtown.sim.scenarios.scenario_world import QUICK, ScenarioWorld, Script
from boomtown.sim.town_runs import broken_off
from boomtown.sim.town_server import ServerParts
from boomtown.sim.town_world import TownOutcome, run_world
from boomtown.sim.virtual_loop import Hang, Livelock


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One named story of what goes wrong in a town, and of what must be so all the same."""

    name: str
    sentence: str
    row: int  # of town.md 10; 0: of no row
    script: Script
    timings: SimTimings = QUICK


def run_scenario(scenario: Scenario, *, seed: int, parts: ServerParts) -> TownOutcome:
    """One run; equal seeds give equal outcomes. A hang, a livelock and an escape are outcomes."""
    choices = Choices(seed=seed)
    try:
        return run_world(
            choices,
            lambda loop: ScenarioWorld(
                loop, choices, script=scenario.script, parts=parts, timings=scenario.timings
            ),
        )
    except (Hang, Livelock, Escape) as error:
        return broken_off(error, choices)
