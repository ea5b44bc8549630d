"""Who may open an object's file while it is open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from boomtown.actors.runtime.database import Database, DatabaseOptions
from boomtown.limits import RuntimeLimits

SHELL = """
import sqlite3, sys
try:
    print(sqlite3.connect(sys.argv[1], timeout=0).execute("SELECT count(*) FROM t").fetchall())
except sqlite3.OperationalError as error:
    print(error)
"""


def open_database(file: Path) -> Database:
    return Database(file, DatabaseOptions(), RuntimeLimits())


def ask_in_a_shell(file: Path) -> str:
    """What another program gets, which locks as SQLite does."""
    ran = subprocess.run(
        [sys.executable, "-c", SHELL, str(file)], capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def test_another_program_finds_an_open_file_locked_and_a_closed_one_readable(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.sqlite"
    database = open_database(file)
    database.run("CREATE TABLE t (a)")
    assert ask_in_a_shell(file) == "database is locked"
    database.checkpoint()
    assert ask_in_a_shell(file) == "database is locked"
    database.close()
    assert ask_in_a_shell(file) == "[(0,)]"


def test_a_refused_opening_leaves_the_lock_to_the_first(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    database = open_database(file)
    database.run("CREATE TABLE t (a)")
    for _ in range(2):
        with pytest.raises(apsw.BusyError):
            open_database(file)
    assert ask_in_a_shell(file) == "database is locked"
    database.close()


def test_an_opening_that_fails_locks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    file.write_bytes(b"no database" * 200)
    for _ in range(2):
        with pytest.raises(apsw.NotADBError):
            open_database(file)
    file.unlink()
    open_database(file).close()
