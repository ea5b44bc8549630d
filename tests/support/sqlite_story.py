"""A story for the power-cut sweep: plain SQLite in one of its modes (simulation.md B3)."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import apsw

from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.sweep import OK, Ledger
from boomtown.sim.vfs import SimulatedVfs

START_MS = 1_800_000_000_000
TRANSACTIONS = 8


class SqliteStory:
    """Inserts numbered rows of three sectors, each transaction touching all rows before."""

    def __init__(self, *, journal_mode: str, synchronous: str) -> None:
        self._journal_mode = journal_mode
        self._synchronous = synchronous

    def work(self, disk: Disk, ledger: Ledger) -> None:
        with contextlib.suppress(MachineStopped, apsw.Error), self._open(disk) as database:
            database.execute("create table if not exists t(k integer primary key, v blob, s)")
            start = len(ledger.attempted)
            for number in range(start, start + TRANSACTIONS):
                ledger.attempted.append(number)
                with database:
                    found = database.execute("select coalesce(max(k) + 1, 0) from t").get
                    database.execute(
                        "insert into t values(?, ?, 'x')", (found, bytes([number]) * 1_500)
                    )
                    database.execute("update t set s = 'y' where k < ?", (found,))
                ledger.acknowledged.append(number)
                if number % 5 == 4 and self._journal_mode == "wal":
                    database.execute("pragma wal_checkpoint(passive)").fetchall()

    def check(self, disk: Disk, ledger: Ledger) -> str:
        try:
            with self._open(disk) as database:
                return self._verdict(database, ledger)
        except apsw.Error as error:
            return type(error).__name__

    def _verdict(self, database: Any, ledger: Ledger) -> str:
        if database.pragma("integrity_check") != "ok":
            return "corrupt"
        if not database.execute("select count(*) from sqlite_schema").get:
            return "lost" if ledger.acknowledged else OK
        rows = database.execute("select k, s from t order by k").fetchall()
        if [key for key, _ in rows] != list(range(len(rows))):
            return "not a prefix"
        if len(rows) < len(ledger.acknowledged):
            return "lost"
        if len(rows) > len(ledger.attempted):
            return "phantom"
        if any((mark == "y") != (key < len(rows) - 1) for key, mark in rows):
            return "partial transaction"
        return OK

    @contextlib.contextmanager
    def _open(self, disk: Disk) -> Generator[Any]:
        vfs = SimulatedVfs(disk, now_ms=lambda: START_MS, choices=Choices(seed=0))
        try:
            # apsw's stubs name a type that Python 3.11 does not have, hence Any.
            database: Any = apsw.Connection("/a.db", vfs=vfs.name)
            try:
                for pragma, value in (
                    ("locking_mode", "exclusive"),
                    ("journal_mode", self._journal_mode),
                ):
                    assert database.pragma(pragma, value) == value
                database.pragma("synchronous", self._synchronous)
                yield database
            finally:
                with contextlib.suppress(MachineStopped, apsw.Error):
                    database.close(True)
        finally:
            vfs.unregister()
