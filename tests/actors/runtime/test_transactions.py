"""Transactions beside cases 86 to 101: what nests, and checkpoints between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.storage import Transaction
from boomtown.limits import RuntimeLimits
from support.storage_bench import StorageBench


async def test_an_inner_rollback_keeps_the_outer_writes(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def inner(txn: Transaction) -> None:
        await txn.put("a", 2)
        await txn.put("b", 2)
        txn.rollback()

    async def outer(txn: Transaction) -> None:
        await txn.put("a", 1)
        await bench.storage.transaction(inner)

    await bench.storage.transaction(outer)
    assert await bench.crashed().list() == {"a": 1}


async def test_rolling_back_around_a_running_transaction_is_refused(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def outer(txn: Transaction) -> None:
        async def inner(_: Transaction) -> None:
            with pytest.raises(RuntimeError, match="inside"):
                txn.rollback()

        await bench.storage.transaction(inner)

    await bench.storage.transaction(outer)


async def test_a_failed_savepoint_takes_back_the_table_and_the_alarm(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    def fail() -> None:
        bench.storage.kv.put("a", 1)
        bench.storage.set_alarm(bench.clock.now_ms() + 1000)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        bench.storage.transaction_sync(fail)
    assert await bench.storage.get_alarm() is None
    assert await bench.storage.list() == {}
    await bench.storage.put("b", 1)
    await bench.settle()
    assert bench.registry.registered == []
    assert await bench.crashed().list() == {"b": 1}


async def test_a_long_log_is_checkpointed_in_a_critical_section(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path, limits=RuntimeLimits(wal_bytes_checkpoint=20_000))
    for number in range(40):
        await bench.storage.put(f"key {number}", "x" * 900)
        await bench.settle()
        assert bench.database.wal_end < 40_000
    assert bench.gate.sections
    assert bench.database.wal_generation > 1
    assert len(await bench.storage.list()) == 40


async def test_an_unfinished_cursor_puts_the_checkpoint_off(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path, limits=RuntimeLimits(wal_bytes_checkpoint=20_000))
    await bench.storage.put({"a": 1, "b": 2})
    await bench.settle()
    listing = bench.storage.kv.list()
    next(listing)
    for number in range(20):
        await bench.storage.put(f"key {number}", "x" * 900)
        await bench.settle()
    assert bench.database.wal_generation == 1
    assert bench.gate.reasons == []
    # Tried when the log has grown by as much again, not at every write.
    assert 1 <= len(bench.gate.sections) <= bench.database.wal_end // 20_000
    assert next(listing)[0] == "b"
