"""Delivery of alarms beside its numbered cases, and the order of the index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from boomtown.actors.runtime.alarm_index import AlarmIndex
from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.commit_path import FileCommitPath
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.ports import Durability, ObjectKey, SilentInstrument
from boomtown.limits import RuntimeLimits
from boomtown.testing.manual_clock import run_passes
from support.alarm_office import ONE, TWO, Office
from support.storage_bench import RecordingFlush


async def test_the_earliest_is_delivered_first_wherever_it_was_moved(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set(ONE, 1000)
    office.set(TWO, 2000)
    office.set(ONE, 3000)
    office.set(TWO, 500)
    await office.clock.advance_ms(5000)
    assert [each[:4] for each in office.delivered] == [
        ("2", None, 500, 500),
        ("1", None, 3000, 3000),
    ]


async def test_an_abandonment_that_fails_leaves_the_alarm_scheduled(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.outcomes = [AlarmOutcome.FAILED] * 7
    office.abandon_failure = RuntimeError("no object")
    office.set(ONE, 0)
    await office.clock.advance_ms(170_000)
    assert len(office.delivered) == 7
    assert len(office.index.rows()) == 1
    await office.clock.advance_ms(200_000)
    assert len(office.delivered) == 8
    assert office.index.rows() == []


async def test_an_alarm_set_in_a_handler_that_succeeds_is_delivered(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.held = asyncio.Event()
    office.set(ONE, 100)
    await office.clock.advance_ms(100)
    office.set(ONE, 100)  # the very instant that is being delivered
    assert len(office.delivered) == 1  # handlers of one object never overlap
    office.held.set()
    await office.clock.advance_ms(1)
    assert [each[2] for each in office.delivered] == [100, 100]


async def test_a_retry_is_replaced_by_a_new_alarm_and_ended_by_none(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.outcomes = [AlarmOutcome.FAILED, AlarmOutcome.FAILED]
    office.set(ONE, 0)
    office.set(TWO, 0)
    await office.clock.advance_ms(10)
    office.set(ONE, 500)
    office.set(TWO, None)
    await office.clock.advance_ms(60_000)
    assert [(each[0], *each[2:]) for each in office.delivered[2:]] == [("1", 500, 500, 0)]


async def test_a_delivery_that_was_cut_off_runs_again_after_a_restart(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.held = asyncio.Event()
    office.set(ONE, 0)
    await office.clock.advance_ms(1)
    await office.restart()
    office.held.set()
    await office.clock.advance_ms(1)
    assert len(office.delivered) == 2
    assert office.index.rows() == []


async def test_deliveries_at_once_are_bounded(tmp_path: Path) -> None:
    office = Office(tmp_path, limits=RuntimeLimits(alarm_deliveries_max=3))
    office.held = asyncio.Event()
    for number in range(8):
        office.set(ObjectKey("Thing", f"{number}" * 64), 0)
    await office.clock.advance_ms(10)
    assert [each[0] for each in office.delivered] == ["0", "1", "2"]
    office.held.set()
    await office.clock.advance_ms(10)
    assert [each[0] for each in office.delivered] == list("01234567")


class HeldRunner:
    """Runs each batch when told to, as a slow flush thread would."""

    def __init__(self) -> None:
        self.batches: list[tuple[Callable[[], None], asyncio.Future[None]]] = []

    def start(self, work: Callable[[], None]) -> asyncio.Future[None]:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.batches.append((work, ended))
        return ended

    def close(self) -> None:
        """Nothing to release."""

    async def release(self) -> None:
        """Run what waits, and what comes of it."""
        await run_passes()
        while self.batches:
            work, ended = self.batches.pop(0)
            work()
            ended.set_result(None)
            await run_passes()


async def test_the_index_is_left_alone_while_a_checkpoint_has_it(tmp_path: Path) -> None:
    runner = HeldRunner()
    path = FileCommitPath(
        flush=RecordingFlush(),
        runner=runner,
        durability=Durability.FULL,
        data_dir=tmp_path,
        instrument=SilentInstrument(),
        on_broken=lambda _: None,
    )
    index = AlarmIndex(
        data_dir=tmp_path,
        class_name="Thing",
        options=DatabaseOptions(),
        limits=RuntimeLimits(wal_bytes_checkpoint=1),
        commit_path=path,
    )
    index.set("1", None, 1000)  # past the bound: a checkpoint is asked for
    durable = index.set("2", None, 2000)
    assert durable is not None
    assert [row.scheduled_at_ms for row in index.rows()] == [1000]
    await runner.release()
    assert durable.done()
    assert [row.scheduled_at_ms for row in index.rows()] == [1000, 2000]


async def test_the_index_is_checkpointed_and_loses_nothing_meanwhile(tmp_path: Path) -> None:
    office = Office(tmp_path, limits=RuntimeLimits(wal_bytes_checkpoint=20_000))
    for number in range(100):
        office.set(ONE, 1000 + number)
        office.set(TWO, 2000 + number)
        if number % 7 == 0:
            await run_passes()
    await run_passes()
    assert [row.scheduled_at_ms - office.start_ms for row in office.index.rows()] == [1099, 2099]
    await office.restart()
    assert [row.scheduled_at_ms - office.start_ms for row in office.index.rows()] == [1099, 2099]
