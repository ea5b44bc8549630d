"""The object's side of alarms beside its numbered cases (tests/conformance/test_g_alarms.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.testing.manual_clock import run_passes
from support.storage_bench import StorageBench, set_alarm_durably


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


async def test_a_crash_in_the_handler_leaves_the_alarm_set(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.put("a", 1)
    await bench.settle()
    assert await bench.crashed().get_alarm() == at_ms


async def test_a_later_alarm_of_the_handler_is_not_registered_before_it_is_durable(
    bench: StorageBench,
) -> None:
    """A crash before the commit must find the delivered instant in the index, as on the disk."""
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.set_alarm(at_ms + 50)
    bench.end_turn()
    assert bench.registry.registered == [at_ms]
    await run_passes()
    assert bench.registry.registered == [at_ms, at_ms + 50]


async def test_the_same_instant_set_in_the_handler_is_delivered_again(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.set_alarm(at_ms)
    await bench.settle()
    await bench.storage.finish_alarm()
    assert await bench.storage.get_alarm() == at_ms
    assert bench.registry.registered == [at_ms]


async def test_a_later_alarm_is_not_registered_by_an_older_commit(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    await bench.storage.put("a", 1)
    bench.end_turn()
    await bench.storage.set_alarm(at_ms + 500)  # not committed when the put becomes durable
    await run_passes()
    assert bench.registry.registered == []
    await bench.settle()
    assert bench.registry.registered == [at_ms + 500]


async def test_an_alarm_that_nobody_asked_for_is_deleted_with_everything_else(
    bench: StorageBench,
) -> None:
    await set_alarm_durably(bench, 1000)
    storage = await bench.reopened()
    bench.registry.registered.clear()
    await storage.delete_all()
    await bench.settle()
    assert bench.registry.registered == [None]


async def test_an_alarm_that_is_first_asked_for_in_what_is_rolled_back_stays(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    storage = await bench.reopened()
    bench.registry.registered.clear()

    def move() -> None:
        storage.set_alarm(at_ms - 500)
        raise ValueError("taken back")

    with pytest.raises(ValueError, match="taken back"):
        storage.transaction_sync(move)
    await bench.settle()
    assert await storage.get_alarm() == at_ms
    assert bench.registry.registered == []


async def test_keys_first_asked_for_in_what_is_rolled_back_can_be_written_again(
    bench: StorageBench,
) -> None:
    storage = await bench.reopened()

    def put() -> None:
        storage.kv.put("a", 1)
        raise ValueError("taken back")

    with pytest.raises(ValueError, match="taken back"):
        storage.transaction_sync(put)
    assert await storage.get("a") is None
    await storage.put("a", 2)
    assert await storage.get("a") == 2
