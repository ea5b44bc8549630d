"""The schedules of one object as rows of its own database.

`_cf_SCHEDULES` is hidden from the object's SQL like every `_cf_` table, made at the first
schedule, and gone with delete_all. A row is one schedule (`letter` 0) or one dead letter of it
(`letter` counts up), which becomes a living row again when it is retried. No row is kept for runs
that succeeded.
"""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.schedule_rules import Cron, Every, RetryPolicy, Timing
from boomtown.actors.runtime.sqlite_surface import SqlRow, SqlValue
from boomtown.actors.runtime.stored_values import decode_value
from boomtown.actors.runtime.transactions import Transactions

TABLE = "_cf_SCHEDULES"
_CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    name TEXT NOT NULL,
    letter INTEGER NOT NULL,          -- 0: the schedule itself; else the dead letter's number
    method TEXT,                      -- NULL: on_schedule
    payload BLOB NOT NULL,            -- stored_values.py
    interval_ms INTEGER,              -- Every
    cron TEXT,                        -- Cron; neither: once
    due_at_ms INTEGER NOT NULL,       -- the occurrence's own instant
    run_at_ms INTEGER NOT NULL,       -- that, or when it is tried again
    failures INTEGER NOT NULL,        -- of this occurrence
    starts INTEGER NOT NULL,          -- of this attempt, begun and not ended
    last_error TEXT,
    is_dead INTEGER NOT NULL CHECK (is_dead IN (0, 1)),
    attempts INTEGER NOT NULL,        -- of the retry policy, as the next two
    backoff_ms INTEGER NOT NULL,
    backoff_ms_max INTEGER NOT NULL,
    PRIMARY KEY (name, letter)
) STRICT
"""
_INDEX = f"CREATE INDEX IF NOT EXISTS {TABLE}_by_run ON {TABLE} (is_dead, run_at_ms)"
_COLUMNS = (
    "name, letter, method, payload, interval_ms, cron, due_at_ms, run_at_ms, failures, starts,"
    " last_error, is_dead, attempts, backoff_ms, backoff_ms_max"
)
_PUT = f"INSERT OR REPLACE INTO {TABLE} ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"
_DELETE = f"DELETE FROM {TABLE} WHERE name = ? AND letter = ?"
_FIND = f"SELECT {_COLUMNS} FROM {TABLE} WHERE name = ? AND letter = ?"
_FIND_LETTER = f"SELECT {_COLUMNS} FROM {TABLE} WHERE letter = ?"
_LIST = f"SELECT {_COLUMNS} FROM {TABLE} WHERE is_dead = ? ORDER BY name, letter"
_FIRST = (
    f"SELECT {_COLUMNS} FROM {TABLE} WHERE is_dead = 0 ORDER BY run_at_ms, name, letter LIMIT 1"
)
_LAST_LETTER = f"SELECT COALESCE(MAX(letter), 0) FROM {TABLE}"
_DROP_OLD_LETTERS = (
    f"DELETE FROM {TABLE} WHERE is_dead = 1 AND letter NOT IN"
    f" (SELECT letter FROM {TABLE} WHERE is_dead = 1 ORDER BY letter DESC LIMIT ?)"
)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule, or one dead letter, as it was when it was asked for. Instants are ms since the
    epoch."""

    name: str
    timing: Timing  # None: once
    due_at_ms: int  # the instant of the present occurrence
    run_at_ms: int  # that, or when it is tried again
    method: str | None  # None: on_schedule
    encoded_payload: bytes
    retry: RetryPolicy
    letter_id: int | None = None  # of a dead letter, living again or not
    is_dead: bool = False
    failures: int = 0  # runs of this occurrence that failed
    starts: int = 0  # runs that began and did not end: the object, or the process, died
    last_error: str | None = None

    @property
    def payload(self) -> Any:
        """A fresh copy of what was scheduled with it."""
        return decode_value(self.encoded_payload)


class ScheduleTable:
    """The table. Its user has checked the turn, and says when a rollback took it away."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self.exists: bool | None = None  # not looked at yet: most objects have no schedule

    def put(self, schedule: Schedule) -> None:
        """Write a row in place of any of its name and letter."""
        if not self.exists:
            self._write(_CREATE)
            self._write(_INDEX)
            self.exists = True
        timing, retry = schedule.timing, schedule.retry
        self._write(
            _PUT,
            schedule.name,
            schedule.letter_id or 0,
            schedule.method,
            schedule.encoded_payload,
            timing.interval_ms if isinstance(timing, Every) else None,
            timing.expression if isinstance(timing, Cron) else None,
            schedule.due_at_ms,
            schedule.run_at_ms,
            schedule.failures,
            schedule.starts,
            schedule.last_error,
            int(schedule.is_dead),
            retry.attempts,
            retry.backoff_ms,
            retry.backoff_ms_max,
        )

    def _is_there(self) -> bool:
        if self.exists is None:
            self.exists = self._database.has_table(TABLE)
        return self.exists

    def delete(self, name: str, letter_id: int | None) -> None:
        if self._is_there():
            self._write(_DELETE, name, letter_id or 0)

    def drop_old_letters(self, *, kept_max: int) -> None:
        """Forget the oldest dead letters past the bound."""
        self._write(_DROP_OLD_LETTERS, kept_max)

    def find(self, name: str, letter_id: int | None) -> Schedule | None:
        return self._find(_FIND, name, letter_id or 0)

    def find_letter(self, letter_id: int) -> Schedule | None:
        return self._find(_FIND_LETTER, letter_id)

    def find_first(self) -> Schedule | None:
        """The living row that runs first."""
        return self._find(_FIRST)

    def rows(self, *, is_dead: bool) -> list[Schedule]:
        """Living or dead rows, by name."""
        if not self._is_there():
            return []
        return [_schedule(row) for row in self._database.rows(_LIST, (int(is_dead),))]

    def next_letter_id(self) -> int:
        return self._database.read_int(_LAST_LETTER) + 1

    def _find(self, sql: str, *bindings: SqlValue) -> Schedule | None:
        rows = self._database.rows(sql, bindings) if self._is_there() else []
        return _schedule(rows[0]) if rows else None

    def _write(self, sql: str, *bindings: SqlValue) -> None:
        self._transactions.begin_write(is_confirmed=True)
        try:
            self._database.run(sql, bindings)
        except apsw.Error as error:
            raise self._transactions.translated(error) from error


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """The columns, in their order."""

    name: str
    letter: int
    method: str | None
    payload: bytes
    interval_ms: int | None
    cron: str | None
    due_at_ms: int
    run_at_ms: int
    failures: int
    starts: int
    last_error: str | None
    is_dead: int
    attempts: int
    backoff_ms: int
    backoff_ms_max: int


def _schedule(columns: SqlRow) -> Schedule:
    row = msgspec.convert(columns, _Row)
    timing: Timing = None
    if row.interval_ms is not None:
        timing = Every(row.interval_ms)
    elif row.cron is not None:
        timing = Cron(row.cron)
    return Schedule(
        name=row.name,
        timing=timing,
        due_at_ms=row.due_at_ms,
        run_at_ms=row.run_at_ms,
        method=row.method,
        encoded_payload=row.payload,
        retry=RetryPolicy(
            attempts=row.attempts, backoff_ms=row.backoff_ms, backoff_ms_max=row.backoff_ms_max
        ),
        letter_id=row.letter or None,
        is_dead=bool(row.is_dead),
        failures=row.failures,
        starts=row.starts,
        last_error=row.last_error,
    )
