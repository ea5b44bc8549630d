"""What storage holds the output gate for: cases 61 to 72, 85, 87 and 99."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.ports import Durability
from boomtown.actors.runtime.runtime_errors import DurableObjectError, OutsideTurnError
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


async def test_reading_opens_no_transaction_and_holds_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.get("a")
    bench.storage.sql.exec("SELECT 1")
    assert await bench.storage.delete([]) == 0
    assert not bench.gate.wants_commit
    assert bench.gate.locks == []


async def test_deleting_a_missing_key_is_a_write_as_in_workerd(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    assert await bench.storage.delete("a") == 0
    assert bench.gate.wants_commit
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


async def test_case_085_a_turn_commits_whatever_its_handler_raised(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    bench.end_turn()
    assert await bench.crashed().get("a") == 1


async def test_case_023_a_reset_in_the_turn_loses_its_writes_only(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    await bench.settle()
    await bench.storage.put("a", 2)
    lock = bench.gate.locks[-1]
    storage = bench.crashed()
    assert await storage.get("a") == 1
    assert lock.exception() is not None


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


async def test_storage_outside_a_turn_is_refused_by_name(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    bench.gate.is_turn = False
    with pytest.raises(OutsideTurnError, match=r"storage\.put"):
        bench.storage.put("a", 1)


async def test_process_durability_holds_until_the_commit_only(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path, durability=Durability.PROCESS)
    await bench.storage.put("a", 1)
    assert bench.gate.is_held
    bench.end_turn()
    assert not bench.gate.is_held
    assert bench.storage.sync().done()
    await run_passes()
    assert bench.flush.synced == []


async def test_what_a_killed_process_left_is_synced_before_the_first_reply(
    tmp_path: Path,
) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    await bench.settle()
    bench.flush.synced.clear()
    bench.crashed()
    assert bench.gate.is_held
    await run_passes()
    assert not bench.gate.is_held
    assert bench.flush.synced == [bench.database.wal_path]


async def test_a_file_that_was_closed_in_order_opens_without_a_sync(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    await bench.reopened()
    assert bench.database.wal_end == 0
    assert bench.gate.locks == []
    assert await bench.storage.get("a") == 1
