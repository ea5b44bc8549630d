"""The harness proves itself on plain SQLite, whose answers are known (simulation.md B3)."""

from __future__ import annotations

import pytest

from boomtown.sim.disk import DiskModel
from boomtown.sim.faults import FaultKind
from boomtown.sim.sweep import SweepPlan, sweep
from support.sqlite_story import SqliteStory


@pytest.mark.parametrize(
    ("journal_mode", "synchronous"),
    [
        ("wal", "full"),
        ("delete", "full"),
        ("delete", "extra"),
        ("truncate", "full"),
        ("persist", "full"),
    ],
)
def test_full_modes_lose_nothing(journal_mode: str, synchronous: str) -> None:
    story = SqliteStory(journal_mode=journal_mode, synchronous=synchronous)
    report = sweep(story, SweepPlan())
    assert report.cases > 300
    assert (report.bad, report.first_bad) == (0, None)


def test_wal_full_loses_nothing_in_a_second_life() -> None:
    story = SqliteStory(journal_mode="wal", synchronous="full")
    report = sweep(story, SweepPlan(first_ends=6, patterns=3))
    assert report.cases > 600
    assert (report.bad, report.first_bad) == (0, None)


def test_wal_normal_loses_acknowledged_rows_and_corrupts_nothing() -> None:
    report = sweep(SqliteStory(journal_mode="wal", synchronous="normal"), SweepPlan())
    assert report.verdicts["lost"] > 50
    assert set(report.verdicts) == {"ok", "lost"}


def test_wal_off_loses_and_corrupts() -> None:
    report = sweep(SqliteStory(journal_mode="wal", synchronous="off"), SweepPlan())
    assert report.verdicts["lost"] > 50
    assert set(report.verdicts) - {"ok", "lost"}


def test_delete_off_is_bad_most_of_the_time() -> None:
    report = sweep(SqliteStory(journal_mode="delete", synchronous="off"), SweepPlan())
    assert report.bad > report.cases // 3


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(DiskModel(sync_works=False), id="the disk lies about syncs"),
        pytest.param(DiskModel(dir_sync_works=False), id="folders are never synced"),
    ],
)
def test_a_disk_that_lies_is_seen(model: DiskModel) -> None:
    story = SqliteStory(journal_mode="wal", synchronous="full")
    assert sweep(story, SweepPlan(model=model)).bad > 100


@pytest.mark.parametrize("synchronous", ["normal", "off"])
def test_a_killed_process_loses_nothing_whatever_the_mode(synchronous: str) -> None:
    story = SqliteStory(journal_mode="wal", synchronous=synchronous)
    report = sweep(story, SweepPlan(outage=FaultKind.KILL))
    assert report.cases > 40
    assert report.bad == 0
