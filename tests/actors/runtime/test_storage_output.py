"""What storage holds the output gate for, beside cases 61 to 72."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.ports import Durability
from boomtown.actors.runtime.runtime_errors import OutsideTurnError
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import StorageBench


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


async def test_a_reset_in_the_turn_loses_its_writes_only(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    await bench.settle()
    await bench.storage.put("a", 2)
    lock = bench.gate.locks[-1]
    storage = bench.crashed()
    assert await storage.get("a") == 1
    assert lock.exception() is not None
