"""The power-cut sweep over the runtime's databases and commit path, and its mutants (decisions 13).

A kill alone finds none of these: only a power cut takes what was not synced.
"""

from __future__ import annotations

import pytest

from boomtown.actors.runtime.ports import Durability
from boomtown.sim.faults import FaultKind
from boomtown.sim.sweep import SweepPlan, sweep
from support.commit_path_story import (
    CommitPathStory,
    WithoutFileSync,
    WithoutFolderSync,
    WithoutParentSync,
)


@pytest.mark.parametrize("is_threaded", [False, True], ids=["inline", "thread"])
def test_nothing_acknowledged_is_lost_at_any_disk_operation(is_threaded: bool) -> None:
    report = sweep(CommitPathStory(is_threaded=is_threaded), SweepPlan(patterns=4))
    assert report.operations > 200
    assert (report.bad, report.first_bad) == (0, None)


def test_nothing_acknowledged_is_lost_in_a_second_life() -> None:
    report = sweep(CommitPathStory(), SweepPlan(patterns=3, first_ends=4))
    assert report.cases > 2_000
    assert (report.bad, report.first_bad) == (0, None)


def test_a_kill_loses_nothing() -> None:
    report = sweep(CommitPathStory(), SweepPlan(outage=FaultKind.KILL))
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize("failure", [FaultKind.IO_ERROR, FaultKind.DISK_FULL])
def test_one_failed_operation_and_a_later_power_cut_lose_nothing(failure: FaultKind) -> None:
    report = sweep(CommitPathStory(), SweepPlan(outage=failure, patterns=3))
    assert report.cases > 500
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(CommitPathStory(flush_of=WithoutFileSync), id="no sync of files"),
        pytest.param(CommitPathStory(flush_of=WithoutFolderSync), id="no sync of folders"),
        pytest.param(CommitPathStory(flush_of=WithoutParentSync), id="no sync of new parents"),
        pytest.param(CommitPathStory(durability=Durability.PROCESS), id="durability process"),
    ],
)
def test_the_sweep_catches(story: CommitPathStory) -> None:
    report = sweep(story, SweepPlan(patterns=3))
    assert report.verdicts["lost"] > 20


def test_the_sweep_catches_a_page_cache_that_is_trusted_after_a_kill() -> None:
    story = CommitPathStory(submits_found_log=False)
    report = sweep(story, SweepPlan(patterns=3, first_ends=4))
    assert report.verdicts["lost"] > 0
    assert report.first_bad is not None
    assert report.first_bad.first_end.startswith("kill")
