"""`delete_all` leaves what a new object has: nothing of the old one's data, cursors or settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors import SqlError
from support.storage_bench import StorageBench

READABLE_SWITCHES = (
    "defer_foreign_keys",
    "foreign_keys",
    "ignore_check_constraints",
    "legacy_alter_table",
    "recursive_triggers",
    "reverse_unordered_selects",
)


def switches_of(bench: StorageBench) -> dict[str, object]:
    """How they stand; the one that cannot be read is told by what it does."""
    storage = bench.storage
    read = {name: storage.sql.exec(f"PRAGMA {name}").one()[name] for name in READABLE_SWITCHES}
    return {**read, "like": storage.sql.exec("SELECT 'A' LIKE 'a' AS found").one()["found"]}


async def test_switches_stand_as_in_a_new_object(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    new = switches_of(bench)
    for name in READABLE_SWITCHES:
        bench.storage.sql.exec(f"PRAGMA {name} = {'off' if new[name] else 'on'}")
    bench.storage.sql.exec("PRAGMA case_sensitive_like = on")
    assert not new.items() & switches_of(bench).items(), "every one was switched"
    await bench.storage.delete_all()
    assert switches_of(bench) == new


async def test_what_was_being_read_ends(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    bench.storage.sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    await bench.storage.put({"a": 1, "b": 2})
    await bench.settle()
    rows = iter(bench.storage.sql.exec("SELECT a FROM t"))
    entries = iter(bench.storage.kv.list())
    assert (next(rows), next(entries)) == ({"a": 1}, ("a", 1))
    await bench.storage.delete_all()
    with pytest.raises(SqlError, match="closed"):
        next(rows)
    with pytest.raises(RuntimeError):
        next(entries)


async def test_it_holds_the_replies_of_a_turn_that_confirmed_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1, allow_unconfirmed=True)
    assert not bench.gate.is_held
    await bench.storage.delete_all()
    assert bench.gate.is_held
    await bench.settle()
    assert not bench.gate.is_held
    assert await bench.storage.list() == {}
