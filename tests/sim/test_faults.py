"""Faults are values aimed at points, and it shows whether they fired."""

from __future__ import annotations

import pytest

from boomtown.sim.choices import Choices
from boomtown.sim.faults import (
    ChosenFaults,
    Fault,
    FaultKind,
    FaultRate,
    PlannedFaults,
    enumerate_faults,
)


def test_a_planned_fault_fires_at_its_nth_time_and_only_then() -> None:
    faults = PlannedFaults((Fault("disk.sync", 3, FaultKind.IO_ERROR),))
    assert [faults.reach("disk.sync") for _ in range(5)] == [
        None,
        None,
        FaultKind.IO_ERROR,
        None,
        None,
    ]
    assert faults.reach("alarm.middle") is None
    assert faults.fired == [Fault("disk.sync", 3, FaultKind.IO_ERROR)]
    assert faults.reached == {"disk.sync": 5, "alarm.middle": 1}


def test_a_fault_that_was_never_reached_has_not_fired() -> None:
    faults = PlannedFaults((Fault("disk.sync", 3, FaultKind.IO_ERROR),))
    faults.reach("disk.sync")
    assert faults.fired == []


def test_two_faults_at_one_place_are_a_mistake() -> None:
    twice = (Fault("a", 1, FaultKind.ERROR), Fault("a", 1, FaultKind.HANG))
    with pytest.raises(AssertionError, match="two faults"):
        PlannedFaults(twice)


def test_points_of_a_traced_run_are_enumerated() -> None:
    traced = PlannedFaults()
    for point in ("b", "a", "a"):
        traced.reach(point)
    kill = FaultKind.KILL
    assert enumerate_faults(traced.reached, kind=kill) == (
        Fault("a", 1, kill),
        Fault("a", 2, kill),
        Fault("b", 1, kill),
    )
    assert enumerate_faults(traced.reached, kind=kill, point="b") == (Fault("b", 1, kill),)


def test_chosen_faults_fire_at_their_rate_until_they_are_stopped() -> None:
    rates = {"disk.sync": FaultRate(100, (FaultKind.IO_ERROR, FaultKind.POWER_CUT))}
    faults = ChosenFaults(Choices(seed=1), rates)
    for _ in range(1_000):
        faults.reach("disk.sync")
        assert faults.reach("disk.write") is None
    assert 60 < len(faults.fired) < 140
    assert {fault.kind for fault in faults.fired} == set(rates["disk.sync"].kinds)
    faults.stop()
    assert all(faults.reach("disk.sync") is None for _ in range(1_000))


def test_a_chosen_fault_is_one_choice_of_the_plan() -> None:
    rates = {"disk.sync": FaultRate(100, (FaultKind.IO_ERROR, FaultKind.POWER_CUT))}
    plan = {("fault.disk.sync", 1): 1}
    faults = ChosenFaults(Choices(seed=1, plan=plan), rates)
    assert [faults.reach("disk.sync") for _ in range(3)] == [None, FaultKind.IO_ERROR, None]
