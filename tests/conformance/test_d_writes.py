"""Which writes hold the output gate, and `sync` (cases 61 to 72)."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.storage import Transaction
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import StorageBench


async def test_case_061_confirmed_put_holds_output_until_it_is_durable(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    assert bench.gate.is_held
    bench.end_turn()
    assert bench.gate.is_held
    await bench.settle()
    assert not bench.gate.is_held
    assert bench.flush.synced == [bench.database.wal_path]


async def test_case_062_unconfirmed_writes_leave_output_open(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1, allow_unconfirmed=True)
    await bench.storage.put({"b": 1, "c": 2}, allow_unconfirmed=True)
    await bench.storage.delete("a", allow_unconfirmed=True)
    await bench.settle()
    assert bench.gate.locks == []
    assert bench.flush.synced == [bench.database.wal_path]


async def test_case_063_one_confirmed_write_holds_the_turn(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1, allow_unconfirmed=True)
    assert not bench.gate.is_held
    await bench.storage.put("b", 1)
    assert bench.gate.is_held
    await bench.storage.put("c", 1)
    assert len(bench.gate.locks) == 1


async def test_case_064_an_sql_write_is_confirmed(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1, allow_unconfirmed=True)
    bench.storage.sql.exec("CREATE TABLE t (a)")
    assert bench.gate.is_held


@pytest.mark.parametrize("allow_unconfirmed", [True, False])
async def test_case_065_a_failed_sync_breaks_the_object(
    tmp_path: Path, allow_unconfirmed: bool
) -> None:
    bench = StorageBench(tmp_path)
    bench.flush.failure = OSError(5, "Input/output error")
    await bench.storage.put("a", 1, allow_unconfirmed=allow_unconfirmed)
    await bench.settle()
    (reason,) = bench.gate.reasons
    assert isinstance(reason, DurableObjectError)
    assert reason.durable_object_reset
    with pytest.raises(DurableObjectError, match="durable"):
        await bench.storage.get("a")


async def test_case_066_unconfirmed_transaction_leaves_output_open(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def write(txn: Transaction) -> None:
        await txn.put("a", 1, allow_unconfirmed=True)

    await bench.storage.transaction(write)
    assert bench.gate.locks == []
    assert await bench.crashed().get("a") == 1


async def test_case_067_confirmed_inner_transaction_holds_at_the_outer_commit(
    tmp_path: Path,
) -> None:
    bench = StorageBench(tmp_path)
    held_inside: list[bool] = []

    async def inner(txn: Transaction) -> None:
        await txn.put("a", 1)

    async def outer(_: Transaction) -> None:
        await bench.storage.transaction(inner)
        held_inside.append(bench.gate.is_held)

    await bench.storage.transaction(outer)
    assert held_inside == [False]
    assert len(bench.gate.locks) == 1
    await bench.settle()
    assert not bench.gate.is_held


async def test_case_068_inner_transaction_rolled_back_holds_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def inner(txn: Transaction) -> None:
        await txn.put("a", 1)
        txn.rollback()

    async def outer(_: Transaction) -> None:
        await bench.storage.transaction(inner)

    await bench.storage.transaction(outer)
    assert bench.gate.locks == []


async def test_case_069_sync_with_nothing_pending_is_done_at_once(tmp_path: Path) -> None:
    assert StorageBench(tmp_path).storage.sync().done()


async def test_case_070_sync_waits_for_unconfirmed_writes(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1, allow_unconfirmed=True)
    synced = bench.storage.sync()
    bench.end_turn()
    later = bench.storage.sync()
    assert not synced.done()
    assert not later.done()
    await run_passes()
    assert synced.done()
    assert later.done()


async def test_case_071_sync_ignores_later_writes(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    bench.end_turn()
    synced = bench.storage.sync()
    await bench.storage.put("a", 2)  # its turn does not end
    await run_passes()
    assert synced.done()
    assert bench.gate.is_held


async def test_case_072_sync_fails_with_its_commit(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    bench.flush.failure = OSError(5, "Input/output error")
    await bench.storage.put("a", 1)
    synced = bench.storage.sync()
    await bench.settle()
    with pytest.raises(DurableObjectError):
        synced.result()
    with pytest.raises(DurableObjectError):
        await bench.storage.sync()
