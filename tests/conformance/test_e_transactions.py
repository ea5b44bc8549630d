"""Transactions, `delete_all`, and storage that is broken (cases 86 to 101)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boomtown.actors.runtime.runtime_errors import DurableObjectError, SqlError
from boomtown.actors.runtime.storage import Transaction
from support.storage_bench import StorageBench


async def test_case_099_a_broken_object_refuses_every_operation(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    storage = bench.storage
    await storage.put("a", 1)
    await bench.settle()
    reason = DurableObjectError("gone", durable_object_reset=True)
    storage.shut(reason)
    storage.shut(DurableObjectError("a second reason is not heard"))
    for operation in (
        lambda: storage.get("a"),
        lambda: storage.put("a", 2),
        lambda: storage.delete("a"),
        lambda: storage.list(),
        lambda: storage.kv.get("a"),
        lambda: storage.sql.exec("SELECT 1"),
        lambda: storage.get_alarm(),
        lambda: storage.set_alarm(bench.clock.now_ms()),
        lambda: storage.delete_all(),
        lambda: storage.transaction_sync(lambda: None),
    ):
        with pytest.raises(DurableObjectError, match="gone"):
            operation()
    bench.end_turn()
    assert bench.gate.reasons == []


async def test_case_086_a_transaction_returns_its_value_and_commits(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def write(txn: Transaction) -> str:
        await txn.put("a", 1)
        await asyncio.sleep(0)  # turns may end inside
        bench.end_turn()
        await bench.storage.put("b", 2)
        return "v"

    assert await bench.storage.transaction(write) == "v"
    assert await bench.crashed().list() == {"a": 1, "b": 2}


async def test_case_087_what_was_open_is_committed_first(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)

    async def fail(_: Transaction) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bench.storage.transaction(fail)
    assert await bench.crashed().get("a") == 1


async def test_case_088_rollback_reverts_and_the_value_counts(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    ended: list[Transaction] = []

    async def take_back(txn: Transaction) -> str:
        await txn.put("a", 1)
        txn.rollback()
        txn.rollback()
        with pytest.raises(RuntimeError, match="ended"):
            txn.put("a", 2)
        await bench.storage.put("b", 2)  # storage goes on, in the turn's own transaction
        ended.append(txn)
        return "v"

    assert await bench.storage.transaction(take_back) == "v"
    await bench.settle()
    assert await bench.crashed().list() == {"b": 2}
    with pytest.raises(RuntimeError, match="ended"):
        ended[0].get("a")


async def test_case_089_an_exception_reverts_and_the_object_lives(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def fail(txn: Transaction) -> None:
        await txn.put("a", 1)
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no$"):
        await bench.storage.transaction(fail)
    assert await bench.storage.get("a") is None
    assert bench.gate.reasons == []


async def test_case_090_an_outer_rollback_undoes_inner_commits(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def inner(txn: Transaction) -> None:
        await txn.put("a", 1)

    async def outer(txn: Transaction) -> None:
        await bench.storage.transaction(inner)
        assert await txn.get("a") == 1
        txn.rollback()

    await bench.storage.transaction(outer)
    assert await bench.storage.get("a") is None


async def test_case_091_transaction_sync_reverts_tables_too(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    storage = bench.storage
    assert storage.transaction_sync(lambda: 7) == 7

    def fail() -> None:
        storage.sql.exec("CREATE TABLE t (a)")
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        storage.transaction_sync(fail)
    with pytest.raises(SqlError, match="no such table"):
        storage.sql.exec("SELECT * FROM t")


async def test_case_092_only_the_inner_savepoint_is_reverted(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    kv = bench.storage.kv

    def inner() -> None:
        kv.put("a", 2)
        raise ValueError

    def outer() -> None:
        kv.put("a", 1)
        with pytest.raises(ValueError, match=r"^$"):
            bench.storage.transaction_sync(inner)
        kv.put("b", 1)

    bench.storage.transaction_sync(outer)
    await bench.settle()
    assert await bench.crashed().list() == {"a": 1, "b": 1}


async def test_case_093_a_table_made_in_a_rolled_back_transaction_is_made_again(
    tmp_path: Path,
) -> None:
    bench = StorageBench(tmp_path)

    async def take_back(txn: Transaction) -> None:
        await txn.put("a", 1)
        txn.rollback()

    await bench.storage.transaction(take_back)
    await bench.storage.put("b", 1)
    assert await bench.storage.list() == {"b": 1}


async def test_case_094_an_alarm_of_a_rolled_back_transaction_is_none(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def take_back(txn: Transaction) -> None:
        await txn.set_alarm(bench.clock.now_ms() + 1000)
        txn.rollback()

    await bench.storage.transaction(take_back)
    assert await bench.storage.get_alarm() is None
    await bench.storage.set_alarm(bench.clock.now_ms() + 5)
    assert await bench.storage.get_alarm() == bench.clock.now_ms() + 5


async def test_case_095_delete_all_takes_the_turn_with_it(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    await bench.storage.delete_all()
    assert await bench.storage.get("a") is None
    assert bench.gate.is_held
    await bench.settle()
    assert not bench.gate.is_held
    assert await bench.crashed().list() == {}


async def test_case_096_after_delete_all_everything_starts_again(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    bench.storage.sql.exec("CREATE TABLE t (a)")
    await bench.storage.put("n", 41)
    await bench.settle()
    cursor = bench.storage.sql.exec("SELECT 1 UNION SELECT 2")
    await bench.storage.delete_all()
    await bench.storage.put("n", (await bench.storage.get("n") or 0) + 1)
    await bench.settle()
    assert await bench.crashed().list() == {"n": 1}
    with pytest.raises(SqlError, match="no such table"):
        bench.storage.sql.exec("SELECT * FROM t")
    with pytest.raises(SqlError, match="closed"):
        cursor.to_array()


async def test_case_097_delete_all_in_a_transaction_is_refused(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)

    async def erase(txn: Transaction) -> None:
        for refused in (txn.delete_all, bench.storage.delete_all):
            with pytest.raises(RuntimeError, match="not allowed"):
                refused()

    await bench.storage.transaction(erase)
    with pytest.raises(RuntimeError, match="not allowed"):
        bench.storage.transaction_sync(bench.storage.delete_all)


async def test_case_098_delete_all_twice(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.delete_all()
    await bench.storage.delete_all()
    await bench.settle()
    assert bench.gate.reasons == []
    assert not bench.gate.is_held


async def capped_bench(tmp_path: Path) -> StorageBench:
    bench = StorageBench(tmp_path)
    bench.storage.sql.exec("CREATE TABLE t (a)")
    await bench.storage.put("a", 1)
    await bench.settle()
    bench.database.run("PRAGMA max_page_count = 10")
    return bench


async def test_case_100_a_critical_error_breaks_the_object(tmp_path: Path) -> None:
    bench = await capped_bench(tmp_path)
    await bench.storage.put("b", 1)
    with pytest.raises(SqlError, match=r"SQLITE_FULL$"):
        bench.storage.sql.exec("INSERT INTO t VALUES (zeroblob(100000))")
    (reason,) = bench.gate.reasons
    with pytest.raises(DurableObjectError) as refused:
        await bench.storage.get("a")
    assert refused.value is reason
    bench.end_turn()
    bench.database.close()
    assert await bench.open().list() == {"a": 1}


async def test_case_101_a_critical_error_cannot_be_swallowed_in_a_savepoint(
    tmp_path: Path,
) -> None:
    bench = await capped_bench(tmp_path)

    def swallow() -> None:
        with pytest.raises(SqlError):
            bench.storage.sql.exec("INSERT INTO t VALUES (zeroblob(100000))")

    with pytest.raises(DurableObjectError, match="Cannot commit"):
        bench.storage.transaction_sync(swallow)
