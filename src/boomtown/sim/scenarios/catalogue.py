"""All named scenarios, in the order of their rows."""

from __future__ import annotations

import difflib

from boomtown.sim.scenarios import reviews, sessions, starts
from boomtown.sim.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = tuple(
    sorted(
        (*reviews.SCENARIOS, *sessions.SCENARIOS, *starts.SCENARIOS),
        key=lambda scenario: (scenario.row, scenario.name),
    )
)
NAMES_MAX = 3  # that are suggested


def find_scenario(name: str) -> Scenario | None:
    """The scenario of exactly that name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)


def nearest_names(name: str) -> list[str]:
    """The names that hold it, then those most like it; at least one."""
    names = [scenario.name for scenario in SCENARIOS]
    holding = [known for known in names if name and name in known]
    near = difflib.get_close_matches(name, names, n=NAMES_MAX, cutoff=0.4)
    found = list(dict.fromkeys((*holding, *near)))[:NAMES_MAX]
    return found or difflib.get_close_matches(name, names, n=1, cutoff=0.0)
