"""The power-cut sweep over the shared commit log, and its planted faults (commit-log.md 3).

A bounded part runs here; `make sweep` runs every operation, more seeds and more landing patterns
(support.commit_log_campaign).
"""

from __future__ import annotations

import pytest

from boomtown.sim.faults import FaultKind
from boomtown.sim.sweep import SweepPlan, SweepReport, sweep
from support.commit_log_aim import sweep_recoveries_after_kills
from support.commit_log_faults import (
    NOTHING_EMPTIED,
    NOTHING_LARGE,
    EagerCheckpoint,
    TemplateInPlace,
    UnsyncedLog,
    UnsyncedOwnLogs,
    UsesAlike,
)
from support.commit_log_story import LIMITS, CommitLogStory, Plan


def assert_nothing_lost(report: SweepReport) -> None:
    assert (report.bad, report.first_bad) == (0, None)


@pytest.mark.parametrize("interleaves", [False, True], ids=["inline", "interleaved"])
def test_nothing_acknowledged_is_lost_at_any_disk_operation(interleaves: bool) -> None:
    story = CommitLogStory(Plan(interleaves=interleaves, seed=1))
    report = sweep(story, SweepPlan(patterns=3, every=5))
    assert report.operations > 400
    assert_nothing_lost(report)


def test_nothing_acknowledged_is_lost_while_segments_are_used_again() -> None:
    story = CommitLogStory(Plan(rounds=9, interleaves=True, seed=2))
    assert_nothing_lost(sweep(story, SweepPlan(patterns=2, every=11)))


def test_nothing_acknowledged_is_lost_in_a_second_life() -> None:
    report = sweep(CommitLogStory(Plan(rounds=4)), SweepPlan(patterns=2, first_ends=4, every=9))
    assert report.cases > 200
    assert_nothing_lost(report)


@pytest.mark.parametrize("failure", [FaultKind.KILL, FaultKind.IO_ERROR, FaultKind.DISK_FULL])
def test_kills_and_failed_operations_lose_nothing(failure: FaultKind) -> None:
    story = CommitLogStory(Plan(interleaves=True, seed=3))
    report = sweep(story, SweepPlan(outage=failure, patterns=2, every=4))
    assert report.cases > 100
    assert_nothing_lost(report)


def test_a_recovery_after_a_kill_may_be_cut_anywhere() -> None:
    verdicts = sweep_recoveries_after_kills(Plan(seed=6, rounds=12))
    assert sum(verdicts.values()) > 200
    assert set(verdicts) == {"ok"}


def test_the_sweep_catches_a_recovery_that_checkpoints_before_the_log_is_gone() -> None:
    """The main file has taken a commit that the log does not hold, and is led backwards."""
    verdicts = sweep_recoveries_after_kills(Plan(seed=6, rounds=12, disk_of=EagerCheckpoint))
    assert set(verdicts) > {"ok"}


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(disk_of=UnsyncedLog), id="the log is not synced"),
        pytest.param(Plan(recovers=False), id="no recovery"),
        pytest.param(
            Plan(disk_of=UnsyncedOwnLogs, limits=NOTHING_LARGE, rounds=10),
            id="segments are emptied without a sync of the own logs",
        ),
        pytest.param(Plan(disk_of=TemplateInPlace), id="templates are written in place"),
        pytest.param(Plan(disk_of=UsesAlike, rounds=8), id="uses of a segment are not told apart"),
    ],
)
def test_the_sweep_catches(plan: Plan) -> None:
    report = sweep(CommitLogStory(plan), SweepPlan(patterns=2, every=8))
    assert report.bad > 5


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(
            Plan(disk_of=UnsyncedOwnLogs, limits=NOTHING_EMPTIED, rounds=2),
            id="no sync of an own log at its first opening",
        ),
        pytest.param(
            Plan(trusts_found_end=True, limits=LIMITS, rounds=3),
            id="a found log's end is taken for logged",
        ),
    ],
)
def test_the_sweep_of_two_lives_catches(plan: Plan) -> None:
    report = sweep(CommitLogStory(plan), SweepPlan(patterns=2, every=5, first_ends=12))
    assert report.bad > 5
