"""The power-cut sweep over the whole runtime with the shared commit log: what a caller was
answered is on the disk, and alarms are not forgotten."""

from __future__ import annotations

import pytest

from boomtown.sim.faults import FaultKind
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.sweep import SweepPlan, sweep
from support.commit_log_faults import TemplateInPlace, UnsyncedLog
from support.host_story import HostStory

LOGGED = HostStory(log_disk_of=SimulatedLogDisk)


def test_nothing_answered_is_lost_at_any_disk_operation() -> None:
    report = sweep(LOGGED, SweepPlan(patterns=2, every=2))
    assert report.operations > 150
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize("failure", [FaultKind.KILL, FaultKind.IO_ERROR, FaultKind.DISK_FULL])
def test_kills_and_failed_operations_lose_nothing(failure: FaultKind) -> None:
    report = sweep(LOGGED, SweepPlan(outage=failure, patterns=2, every=3))
    assert (report.bad, report.first_bad) == (0, None)


def test_nothing_answered_is_lost_in_a_second_life() -> None:
    report = sweep(LOGGED, SweepPlan(patterns=2, first_ends=3, every=5))
    assert report.cases > 200
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize("disk_of", [UnsyncedLog, TemplateInPlace])
def test_the_sweep_catches(disk_of: type[SimulatedLogDisk]) -> None:
    report = sweep(HostStory(log_disk_of=disk_of), SweepPlan(patterns=2, every=3))
    assert report.bad > 5
