"""SQL beside its numbered cases, which are in tests/conformance/test_f_sql.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.actors.runtime.sql import Sql
from support.storage_bench import StorageBench

REFUSED = "(not authorized|prohibited): SQLITE_AUTH$"


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


@pytest.fixture
async def sql(bench: StorageBench) -> Sql:
    return bench.storage.sql


async def test_integers_are_64_bit_both_ways(sql: Sql) -> None:
    assert sql.exec("SELECT ? AS a, 1 << 62 AS b", -(1 << 63)).one() == {
        "a": -(1 << 63),
        "b": 1 << 62,
    }


async def test_our_names_are_visible_in_listings(bench: StorageBench) -> None:
    await bench.storage.put("a", 1)
    row = bench.storage.sql.exec("SELECT name FROM sqlite_schema WHERE type = 'table'").one()
    assert row == {"name": "_cf_KV"}


@pytest.mark.parametrize("text", ["ATTACH ':memory:' AS m", "DETACH main"])
async def test_attaching_is_refused(sql: Sql, text: str) -> None:
    with pytest.raises(SqlError, match=REFUSED):
        sql.exec(text)


@pytest.mark.parametrize("text", ["VACUUM", "VACUUM INTO 'x'"])
async def test_vacuum_never_runs_because_a_transaction_is_open(sql: Sql, text: str) -> None:
    with pytest.raises(SqlError, match="cannot VACUUM"):
        sql.exec(text)


async def test_a_syntax_error_says_where(sql: Sql) -> None:
    with pytest.raises(SqlError, match=r"syntax error at offset 7: SQLITE_ERROR$"):
        sql.exec("SELECT FROM t")


async def test_unread_rows_of_a_write_do_not_keep_the_turn_from_committing(
    bench: StorageBench,
) -> None:
    sql = bench.storage.sql
    sql.exec("CREATE TABLE t (a)")
    cursor = sql.exec("INSERT INTO t VALUES (1), (2) RETURNING a")
    await bench.settle()
    assert bench.gate.reasons == []
    assert cursor.to_array() == [{"a": 1}, {"a": 2}]
    assert cursor.rows_written == 2


async def test_a_write_happens_though_nobody_reads(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    sql.exec("INSERT INTO t VALUES (?) RETURNING a", 1)
    assert sql.exec("SELECT count(*) AS n FROM t").one() == {"n": 1}
