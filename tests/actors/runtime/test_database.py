"""The file: its place, its pragmas, its log."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from boomtown.actors.runtime.database import Database, DatabaseOptions, database_path
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.limits import RuntimeLimits

KEY = ObjectKey("Thing", "ab" + "1" * 62)


def open_database(data_dir: Path, *, page_size: int = 1024) -> Database:
    options = DatabaseOptions(page_size=page_size)
    return Database(database_path(data_dir, KEY), options, RuntimeLimits())


def test_the_file_lies_in_its_class_and_the_first_two_digits(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t (a)")
    database.close()
    folder = tmp_path / "actors" / "Thing" / "ab"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{KEY.object_id}.sqlite",
        f"{KEY.object_id}.sqlite-wal",  # and no shared-memory file
    ]


def test_pragmas_are_as_the_theory_says(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    read = {
        name: database.rows(f"PRAGMA {name}")[0][0]
        for name in (
            "journal_mode",
            "locking_mode",
            "synchronous",
            "page_size",
            "foreign_keys",
            "cache_size",
        )
    }
    assert read == {
        "journal_mode": "wal",
        "locking_mode": "exclusive",
        "synchronous": 0,
        "page_size": 1024,
        "foreign_keys": 1,
        "cache_size": -2000,  # KiB
    }
    database.close()


def test_each_page_takes_its_memory_by_itself(tmp_path: Path) -> None:
    def taken_singly() -> int:
        return apsw.status(apsw.SQLITE_STATUS_PAGECACHE_OVERFLOW)[0]

    before = taken_singly()
    database = open_database(tmp_path)
    # A work page is, in any case; the first of the cache is not, where many are taken at once.
    assert taken_singly() >= before + 2 * database.page_size
    database.close()


def test_a_second_opening_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t (a)")
    with pytest.raises(apsw.BusyError):
        open_database(tmp_path)
    database.close()
    open_database(tmp_path).close()


@pytest.mark.parametrize("page_size", [1024, 4096])
def test_the_hook_knows_the_end_of_the_log(tmp_path: Path, page_size: int) -> None:
    database = open_database(tmp_path, page_size=page_size)
    database.run("CREATE TABLE t (a)")
    for _ in range(3):
        database.run("INSERT INTO t VALUES (1)")
        commit = database.commit_of(KEY)
        assert commit.wal_end == commit.wal_path.stat().st_size
    database.close()


def test_a_page_size_is_kept_by_files_that_have_one(tmp_path: Path) -> None:
    first = open_database(tmp_path, page_size=4096)
    first.run("CREATE TABLE t (a)")
    first.close()
    again = open_database(tmp_path)
    assert again.page_size == 4096
    again.run("INSERT INTO t VALUES (1)")
    assert again.wal_end == again.wal_path.stat().st_size
    again.close()


def test_closing_leaves_the_log_and_opening_finds_its_end(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t (a)")
    end = database.wal_end
    database.close()
    again = open_database(tmp_path)
    assert again.wal_end == end
    assert again.has_table("t")
    again.close()


def test_a_checkpoint_empties_the_log_and_begins_a_generation(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t (a)")
    assert database.checkpoint()
    assert (database.wal_generation, database.wal_end) == (2, 0)
    assert database.wal_path.stat().st_size == 0
    assert database.has_table("t")
    database.close()


def test_a_checkpoint_waits_for_unfinished_cursors(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t AS SELECT 1 AS a UNION SELECT 2")
    cursor = database.cursor("SELECT a FROM t")
    assert cursor.fetchone() == (1,)
    assert not database.checkpoint()
    assert database.wal_generation == 1
    assert cursor.fetchall() == [(2,)]
    assert database.checkpoint()
    database.close()


def test_erasing_is_one_commit_that_survives(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    database.run("CREATE TABLE t (a)")
    database.erase()
    assert not database.has_table("t")
    assert database.size_bytes == database.page_size
    database.close()
    again = open_database(tmp_path)
    assert not again.has_table("t")
    again.close()


def test_a_file_that_is_no_database_is_refused_and_let_go(tmp_path: Path) -> None:
    path = database_path(tmp_path, KEY)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 4096)
    with pytest.raises(apsw.NotADBError):
        open_database(tmp_path)
    assert path.read_bytes() == b"x" * 4096
