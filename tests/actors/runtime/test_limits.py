"""The limits of durable-actors 4.4, one by one: what just fits, and how one more is refused.

The texts are SQLite's, as workerd has them. None of these errors resets the object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import SqlError
from boomtown.actors.runtime.sql import Binding
from boomtown.limits import RuntimeLimits
from support.storage_bench import StorageBench

BYTES_MAX = 4 * 1024 * 1024
TOO_BIG = "string or blob too big: SQLITE_TOOBIG"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[StorageBench]:
    bench = StorageBench(tmp_path)
    bench.storage.sql.exec("CREATE TABLE t (a)")
    for number in range(12):
        bench.storage.sql.exec(f"CREATE TABLE step{number} (a)")
    for number in range(11):
        bench.storage.sql.exec(
            f"CREATE TRIGGER after{number} AFTER INSERT ON step{number}"
            f" BEGIN INSERT INTO step{number + 1} VALUES (new.a); END"
        )
    # Each reading of it takes some 10,000 steps of SQLite's machine, of 25,000.
    sums = (f"max({','.join(['random()'] * 90)}) AS c{number}" for number in range(99))
    bench.storage.sql.exec(f"CREATE VIEW wide AS SELECT {','.join(sums)}")
    await bench.settle()
    yield bench
    assert bench.gate.reasons == [], "a limit breaks nothing"


def columns(count: int) -> str:
    return ", ".join(f"c{number}" for number in range(count))


def repeated(text: str, count: int, *, by: str) -> str:
    return by.join([text] * count)


# What is run with the largest that fits, with one more, and what is said of that.
STATEMENTS = {
    "sql-text": ("SELECT 1".ljust(100_000), "SELECT 1".ljust(100_001), TOO_BIG),
    "columns-of-a-table": (
        f"CREATE TABLE wide_table ({columns(100)})",
        f"CREATE TABLE wider_table ({columns(101)})",
        "too many columns on wider_table: SQLITE_ERROR",
    ),
    "columns-of-a-result": (
        f"SELECT {repeated('1', 100, by=',')}",
        f"SELECT {repeated('1', 101, by=',')}",
        "too many columns in result set: SQLITE_ERROR",
    ),
    "expression-depth": (
        f"SELECT {repeated('1', 100, by='+')}",
        f"SELECT {repeated('1', 101, by='+')}",
        "Expression tree is too large (maximum depth 100): SQLITE_ERROR",
    ),
    "compound-terms": (
        repeated("SELECT 1", 5, by=" UNION ALL "),
        repeated("SELECT 1", 6, by=" UNION ALL "),
        "too many terms in compound SELECT: SQLITE_ERROR",
    ),
    "function-arguments": (
        f"SELECT max({repeated('1', 127, by=',')})",
        f"SELECT max({repeated('1', 128, by=',')})",
        "too many arguments on function max at offset 7: SQLITE_ERROR",
    ),
    "program-steps": (
        "SELECT * FROM wide",
        repeated("SELECT * FROM wide", 3, by=" UNION ALL "),
        "out of memory: SQLITE_NOMEM",
    ),
    "trigger-depth": (
        "INSERT INTO step1 VALUES (1)",
        "INSERT INTO step0 VALUES (1)",
        "triggers nested too deep: SQLITE_ERROR",
    ),
}


@pytest.mark.parametrize(("fits", "one_more", "text"), STATEMENTS.values(), ids=list(STATEMENTS))
async def test_a_statement_at_its_limit_runs_and_one_past_it_is_refused(
    bench: StorageBench, fits: str, one_more: str, text: str
) -> None:
    bench.storage.sql.exec(fits).to_array()
    with pytest.raises(SqlError) as refused:
        bench.storage.sql.exec(one_more)
    assert str(refused.value) == text
    assert bench.storage.sql.exec("SELECT 1 AS one").one() == {"one": 1}


Bound = tuple[str, tuple[Binding, ...]]


def bound_numbers(count: int) -> Bound:
    return f"SELECT 1 WHERE 1 IN ({repeated('?', count, by=',')})", tuple(range(count))


BINDINGS: dict[str, tuple[Bound, Bound, str]] = {
    "bindings": (
        bound_numbers(100),
        bound_numbers(101),
        "too many SQL variables at offset 221: SQLITE_ERROR",
    ),
    "like-pattern": (
        ("SELECT 'a' LIKE ?", ("a" * 50,)),
        ("SELECT 'a' LIKE ?", ("a" * 51,)),
        "LIKE or GLOB pattern too complex: SQLITE_ERROR",
    ),
    "glob-pattern": (
        ("SELECT 'a' GLOB ?", ("a" * 50,)),
        ("SELECT 'a' GLOB ?", ("a" * 51,)),
        "LIKE or GLOB pattern too complex: SQLITE_ERROR",
    ),
    "string": (
        ("SELECT length(?)", ("x" * BYTES_MAX,)),
        ("SELECT length(?)", ("x" * (BYTES_MAX + 1),)),
        TOO_BIG,
    ),
    "blob": (
        ("SELECT length(?)", (b"x" * BYTES_MAX,)),
        ("SELECT length(?)", (b"x" * (BYTES_MAX + 1),)),
        TOO_BIG,
    ),
    # A row is its values and a header of some bytes.
    "row": (
        ("INSERT INTO t VALUES (?)", (b"x" * (BYTES_MAX - 16),)),
        ("INSERT INTO t VALUES (?)", (b"x" * BYTES_MAX,)),
        TOO_BIG,
    ),
}


@pytest.mark.parametrize(("fits", "one_more", "text"), BINDINGS.values(), ids=list(BINDINGS))
async def test_a_binding_at_its_limit_is_taken_and_one_past_it_is_refused(
    bench: StorageBench,
    fits: Bound,
    one_more: Bound,
    text: str,
) -> None:
    bench.storage.sql.exec(fits[0], *fits[1]).to_array()
    with pytest.raises(SqlError) as refused:
        bench.storage.sql.exec(one_more[0], *one_more[1]).to_array()
    assert str(refused.value) == text


async def test_attached_databases_are_refused_by_name_and_by_number(bench: StorageBench) -> None:
    with pytest.raises(SqlError, match=r"not authorized: SQLITE_AUTH$"):
        bench.storage.sql.exec("ATTACH ':memory:' AS other")
    with pytest.raises(Exception, match="too many attached databases - max 0"):
        bench.database.run("ATTACH ':memory:' AS other")


@pytest.mark.parametrize("key_bytes", [2_049, BYTES_MAX - 64])
async def test_a_key_has_no_limit_of_its_own(bench: StorageBench, key_bytes: int) -> None:
    await bench.storage.put("k" * key_bytes, 1)
    assert await bench.storage.get("k" * key_bytes) == 1


@pytest.mark.parametrize("value_bytes", [131_073, 2_000_001, BYTES_MAX - 64])
async def test_a_value_may_be_as_large_as_a_row(bench: StorageBench, value_bytes: int) -> None:
    await bench.storage.put("a", b"x" * value_bytes)
    assert len(await bench.storage.get("a")) == value_bytes


async def test_a_key_or_value_larger_than_a_row_is_refused(bench: StorageBench) -> None:
    for key, value in (("k" * (BYTES_MAX + 1), b""), ("a", b"x" * BYTES_MAX)):
        with pytest.raises(SqlError) as refused:
            await bench.storage.put(key, value)
        assert str(refused.value) == TOO_BIG
    assert await bench.storage.list() == {}


async def test_keys_of_one_call_have_no_limit(bench: StorageBench) -> None:
    keys = [f"key {number:04}" for number in range(1_000)]
    await bench.storage.put(dict.fromkeys(keys, 1))
    assert list(await bench.storage.get(keys)) == keys
    assert await bench.storage.delete(keys) == 1_000


async def test_the_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path, limits=RuntimeLimits(sql_columns_max=10, value_bytes_max=10_000))
    with pytest.raises(SqlError, match="too many columns in result set"):
        bench.storage.sql.exec("SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")
    with pytest.raises(SqlError, match="SQLITE_TOOBIG"):
        await bench.storage.put("a", b"x" * 10_000)
