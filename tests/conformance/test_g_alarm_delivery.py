"""Delivery of alarms: the specification's cases 128, 130, 149 to 151, 154 and 155."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

from boomtown.actors.runtime.alarms import AlarmOutcome
from support.alarm_office import ONE, TWO, Office


async def test_case_128_an_alarm_is_delivered_at_its_time_and_not_before(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set(ONE, 1000)
    await office.clock.advance_ms(999)
    assert office.delivered == []
    await office.clock.advance_ms(1)
    assert office.delivered == [("1", None, 1000, 1000, 0)]
    assert office.index.rows() == []


async def test_case_130_an_alarm_that_was_deleted_is_not_delivered(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set(ONE, 1000)
    office.set(ONE, None)
    await office.clock.advance_ms(5000)
    assert office.delivered == []


async def test_case_149_an_alarm_that_always_fails_runs_seven_times(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.outcomes = [AlarmOutcome.FAILED] * 9
    office.set(ONE, 0)
    await office.clock.advance_ms(600_000)
    assert [each[4] for each in office.delivered] == list(range(7))
    starts = [each[3] for each in office.delivered]
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    for gap, least in zip(gaps, (2000, 4000, 8000, 16000, 32000, 64000), strict=True):
        assert least <= gap <= least * 5 // 4
    assert office.abandoned == [0]
    assert office.index.rows() == []


async def test_case_150_an_alarm_set_in_a_failing_handler_is_fresh(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.held = asyncio.Event()
    office.outcomes = [AlarmOutcome.FAILED]
    office.set(ONE, 100)
    await office.clock.advance_ms(100)
    office.set(ONE, 10_000)
    office.held.set()
    await office.clock.advance_ms(60_000)
    assert [each[2:] for each in office.delivered] == [(100, 100, 0), (10_000, 10_000, 0)]


async def test_case_151_a_dropped_alarm_is_not_retried(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.outcomes = [AlarmOutcome.DROPPED]
    office.set(ONE, 0)
    await office.clock.advance_ms(60_000)
    assert len(office.delivered) == 1
    assert office.abandoned == [0]  # the object deletes its own
    assert office.index.rows() == []


async def test_case_154_an_exception_of_the_host_is_not_counted(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.outcomes = [RuntimeError("host")] * 8
    office.set(ONE, 0)
    await office.clock.advance_ms(3_000_000)
    assert [each[4] for each in office.delivered] == [0] * 9


async def test_case_155_a_restart_keeps_alarms_and_fires_overdue_ones(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set(ONE, 1000, "named")
    office.set(TWO, 90_000)
    await office.scheduler.aclose()
    await office.clock.advance_ms(5000)
    assert office.delivered == []
    await office.restart()
    await office.clock.advance_ms(0)
    assert office.delivered == [("1", "named", 1000, 5000, 0)]
    await office.clock.advance_ms(100_000)
    assert office.delivered[1:] == [("2", None, 90_000, 90_000, 0)]
