"""Scripts of the cases about SQL (F)."""

from __future__ import annotations

from support.case_operations import (
    BUMP,
    SYNC,
    Operation,
    Script,
    call,
    cursor,
    get,
    op,
    put,
    sql,
    transaction,
    transaction_sync,
)

TWO = "SELECT 1 AS a UNION SELECT 2"
MAKE = sql("CREATE TABLE t (a)")
FAMILY = sql(
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);CREATE TABLE child (id INTEGER REFERENCES parent)"
)


def each(*texts: str) -> list[Operation]:
    return [sql(text) for text in texts]


CASES: dict[int, Script] = {
    102: [call(sql("SELECT 123"), sql("SELECT 123", mode="raw"))],
    103: [
        call(
            cursor(TWO, "next", "next", "next", "next"),
            cursor(TWO, "to_array", "to_array"),
            cursor("SELECT 1 AS a", "one"),
            cursor("SELECT 1 WHERE 0", "one"),
            cursor(TWO, "one"),
        )
    ],
    104: [
        call(sql("SELECT ? AS a, ? AS b, zeroblob(2) AS c, x'' AS d", b"\x00\xff", None)),
    ],
    105: [
        call(
            MAKE,
            sql("INSERT INTO t VALUES (?)"),
            sql("INSERT INTO t VALUES (?)", 1, 2),
            sql("INSERT INTO t VALUES (1)", 1),
            sql("SELECT * FROM t"),
        )
    ],
    106: [call(*each("", ";", "  ", "-- a comment", "SELECT 1; -- a comment", "/* x */"))],
    107: [
        call(
            sql(
                "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);"
                " SELECT a + 10 FROM t; SELECT a FROM t WHERE a > ?; ",
                1,
            ),
            sql("SELECT 1; SELECT 2 WHERE 0"),
            sql("INSERT INTO t VALUES (3); INSERT INTO missing VALUES (4)"),
            sql("SELECT count(*) AS n FROM t"),
        )
    ],
    108: [
        call(
            put("a", 1),
            MAKE,
            *each(
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
                "ALTER TABLE _cf_KV ADD COLUMN c",
            ),
            get("a"),
        )
    ],
    109: [
        call(*each("BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s")),
    ],
    110: [
        call(
            *each(
                "PRAGMA page_size = 4096",
                "PRAGMA data_version = 2",
                "PRAGMA max_page_count = 5",
                "PRAGMA hard_heap_limit = 5",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA writable_schema = 1",
            ),
            sql("PRAGMA data_version", mode="columns"),
            sql("PRAGMA page_size", mode="columns"),
        )
    ],
    111: [
        call(
            *each(
                *(
                    f"PRAGMA case_sensitive_like = {value}"
                    for value in ("true", "FALSE", "yes", "'no'", "on", '"OFF"', "1", "0")
                ),
                "PRAGMA case_sensitive_like = maybe",
                "PRAGMA case_sensitive_like = 2",
                "PRAGMA recursive_triggers",
            )
        )
    ],
    112: [
        call(
            MAKE,
            *each(
                "PRAGMA quick_check",
                "PRAGMA quick_check(5)",
                "PRAGMA quick_check(t)",
                "PRAGMA quick_check(_cf_KV)",
            ),
        )
    ],
    113: [
        call(
            *each(
                "CREATE TABLE k (a PRIMARY KEY)",
                "INSERT INTO k VALUES (1)",
                "PRAGMA optimize",
                "ANALYZE",
                "SELECT DISTINCT tbl FROM sqlite_stat1",
            )
        )
    ],
    114: [
        call(
            *each(
                "SELECT abs(-1) AS a, cos(0) AS b, '{\"x\":1}' -> 'x' AS c",
                "SELECT length(current_date) AS d",
                "SELECT sqlite_version()",
                "SELECT sqlite_source_id()",
                "SELECT load_extension('x')",
            )
        )
    ],
    115: [
        call(*each(*(" UNION ALL ".join(["SELECT 1 AS one"] * terms) for terms in (5, 6)))),
    ],
    116: [
        call(
            *each(
                "CREATE VIRTUAL TABLE f USING FTS5(x)",
                "CREATE VIRTUAL TABLE v USING fts5vocab(f, 'row')",
                "INSERT INTO f VALUES ('hello world')",
                "SELECT x FROM f WHERE f MATCH 'hello'",
                "SELECT term, doc FROM v ORDER BY term",
                "CREATE VIRTUAL TABLE r USING rtree(id, low, high)",
                "INSERT INTO r VALUES (1, 2, 3)",
                "SELECT id FROM r WHERE low < 2.5",
                "CREATE VIRTUAL TABLE d USING dbstat",
            )
        )
    ],
    117: [
        call(
            sql("SELECT 1 AS a, 2 AS a"),
            sql("SELECT 1 AS a, 2 AS a", mode="raw"),
            sql("SELECT 1 AS a, 2 AS a", mode="columns"),
        )
    ],
    118: [call(MAKE, sql("UPDATE t SET a = 1", mode="columns"))],
    119: [call(op("overlap", text=f"{TWO} UNION SELECT 3"))],
    120: [
        call(
            MAKE,
            *each(
                "CREATE TEMP TABLE q (a)",
                "CREATE TEMPORARY TABLE q (a)",
                "CREATE TEMP VIEW q AS SELECT 1",
                "CREATE TABLE temp.q (a)",
                "CREATE VIEW temp.q AS SELECT 1",
                "CREATE TRIGGER temp.q AFTER INSERT ON t BEGIN SELECT 1; END",
                "CREATE VIRTUAL TABLE temp.q USING fts5(x)",
            ),
        )
    ],
    121: [
        call(
            BUMP,
            *each(
                "CREATE TABLE s (a INTEGER CHECK (a > 0)) STRICT",
                "INSERT INTO s VALUES (0)",
                "INSERT INTO s VALUES ('x')",
                "INSERT INTO s VALUES (1)",
            ),
        ),
        call(BUMP, sql("SELECT a FROM s")),
    ],
    122: [
        call(FAMILY, sql("INSERT INTO child VALUES (1)"), sql("SELECT * FROM child")),
        call(
            transaction_sync(
                *each(
                    "PRAGMA defer_foreign_keys = ON",
                    "INSERT INTO child VALUES (1)",
                    "INSERT INTO parent VALUES (1)",
                )
            )
        ),
        call(SYNC, sql("SELECT * FROM child")),
    ],
    123: [
        call(BUMP, FAMILY),
        call(
            transaction_sync(
                *each("PRAGMA defer_foreign_keys = ON", "INSERT INTO child VALUES (1)")
            ),
            stub="broken",
        ),
        call(BUMP, stub="broken"),
        call(BUMP, sql("SELECT * FROM child")),
    ],
    124: [
        call(
            MAKE,
            op("size_in_pages"),
            sql("CREATE TABLE u (a)"),
            op("size_in_pages"),
            sql("DROP TABLE u"),
            op("size_in_pages"),
        )
    ],
    125: [
        call(
            MAKE,
            cursor("INSERT INTO t VALUES (1)", "written"),
            cursor("INSERT INTO t VALUES (2), (3)", "written"),
            cursor("SELECT a FROM t", "read", "next", "read", "to_array", "read", "written"),
            cursor("SELECT a FROM t WHERE a IN (1, 2, 3)", "to_array", "read"),
        )
    ],
    126: [
        call(
            MAKE,
            sql("INSERT INTO t VALUES ('x')"),
            sql("SELECT * FROM t"),
            sql("ALTER TABLE t ADD COLUMN b DEFAULT 'y'"),
            sql("SELECT * FROM t"),
            transaction(sql("ALTER TABLE t ADD COLUMN c"), sql("SELECT * FROM t")),
        )
    ],
}
