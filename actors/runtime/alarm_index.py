"""The alarms of one class, in one file, so that a start reads one database and not one per object.

Theory of operation. A row per object that has an alarm: when, and the name by which it was
addressed, which a nameless later write keeps (durable-actors 1.1). The file is a copy of what the
objects' own databases say, never later than they (object_alarm.py); where they differ, theirs
counts. Each change is one commit, made durable by the commit path, which syncs indexes before
objects. While a checkpoint has the connection, changes wait in memory, in order; an object that
set an earlier alarm waits for their promise, so a crash loses only what nobody relied on.

A crash leaves some state between two changes. A row without an alarm is turned away by its object
and removed; an alarm without a row cannot be, but for a file that was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import apsw
import msgspec

from boomtown.actors.runtime.database import Database, DatabaseOptions, sql_error
from boomtown.actors.runtime.ports import CommitPath, ObjectKey
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.limits import RuntimeLimits

log = logging.getLogger(__name__)

_CREATE = (
    "CREATE TABLE IF NOT EXISTS _cf_ALARM (object_id TEXT PRIMARY KEY,"
    " scheduled_at_ms INTEGER NOT NULL, name TEXT) STRICT, WITHOUT ROWID"
)
_SET = (
    "INSERT INTO _cf_ALARM (object_id, scheduled_at_ms, name) VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET scheduled_at_ms = excluded.scheduled_at_ms,"
    " name = COALESCE(excluded.name, name)"
)
_REMOVE = "DELETE FROM _cf_ALARM WHERE object_id = ?"
_ALL = "SELECT object_id, scheduled_at_ms, name FROM _cf_ALARM ORDER BY scheduled_at_ms, object_id"


class AlarmRow(msgspec.Struct, frozen=True):
    """One object's alarm."""

    key: ObjectKey
    scheduled_at_ms: int
    name: str | None


class _Change(msgspec.Struct, frozen=True):
    object_id: str
    at_ms: int
    name: str | None
    durable: Promise


# Beside the objects of a class, in `<data_dir>/actors/<Class>` (decisions 14).
ALARMS_FILE = "alarms.sqlite"
WAKES_FILE = "schedules.sqlite"  # of schedules, made with the first of the class


class AlarmIndex:
    """The index of one class. Used on the loop thread."""

    def __init__(
        self,
        *,
        data_dir: Path,
        class_name: str,
        options: DatabaseOptions,
        limits: RuntimeLimits,
        commit_path: CommitPath,
        file_name: str = ALARMS_FILE,
    ) -> None:
        """Open the file, made where it is not there; what a killed process left in its log is
        submitted. Raises as Database."""
        self._class_name = class_name
        self._commit_path = commit_path
        self._key = ObjectKey(class_name, "")
        self._wal_bytes_step = limits.wal_bytes_checkpoint
        self._wal_bytes_due = limits.wal_bytes_checkpoint
        self._kept_back: list[_Change] | None = None  # while a checkpoint runs
        self._removals: dict[str, None] = {}  # rows that are to go, after what is kept back
        path = data_dir / "actors" / class_name / file_name
        self._database = Database(path, options, limits)
        try:
            self._database.make(_CREATE)
        except BaseException:
            self._database.close()
            raise
        commit_path.submit(self._database.commit_of(self._key))

    def rows(self) -> list[AlarmRow]:
        """All alarms, the earliest first."""
        self._remove()
        found: list[AlarmRow] = []
        for object_id, scheduled_at_ms, name in self._database.rows(_ALL):
            assert isinstance(object_id, str)
            assert isinstance(scheduled_at_ms, int)
            assert name is None or isinstance(name, str)
            found.append(AlarmRow(ObjectKey(self._class_name, object_id), scheduled_at_ms, name))
        return found

    def set(self, object_id: str, name: str | None, at_ms: int) -> Promise | None:
        """Write or move a row. The promise is kept when that is durable, None where nobody need
        wait. Raises DurableObjectError where it cannot be written."""
        self._removals.pop(object_id, None)
        if self._kept_back is not None:
            durable = Promise()
            self._kept_back.append(_Change(object_id, at_ms, name, durable))
            return durable
        written = self._write(object_id, name, at_ms)
        self._checkpoint_when_due()
        return written

    def remove(self, object_id: str) -> None:
        """Have the row go soon. One that cannot be removed stays, and is turned away when it
        rings."""
        if not self._removals:
            asyncio.get_running_loop().call_soon(self._remove)
        self._removals[object_id] = None

    def _remove(self) -> None:
        if not self._removals or self._kept_back is not None:
            return  # the checkpoint's end comes here
        removals, self._removals = self._removals, {}
        run = self._database.run
        try:
            run("BEGIN IMMEDIATE")
            for object_id in removals:
                run(_REMOVE, (object_id,))
            run("COMMIT")
        except apsw.Error as error:
            log.warning("alarm_rows_stay class=%s error=%s", self._class_name, sql_error(error))
            if self._database.is_in_transaction:
                with contextlib.suppress(apsw.Error):  # then SQLite has rolled back
                    run("ROLLBACK")
            return
        self._commit_path.submit(self._database.commit_of(self._key))
        self._checkpoint_when_due()

    def _checkpoint_when_due(self) -> None:
        if self._database.wal_end >= self._wal_bytes_due:
            self._kept_back = []
            checkpointed = self._commit_path.run_checkpoint(
                self._database.checkpoint, self._database.wal_path
            )
            checkpointed.add_done_callback(self._end_checkpoint)

    def _write(self, object_id: str, name: str | None, at_ms: int) -> Promise | None:
        try:
            self._database.run(_SET, (object_id, at_ms, name))
        except apsw.Error as error:
            raise DurableObjectError(
                f"The alarm index of {self._class_name} cannot be written: {sql_error(error)}"
            ) from error
        return self._commit_path.submit(self._database.commit_of(self._key))

    def _end_checkpoint(self, ended: asyncio.Future[None]) -> None:
        if not ended.cancelled():
            ended.exception()  # the log is whole then, and is tried again when it has grown
        self._wal_bytes_due = self._database.wal_end + self._wal_bytes_step
        kept_back, self._kept_back = self._kept_back or [], None
        for change in kept_back:
            try:
                durable = self._write(change.object_id, change.name, change.at_ms)
            except DurableObjectError as error:
                change.durable.reject(error)
                continue
            _follow(change.durable, durable)
        self._remove()

    async def aclose(self) -> None:
        """Close the file, once everything is durable."""
        self._remove()
        await self._commit_path.close_database(
            self._database.close,
            self._database.wal_path,
            checkpoint=self._database.checkpoint,
        )


def _follow(follower: Promise, leader: Promise | None) -> None:
    if leader is None:
        follower.resolve()
        return

    def end(ended: Promise) -> None:
        error = ended.exception()
        if error is None:
            follower.resolve()
        else:
            follower.reject(error)

    leader.add_done_callback(end)
