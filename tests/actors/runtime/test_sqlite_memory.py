"""The setting is made in a process of its own: this one's SQLite is in use."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import apsw
from boomtown.actors.runtime.sqlite_memory import reserve_little
open_one = apsw.Connection(":memory:") if {is_open} else None
is_done = reserve_little()
connection = apsw.Connection(":memory:")
connection.execute("CREATE TABLE t (a, b, c, d)").fetchall()
for number in range(200):
    connection.execute(f"SELECT a, b, c, d FROM t WHERE a = {{number}}").fetchall()
slots_used = connection.status(apsw.SQLITE_DBSTATUS_LOOKASIDE_USED)[1]
print(is_done, slots_used == 0, apsw.memory_used() == 0)
"""


def said_by(*, is_open: bool) -> str:
    program = PROGRAM.format(is_open=is_open)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_later_connections_reserve_nothing_and_nothing_is_counted() -> None:
    assert said_by(is_open=False) == "True True True"


def test_nothing_is_changed_while_a_connection_is_open() -> None:
    assert said_by(is_open=True) == "False False False"
