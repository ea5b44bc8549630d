"""SQL for generated scripts: statements that work, that fail, and that are refused.

Numbers are bound where a column's type decides how they are kept, or in comparisons: JavaScript
binds every number as a double, Python an int as an integer, and the difference is listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boomtown.entropy import Entropy

Operation = dict[str, Any]

MAKE = (
    "CREATE TABLE IF NOT EXISTS item"
    "(id INTEGER PRIMARY KEY, name TEXT UNIQUE, size REAL, data BLOB, CHECK (id < 90));"
    "CREATE TABLE IF NOT EXISTS part"
    "(id INTEGER PRIMARY KEY, item INTEGER REFERENCES item(id), note TEXT);"
)
MODES = ("array", "raw", "one", "columns", "array")
NAMES = ("x", "y", "z", "é", "")
BLOBS = ("", "00ff", "616263")
READS = (
    "SELECT * FROM item ORDER BY id",
    "SELECT id, name FROM item WHERE id > 3 ORDER BY id DESC",
    "SELECT count(*) AS n, sum(id), avg(size), total(size) FROM item",
    "SELECT item.id, part.id FROM item JOIN part ON part.item = item.id ORDER BY 1, 2",
    "SELECT id, typeof(size), typeof(data), length(data) FROM item ORDER BY id",
    "SELECT name, row_number() OVER (ORDER BY id) AS place FROM item ORDER BY id",
    "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 5)"
    " SELECT n FROM up",
    "SELECT json_group_array(name) FROM (SELECT name FROM item ORDER BY id)",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'"
    " ORDER BY name",
    "SELECT * FROM pragma_table_info('item')",
)
CONSTANTS = (
    "SELECT 123",
    "SELECT NULL, 'text', x'0102', 1.5, -7",
    "SELECT 1 AS a, 2 AS a",
    "SELECT abs(-3), lower('ÀB'), substr('hello', 2, 3), round(2.567, 1), hex(x'ab')",
    "SELECT 7 / 2, 7 % 3, 7.0 / 2, 1 || 2, 5 & 6, ~5",
    "SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]'), '{\"a\": 1}' -> 'a', '{\"a\": 1}' ->> 'a'",
    "SELECT date(0, 'unixepoch'), strftime('%Y', '2020-02-03'), julianday('2000-01-01')",
    "VALUES (1), (2), (3)",
    "SELECT 1 WHERE 0",
    "SELECT sin(0), pow(2, 10), ceil(1.2), ln(1), sign(-3)",
    "SELECT printf('%05d|%s', 42, 'x'), coalesce(NULL, 3), iif(1, 'yes', 'no'), nullif(1, 1)",
    "SELECT max(3, 1, 2), min('b', 'a'), instr('abc', 'c'), replace('aaa', 'a', 'b'), trim(' x ')",
    "SELECT group_concat(value, '-') FROM json_each('[1,2,3]')",
    "PRAGMA foreign_keys",
    "PRAGMA table_list('item')",
    "PRAGMA defer_foreign_keys",
    "EXPLAIN QUERY PLAN SELECT 1",
    "SELECT zeroblob(3)",
    "SELECT unicode('é'), char(233, 128512), quote('it''s'), typeof(1), random() IS NOT NULL",
)
REFUSED = (
    "",
    ";",
    "   ",
    "-- a comment",
    "SELECT 1; -- a comment",
    "SELECT",
    "SELEC 1",
    "SELECT * FROM missing",
    "SELECT missing FROM item",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "RELEASE x",
    "CREATE TEMP TABLE t(a)",
    "CREATE TABLE _cf_x(a)",
    "CREATE TABLE _CF_y(a)",
    "SELECT * FROM _cf_KV",
    "DROP TABLE _cf_KV",
    "INSERT INTO _cf_KV VALUES ('a', x'00')",
    "PRAGMA table_info('_cf_KV')",
    "PRAGMA page_size = 512",
    "PRAGMA max_page_count = 3",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version",
    "PRAGMA foreign_keys = maybe",
    "ATTACH 'x' AS y",
    "VACUUM",
    "SELECT sqlite_version()",
    "SELECT load_extension('x')",
    "SELECT nothing(1)",
    "SELECT 1, ?",
    "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6",
    "CREATE VIRTUAL TABLE v USING dbstat",
    "REINDEX",
    "ANALYZE",
    "PRAGMA optimize",
    "PRAGMA quick_check",
    "ALTER TABLE item RENAME TO _cf_item",
    "SELECT likelihood(1, 0.5), changes() >= 0, total_changes() >= 0, last_insert_rowid() >= 0",
    "SELECT 'a' LIKE '" + "x" * 60 + "'",
    "SELECT 'a' GLOB '*'",
)


def chosen_statement(entropy: Entropy) -> Operation:
    """The fields of one `sql` operation."""

    def below(bound: int) -> int:
        return entropy.below(bound, label="sql")

    def mode() -> str:
        return MODES[below(len(MODES))]

    def number() -> list[Any]:
        return ["int", below(12)]

    def name() -> list[Any]:
        return ["str", NAMES[below(len(NAMES))]] if below(6) else ["null"]

    def insert() -> Operation:
        columns = [number() if below(9) else ["int", 95], name(), ["int", below(5)]]
        data = ["bytes", BLOBS[below(len(BLOBS))]]
        tail = (" RETURNING id, name", "", " ON CONFLICT DO NOTHING")[below(3)]
        text = f"{MAKE}INSERT INTO item VALUES (?, ?, ?, ?){tail}"
        return {"text": text, "bindings": [*columns, data], "mode": mode()}

    def change() -> Operation:
        text, bindings = (
            ("UPDATE item SET size = size + 1 WHERE id >= ?", [number()]),
            ("UPDATE item SET name = ? WHERE id = ?", [name(), number()]),
            ("DELETE FROM item WHERE id = ?", [number()]),
            ("INSERT INTO part(item, note) VALUES (?, ?)", [number(), name()]),
            ("INSERT INTO part(item) VALUES (NULL); DELETE FROM part", []),
            ("PRAGMA defer_foreign_keys = ON", []),
            ("REPLACE INTO item(id, name) VALUES (?, ?)", [number(), name()]),
            ("UPDATE item SET id = id + 1 WHERE id = ?", [number()]),
        )[below(8)]
        return {"text": MAKE + text, "bindings": bindings, "mode": mode()}

    def schema() -> Operation:
        text = (
            "CREATE TABLE extra(a, b)",
            "DROP TABLE extra",
            "ALTER TABLE item ADD COLUMN more TEXT DEFAULT 'm'",
            "CREATE INDEX IF NOT EXISTS by_size ON item(size)",
            "DROP TABLE IF EXISTS part",
            "CREATE VIEW IF NOT EXISTS seen AS SELECT id FROM item",
            "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(word)",
            "CREATE TRIGGER IF NOT EXISTS noted AFTER INSERT ON item"
            " BEGIN INSERT INTO part(note) VALUES (new.name); END",
        )[below(8)]
        return {"text": MAKE + text, "mode": mode()}

    def read() -> Operation:
        text = READS[below(len(READS))]
        return {"text": text if below(6) == 0 else MAKE + text, "mode": mode()}

    def constant() -> Operation:
        return {"text": CONSTANTS[below(len(CONSTANTS))], "mode": mode()}

    def refused() -> Operation:
        return {"text": REFUSED[below(len(REFUSED))], "mode": "array"}

    def wrongly_bound() -> Operation:
        return {"text": "SELECT ? IS NULL", "bindings": [number()] * below(3), "mode": "array"}

    makers: tuple[Callable[[], Operation], ...] = (
        insert, insert, insert, change, change, read, read, schema, constant, refused,
        wrongly_bound,
    )  # fmt: skip
    return makers[below(len(makers))]()
