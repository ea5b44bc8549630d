"""The power-cut sweep over the whole runtime: what a caller was answered is on the disk."""

from __future__ import annotations

import pytest

from boomtown.actors.runtime.ports import Durability
from boomtown.sim.faults import FaultKind
from boomtown.sim.sweep import SweepPlan, sweep
from support.commit_path_story import WithoutFileSync, WithoutFolderSync
from support.host_story import HostStory


def test_nothing_answered_is_lost_at_any_disk_operation() -> None:
    report = sweep(HostStory(), SweepPlan(patterns=3))
    assert report.operations > 200
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize("failure", [FaultKind.KILL, FaultKind.IO_ERROR, FaultKind.DISK_FULL])
def test_kills_and_failed_operations_lose_nothing(failure: FaultKind) -> None:
    report = sweep(HostStory(), SweepPlan(outage=failure, patterns=2, every=2))
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(HostStory(flush_of=WithoutFileSync), id="no sync of files"),
        pytest.param(HostStory(flush_of=WithoutFolderSync), id="no sync of folders"),
        pytest.param(HostStory(durability=Durability.PROCESS), id="durability process"),
    ],
)
def test_the_sweep_catches(story: HostStory) -> None:
    report = sweep(story, SweepPlan(patterns=2, every=2))
    assert report.verdicts["lost"] > 10


def test_nothing_answered_is_lost_in_a_second_life() -> None:
    """A torn tail of the first life's log must not pass for what the second life commits."""
    report = sweep(HostStory(), SweepPlan(patterns=2, first_ends=4, every=3))
    assert report.cases > 500
    assert (report.bad, report.first_bad) == (0, None)
