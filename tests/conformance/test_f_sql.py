"""SQL: the specification's cases 102 to 126."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.runtime_errors import DurableObjectError, SqlError
from boomtown.actors.runtime.sql import Sql
from support.storage_bench import StorageBench

REFUSED = "(not authorized|prohibited): SQLITE_AUTH$"
DEFERRED_KEYS = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
    "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
)


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


@pytest.fixture
async def sql(bench: StorageBench) -> Sql:
    return bench.storage.sql


async def test_case_102_rows_as_dicts_and_tuples(sql: Sql) -> None:
    assert sql.exec("SELECT 123").to_array() == [{"123": 123}]
    assert list(sql.exec("SELECT 123").raw()) == [(123,)]


async def test_case_103_the_cursor(sql: Sql) -> None:
    two = "SELECT 1 AS a UNION SELECT 2"
    cursor = sql.exec(two)
    assert [cursor.next(), cursor.next(), cursor.next(), cursor.next()] == [
        {"a": 1},
        {"a": 2},
        None,
        None,
    ]
    assert sql.exec(two).to_array() == list(sql.exec(two))
    assert sql.exec("SELECT 1 AS a").one() == {"a": 1}
    with pytest.raises(SqlError, match="there was none"):
        sql.exec("SELECT 1 WHERE 0").one()
    cursor = sql.exec(two)
    with pytest.raises(SqlError, match="there were more"):
        cursor.one()
    with pytest.raises(SqlError, match="closed"):
        cursor.next()


async def test_case_104_blobs_and_nulls(sql: Sql) -> None:
    row = sql.exec("SELECT ? AS a, ? AS b, zeroblob(2) AS c", b"x", None).one()
    assert row == {"a": b"x", "b": None, "c": b"\0\0"}
    assert sql.exec("SELECT ? AS a", bytearray(b"y")).one() == {"a": b"y"}


@pytest.mark.parametrize("bindings", [(), (1, 2, 3)], ids=["too few", "too many"])
async def test_case_105_wrong_number_of_bindings(sql: Sql, bindings: tuple[int, ...]) -> None:
    sql.exec("CREATE TABLE t (a, b)")
    with pytest.raises(SqlError, match="Wrong number of parameter bindings"):
        sql.exec("INSERT INTO t VALUES (?, ?)", *bindings)
    assert sql.exec("SELECT * FROM t").to_array() == []


@pytest.mark.parametrize("text", ["", ";", "  ", "-- nothing", "SELECT 1; -- nothing"])
async def test_case_106_no_statement(sql: Sql, text: str) -> None:
    with pytest.raises(SqlError, match="did not contain a statement"):
        sql.exec(text)


async def test_case_107_several_statements(sql: Sql) -> None:
    cursor = sql.exec(
        "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);"
        " SELECT a + 10 FROM t; SELECT a FROM t WHERE a > ? ; ",
        1,
    )
    assert cursor.to_array() == [{"a": 2}]
    assert sql.exec("SELECT 1; SELECT 2 WHERE 0").to_array() == []


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE _cf_mine (a)",
        "CREATE TABLE _CF_mine (a)",
        "SELECT * FROM _cf_KV",
        "INSERT INTO _cf_KV VALUES ('a', 'b')",
        "DELETE FROM _Cf_kv",
        "DROP TABLE _cf_KV",
        "PRAGMA table_info(_cf_KV)",
        "SELECT * FROM pragma_table_info('_cf_KV')",
        "CREATE INDEX i ON _cf_KV (value)",
        "CREATE TRIGGER g AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE _cf_f USING fts5(x)",
        "ALTER TABLE t RENAME TO _cf_t",
        "/* ; */ alter table t rename/**/to '_CF_t'",
        "ALTER TABLE _cf_KV ADD COLUMN c",
    ],
)
async def test_case_108_our_names_are_refused(bench: StorageBench, text: str) -> None:
    await bench.storage.put("a", 1)
    bench.storage.sql.exec("CREATE TABLE t (a)")
    for _ in range(2):  # the second time from the statement cache
        with pytest.raises(SqlError, match=REFUSED):
            bench.storage.sql.exec(text)


@pytest.mark.parametrize(
    "text",
    ["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s"],
)
async def test_case_109_transactions_are_the_runtimes(bench: StorageBench, text: str) -> None:
    await bench.storage.put("a", 1)  # so that our own BEGIN IMMEDIATE is in the cache
    await bench.settle()
    with pytest.raises(SqlError, match=r"Use storage\.transaction\(\)"):
        bench.storage.sql.exec(text)


async def test_case_110_readable_pragmas(sql: Sql) -> None:
    assert sql.exec("PRAGMA page_size").one() == {"page_size": 1024}
    assert len(sql.exec("PRAGMA data_version").to_array()) == 1
    for text in (
        "PRAGMA page_size = 4096",
        "PRAGMA max_page_count = 5",
        "PRAGMA hard_heap_limit = 5",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = 1",
    ):
        with pytest.raises(SqlError, match=REFUSED):
            sql.exec(text)


@pytest.mark.parametrize("value", ["true", "FALSE", "yes", "'no'", "on", "OFF", "1", "0"])
async def test_case_111_switches_accept_eight_spellings(sql: Sql, value: str) -> None:
    sql.exec(f"PRAGMA case_sensitive_like = {value}")
    with pytest.raises(SqlError, match=REFUSED):
        sql.exec("PRAGMA case_sensitive_like = maybe")


async def test_case_112_quick_check(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    for text in ("PRAGMA quick_check", "PRAGMA quick_check(5)", "PRAGMA quick_check(t)"):
        assert sql.exec(text).to_array() == [{"quick_check": "ok"}]
    with pytest.raises(SqlError, match=REFUSED):
        sql.exec("PRAGMA quick_check(_cf_KV)")


async def test_case_113_optimize_and_analyze(bench: StorageBench) -> None:
    await bench.storage.put("a", 1)
    bench.storage.sql.exec("CREATE TABLE t (a PRIMARY KEY)")
    bench.storage.sql.exec("INSERT INTO t VALUES (1)")
    bench.storage.sql.exec("PRAGMA optimize")
    bench.storage.sql.exec("ANALYZE")
    rows = bench.storage.sql.exec("SELECT DISTINCT tbl FROM sqlite_stat1").to_array()
    assert rows == [{"tbl": "t"}]


async def test_case_114_functions(sql: Sql) -> None:
    row = sql.exec("SELECT abs(-1) AS a, cos(0) AS b, '{\"x\":1}' -> 'x' AS c").one()
    assert row == {"a": 1, "b": 1.0, "c": "1"}
    assert sql.exec("SELECT current_date AS d").one()["d"]
    for text in ("sqlite_version()", "load_extension('x')", "sqlite_source_id()"):
        with pytest.raises(SqlError, match="not authorized"):
            sql.exec(f"SELECT {text}")


async def test_case_115_compound_terms(sql: Sql) -> None:
    assert len(sql.exec(" UNION ALL ".join(["SELECT 1"] * 5)).to_array()) == 5
    with pytest.raises(SqlError, match="too many terms"):
        sql.exec(" UNION ALL ".join(["SELECT 1"] * 6))


async def test_case_116_virtual_tables(sql: Sql) -> None:
    sql.exec("CREATE VIRTUAL TABLE f USING FTS5(x)")
    sql.exec("CREATE VIRTUAL TABLE v USING fts5vocab(f, 'row')")
    sql.exec("CREATE VIRTUAL TABLE r USING rtree(id, a, b)")
    sql.exec("INSERT INTO f VALUES ('hello world')")
    assert sql.exec("SELECT x FROM f WHERE f MATCH 'hello'").one() == {"x": "hello world"}
    with pytest.raises(SqlError, match=REFUSED):
        sql.exec("CREATE VIRTUAL TABLE d USING dbstat")


async def test_case_117_equal_column_names(sql: Sql) -> None:
    cursor = sql.exec("SELECT 1 AS a, 2 AS a")
    assert list(cursor.column_names) == ["a", "a"]
    assert cursor.one() == {"a": 2}
    assert list(sql.exec("SELECT 1 AS a, 2 AS a").raw()) == [(1, 2)]


async def test_case_118_an_update_has_no_columns(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    assert list(sql.exec("UPDATE t SET a = 1").column_names) == []
    assert list(sql.exec("SELECT a FROM t").column_names) == ["a"]


async def test_case_119_overlapping_cursors(sql: Sql) -> None:
    text = "SELECT 1 AS a UNION SELECT 2 UNION SELECT 3"
    first, second = sql.exec(text), sql.exec(text)
    assert first.next() == {"a": 1}
    assert second.to_array() == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert first.to_array() == [{"a": 2}, {"a": 3}]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TEMP TABLE q (a)",
        "CREATE TEMP VIEW q AS SELECT 1",
        "CREATE TABLE temp.q (a)",
        "CREATE VIEW TEMP.q AS SELECT 1",
        "CREATE TRIGGER temp.q AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE temp.q USING fts5(x)",
    ],
)
async def test_case_120_nothing_temporary(sql: Sql, text: str) -> None:
    sql.exec("CREATE TABLE t (a)")
    with pytest.raises(SqlError, match=REFUSED):
        sql.exec(text)


async def test_case_121_a_constraint_leaves_the_object_alive(bench: StorageBench) -> None:
    sql = bench.storage.sql
    sql.exec("CREATE TABLE t (a INTEGER CHECK (a > 0)) STRICT")
    with pytest.raises(SqlError, match=r"CHECK constraint failed: a > 0: SQLITE_CONSTRAINT$"):
        sql.exec("INSERT INTO t VALUES (0)")
    with pytest.raises(SqlError, match="cannot store TEXT"):
        sql.exec("INSERT INTO t VALUES ('x')")
    sql.exec("INSERT INTO t VALUES (1)")
    await bench.settle()
    assert bench.gate.reasons == []


async def test_case_122_foreign_keys_are_on(bench: StorageBench) -> None:
    sql = bench.storage.sql
    sql.exec("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id REFERENCES p)")
    with pytest.raises(SqlError, match="FOREIGN KEY"):
        sql.exec("INSERT INTO c VALUES (1)")
    sql.exec("PRAGMA defer_foreign_keys = on")
    sql.exec("INSERT INTO c VALUES (1)")
    sql.exec("INSERT INTO p VALUES (1)")
    await bench.settle()
    assert bench.gate.reasons == []


async def test_case_123_a_violated_deferred_key_resets_at_the_commit(bench: StorageBench) -> None:
    bench.storage.sql.exec(DEFERRED_KEYS)
    await bench.settle()
    bench.storage.transaction_sync(lambda: bench.storage.sql.exec("INSERT INTO child VALUES (7)"))
    assert bench.gate.reasons == []
    bench.end_turn()
    (reason,) = bench.gate.reasons
    assert isinstance(reason, DurableObjectError)
    assert reason.durable_object_reset
    assert str(reason).endswith("SQLITE_CONSTRAINT")
    with pytest.raises(DurableObjectError):
        bench.storage.sql.exec("SELECT 1")
    bench.database.close()
    bench.open()
    assert bench.storage.sql.exec("SELECT count(*) AS n FROM child").one() == {"n": 0}


async def test_case_124_database_size_follows_the_tables(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    before = sql.database_size
    sql.exec("CREATE TABLE u (a)")
    assert sql.database_size == before + 1024
    sql.exec("DROP TABLE u")
    assert sql.database_size == before


async def test_case_125_rows_read_and_written(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    assert sql.exec("INSERT INTO t VALUES (1)").rows_written == 1
    assert sql.exec("INSERT INTO t VALUES (2), (3)").rows_written == 2
    cursor = sql.exec("SELECT a FROM t WHERE a IN (1, 2, 3)")
    assert (cursor.rows_read, cursor.rows_written) == (1, 0)
    cursor.next()
    assert cursor.rows_read == 2
    cursor.to_array()
    assert cursor.rows_read == 3


async def test_case_126_a_cached_statement_sees_a_new_column(sql: Sql) -> None:
    sql.exec("CREATE TABLE t (a)")
    sql.exec("INSERT INTO t VALUES (1)")
    assert sql.exec("SELECT * FROM t").one() == {"a": 1}
    sql.exec("ALTER TABLE t ADD COLUMN b DEFAULT 2")
    assert sql.exec("SELECT * FROM t").one() == {"a": 1, "b": 2}
