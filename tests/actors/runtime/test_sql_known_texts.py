"""Statements whose text has run before: they take a shorter way, to the same end."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any, cast

import pytest

from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.actors.runtime.sql import KNOWN_TEXTS_MAX, Sql
from support.storage_bench import StorageBench

TWO_ROWS = "SELECT 1 AS a UNION SELECT 2"


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


@pytest.fixture
async def sql(bench: StorageBench) -> Sql:
    return bench.storage.sql


async def test_every_run_of_a_write_belongs_to_its_turn(bench: StorageBench) -> None:
    sql = bench.storage.sql
    sql.exec("CREATE TABLE t (a)")
    for number in range(3):
        sql.exec("INSERT INTO t VALUES (?)", number)
        assert bench.database.is_in_transaction
        assert bench.gate.is_held
        await bench.settle()
        assert not bench.database.is_in_transaction
        assert not bench.gate.is_held
    assert [row["a"] for row in sql.exec("SELECT a FROM t ORDER BY a")] == [0, 1, 2]


async def test_what_only_read_for_want_of_a_table_may_write_later(bench: StorageBench) -> None:
    sql = bench.storage.sql
    drop = "DROP TABLE IF EXISTS t"
    sql.exec(drop)
    await bench.settle()
    sql.exec("CREATE TABLE t (a)")
    await bench.settle()
    sql.exec(drop)
    assert bench.database.is_in_transaction
    assert bench.crashed().sql.exec("SELECT count(*) AS n FROM t").one() == {"n": 0}


async def test_reading_opens_no_transaction_the_second_time_either(bench: StorageBench) -> None:
    for _ in range(2):
        assert bench.storage.sql.exec(TWO_ROWS).to_array() == [{"a": 1}, {"a": 2}]
        assert not bench.database.is_in_transaction
        assert not bench.gate.wants_commit


async def test_bindings_are_counted_and_converted_every_time(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    for number in range(1, 3):
        sql.exec("INSERT INTO t VALUES (?)", bytearray(b"x"))
        assert sql.exec("SELECT count(*) AS n FROM t WHERE a = ?", b"x").one() == {"n": number}
        for text in ("INSERT INTO t VALUES (?)", "SELECT count(*) AS n FROM t WHERE a = ?"):
            with pytest.raises(SqlError, match="Wrong number of parameter bindings"):
                sql.exec(text)


async def test_a_reader_refuses_a_known_write(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    sql.exec("INSERT INTO t VALUES (1)")
    with pytest.raises(SqlError, match="may only read"):
        sql.exec_reading("INSERT INTO t VALUES (1)")
    assert sql.exec("SELECT count(*) AS n FROM t").one() == {"n": 1}


async def test_a_text_that_the_schema_outlived_is_refused_by_sqlite(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    for text in ("SELECT a FROM t", "INSERT INTO t VALUES (1)"):
        sql.exec(text)
    sql.exec("DROP TABLE t")
    for text in ("SELECT a FROM t", "INSERT INTO t VALUES (1)"):
        with pytest.raises(SqlError, match="no such table: t"):
            sql.exec(text)


async def test_our_tables_stay_refused_when_a_known_text_is_compiled_anew(
    bench: StorageBench,
) -> None:
    sql = bench.storage.sql
    sql.exec("CREATE TABLE t (a)")
    sql.exec("CREATE VIEW v AS SELECT a FROM t")
    for _ in range(2):
        assert sql.exec("SELECT * FROM v").to_array() == []
    bench.storage.kv.put("key", 1)  # makes our table
    sql.exec("DROP VIEW v")
    bench.database.run("CREATE VIEW v AS SELECT key AS a FROM _cf_KV")
    with pytest.raises(SqlError, match="prohibited"):
        sql.exec("SELECT * FROM v")


async def test_column_names_are_kept_where_there_is_no_row(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a, b)")
    for _ in range(2):
        assert list(sql.exec("SELECT a, b FROM t").column_names) == ["a", "b"]
    returning = "DELETE FROM t WHERE a = ? RETURNING b AS gone"
    for _ in range(2):
        sql.exec("INSERT INTO t VALUES (1, 2)")
        cursor = sql.exec(returning, 1)
        assert (cursor.to_array(), cursor.rows_written) == ([{"gone": 2}], 1)
        assert list(sql.exec(returning, 1).column_names) == ["gone"]


async def test_columns_that_the_schema_renamed_have_their_new_names_from_then_on(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    sql.exec("INSERT INTO t VALUES (1)")
    for _ in range(2):
        assert sql.exec("SELECT * FROM t").one() == {"a": 1}
    sql.exec("ALTER TABLE t RENAME COLUMN a TO b")
    for _ in range(3):
        assert sql.exec("SELECT * FROM t").one() == {"b": 1}
    sql.exec("ALTER TABLE t ADD COLUMN c")
    sql.exec("DELETE FROM t")
    assert sql.exec("SELECT * FROM t").to_array() == []  # compiled anew, without a row
    sql.exec("INSERT INTO t VALUES (2, 3)")
    for _ in range(2):
        assert sql.exec("SELECT * FROM t").one() == {"b": 2, "c": 3}


async def test_several_statements_run_in_full_every_time(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    for number in range(1, 4):
        sql.exec("INSERT INTO t VALUES (1); INSERT INTO t VALUES (?)", 2)
        assert sql.exec("SELECT 1; SELECT count(*) AS n FROM t;").one() == {"n": 2 * number}


async def test_more_texts_than_are_kept(sql: Sql) -> None:
    for _ in range(2):
        for number in range(KNOWN_TEXTS_MAX + 5):
            assert sql.exec(f"SELECT {number} AS n").one() == {"n": number}


async def test_a_change_of_the_schema_is_not_kept_compiled(bench: StorageBench) -> None:
    bench.storage.sql.exec("CREATE TABLE t (a)")
    bench.storage.sql.exec("SELECT a FROM t")
    connection = cast("Any", bench.database.connection)
    statistics = connection.cache_stats(include_entries=True)
    kept = [each["query"] for each in statistics["entries"]]
    assert "SELECT a FROM t" in kept
    assert "CREATE TABLE t (a)" not in kept


async def test_every_cursor_under_way_ends_with_the_storage(bench: StorageBench) -> None:
    sql = bench.storage.sql
    kept = [sql.exec(TWO_ROWS) for _ in range(100)]
    for _ in range(100):
        sql.exec(TWO_ROWS)  # and nobody has it
    gc.collect()
    bench.storage.delete_all()
    for cursor in kept:
        with pytest.raises(SqlError, match="closed"):
            cursor.next()
