"""What tests of durable objects need: a clock moved by hand, ways into an object, a simulation.

The fixtures are in pytest_plugin.py, which pytest finds by itself. Names are loaded when they are
first used, so that a plugin of every test run costs nothing to those that do not use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from boomtown.testing.manual_clock import ManualClock as ManualClock

if TYPE_CHECKING:
    from boomtown.sim.virtual_loop import VirtualClock as VirtualClock
    from boomtown.testing.object_control import abort as abort
    from boomtown.testing.object_control import abort_all as abort_all
    from boomtown.testing.object_control import evict as evict
    from boomtown.testing.object_control import evict_all as evict_all
    from boomtown.testing.object_control import list_ids as list_ids
    from boomtown.testing.object_control import reset as reset
    from boomtown.testing.object_control import run_alarm as run_alarm
    from boomtown.testing.object_control import run_in_object as run_in_object
    from boomtown.testing.simulated_world import MachineLost as MachineLost
    from boomtown.testing.simulated_world import World as World
    from boomtown.testing.simulation import SimulationFailed as SimulationFailed
    from boomtown.testing.simulation import SimulationReport as SimulationReport
    from boomtown.testing.simulation import simulate as simulate

_HOMES = {
    "MachineLost": "boomtown.testing.simulated_world",
    "SimulationFailed": "boomtown.testing.simulation",
    "SimulationReport": "boomtown.testing.simulation",
    "VirtualClock": "boomtown.sim.virtual_loop",
    "World": "boomtown.testing.simulated_world",
    "abort": "boomtown.testing.object_control",
    "abort_all": "boomtown.testing.object_control",
    "evict": "boomtown.testing.object_control",
    "evict_all": "boomtown.testing.object_control",
    "list_ids": "boomtown.testing.object_control",
    "reset": "boomtown.testing.object_control",
    "run_alarm": "boomtown.testing.object_control",
    "run_in_object": "boomtown.testing.object_control",
    "simulate": "boomtown.testing.simulation",
}

__all__ = [
    "MachineLost",
    "ManualClock",
    "SimulationFailed",
    "SimulationReport",
    "VirtualClock",
    "World",
    "abort",
    "abort_all",
    "evict",
    "evict_all",
    "list_ids",
    "reset",
    "run_alarm",
    "run_in_object",
    "simulate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
