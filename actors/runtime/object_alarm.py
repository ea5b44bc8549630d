"""An object's one alarm: what its database says, and what the host's index was told.

Theory of operation. The alarm is a row of the object's own database, written in its transactions
and rolled back with them. The host's index (alarm_scheduler.py) learns of it under one invariant:
**the registered instant is never later than the durable one** (durable-actors 5.6). So an earlier
instant is registered before the commit (`before_commit`), a later one, or none, when the commit
is durable (`became_durable`); of the latter at most one is under way, the newest wins, and a
failure is harmless, because a delivery that comes too early is turned away here and corrected.

While the handler runs, the alarm that it was called for is still in the database, its deletion
*deferred*: `get` answers None, a success deletes it, a failure leaves it to be retried, and
whatever the handler sets itself takes its place (5.2, 5.3). What it sets is later than what the
disk has until that commit is durable: so before the commit the index is told the delivered instant
once more, which keeps the row when the delivery ends, and the new one afterwards.

`changes` counts writes of the row; what it was at the last commit that is durable tells whether
a delivery that does not match may be judged by the database (5.5).

The row is read when somebody asks for it first: most events of most objects do not. Until then
nothing of it has changed, so nothing is to be registered.

A crash in a handler finds the old row in database and index: it runs again. A crash between the
durable deletion and the index's: the delivery finds no alarm and is cancelled.
"""

from __future__ import annotations

import enum

import apsw
import msgspec

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.ports import AlarmRegistry, ObjectKey
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.sqlite_surface import SqlRow
from boomtown.actors.runtime.transactions import Transactions
from boomtown.clock import Clock

CREATE_METADATA = (
    "CREATE TABLE IF NOT EXISTS _cf_METADATA (key INTEGER PRIMARY KEY, value ANY) STRICT"
)
READ_METADATA = "SELECT value FROM _cf_METADATA WHERE key = ?"  # ms since the epoch
WRITE_METADATA = "INSERT OR REPLACE INTO _cf_METADATA (key, value) VALUES (?, ?)"
_DELETE = "DELETE FROM _cf_METADATA WHERE key = ?"


class MetadataRow(enum.IntEnum):
    """The rows of `_cf_METADATA`; their numbers are on disk."""

    ALARM = 1  # the object's own
    WAKE = 2  # of its schedules (schedules.py)
    BOOKMARK = 3  # the last that was handed out (bookmarks.py)


class AlarmStart(enum.StrEnum):
    """What to do with a delivery."""

    RUN = "run"  # call the handler, then `finish` or `fail`
    CANCELLED = "cancelled"  # stale: the index was told what is true


class _State(msgspec.Struct, frozen=True):
    """What a rollback takes back."""

    stored_ms: int | None  # in the database, as the open transaction sees it
    changes: int  # writes of it so far
    defers_deletion: bool  # the handler runs and has set nothing
    has_table: bool


class ObjectAlarm:
    """The alarm of one live object (a Participant and AlarmCommit of its transactions), or the
    wake of its schedules: `row` says which."""

    def __init__(
        self,
        *,
        database: Database,
        transactions: Transactions,
        key: ObjectKey,
        name: str | None,
        registry: AlarmRegistry,
        clock: Clock,
        row: MetadataRow = MetadataRow.ALARM,
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._row = int(row)
        self._key = key
        self._name = name
        self._registry = registry
        self._clock = clock
        self._known: _State | None = None  # until it is asked for
        self._registered_ms: int | None = None
        self._delivered_ms: int | None = None  # what the handler replaced, until that is durable
        self._durable_changes = 0
        self.is_settled: bool = True  # nothing to be told before or after a commit
        self._later_under_way: Promise | None = None

    @property
    def _state(self) -> _State:
        if self._known is None:
            self._known = self._read()
            self._registered_ms = self._known.stored_ms
        return self._known

    def _read(self) -> _State:
        try:
            rows = self._find_rows()
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        stored_ms = rows[0][0] if rows else None
        assert stored_ms is None or isinstance(stored_ms, int)
        return _State(stored_ms, 0, False, rows is not None)

    def _find_rows(self) -> list[SqlRow] | None:
        """None where there is no table. It is not asked for first: a delivery finds it."""
        try:
            return self._database.rows(READ_METADATA, (self._row,))
        except apsw.SQLError:
            if self._database.has_table("_cf_METADATA"):
                raise
            return None

    def look(self) -> None:
        """Read the row if nobody has: it is about to be erased, and the index is to follow."""
        _ = self._state

    def get(self) -> int | None:
        """The instant, in ms since the epoch; None where no alarm is set (5.2)."""
        return None if self._state.defers_deletion else self._state.stored_ms

    def set(self, at_ms: int | None, *, is_confirmed: bool) -> None:
        """Set the instant, or none. The same value again writes nothing. The caller has checked
        that `at_ms` is after the epoch; a past instant becomes now (5.1)."""
        if at_ms is not None:
            at_ms = max(at_ms, self._clock.now_ms())
        if self._state.defers_deletion:
            # The very instant that is being delivered may be set again: it needs a new delivery,
            # so the index must be told, though the row may stay as it is.
            self._transactions.begin_write(is_confirmed=is_confirmed)
            if at_ms is not None:
                self._registered_ms = None
                self._delivered_ms = self._state.stored_ms
            self._change(defers_deletion=False)
        if at_ms != self._state.stored_ms:
            self._transactions.begin_write(is_confirmed=is_confirmed)
            self._write(at_ms)

    def _write(self, at_ms: int | None) -> None:
        try:
            if not self._state.has_table:
                self._database.make(CREATE_METADATA)
            if at_ms is None:
                self._database.run(_DELETE, (self._row,))
            else:
                self._database.run(WRITE_METADATA, (self._row, at_ms))
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        self._enter(_State(at_ms, self._state.changes + 1, False, True))

    def _change(self, *, defers_deletion: bool) -> None:
        self._enter(msgspec.structs.replace(self._state, defers_deletion=defers_deletion))

    def _enter(self, state: _State | None) -> None:
        self._known = state
        self.is_settled = False  # until a commit finds everything in order

    def begin(self, scheduled_at_ms: int) -> AlarmStart:
        """Judge a delivery that has arrived (5.5); after RUN the handler must be called. Raises
        where a stale one cannot be corrected in the index."""
        stored_ms = self._state.stored_ms
        if stored_ms == scheduled_at_ms:
            self._change(defers_deletion=True)
            return AlarmStart.RUN
        if self._state.changes != self._durable_changes:
            # A change is under way whose commit may yet fail: run, and leave it alone.
            return AlarmStart.RUN
        if stored_ms is not None and stored_ms <= self._clock.now_ms():
            self._change(defers_deletion=True)
            return AlarmStart.RUN
        # Told before the answer, which lets the scheduler forget the delivered instant.
        self._registry.register(self._key, self._name, stored_ms)
        self._registered_ms = stored_ms
        self.is_settled = False
        return AlarmStart.CANCELLED

    def finish(self) -> None:
        """The handler has succeeded: delete the alarm that it ran for, unless it set its own.
        Confirmed; the caller commits and waits until that is durable."""
        if self._state.defers_deletion:
            self._change(defers_deletion=False)
            self._transactions.begin_write(is_confirmed=True, commits_at_turn_end=False)
            self._write(None)

    def fail(self) -> None:
        """The handler has failed: the alarm is still set, to be delivered again."""
        self._change(defers_deletion=False)

    def abandon(self, scheduled_at_ms: int) -> None:
        """The scheduler gives up: delete the alarm if it is still that one."""
        if self._state.stored_ms == scheduled_at_ms:
            self._change(defers_deletion=False)
            self._transactions.begin_write(is_confirmed=True, commits_at_turn_end=False)
            self._write(None)

    def before_commit(self) -> Promise | None:
        stored_ms = None if self._known is None else self._known.stored_ms
        if stored_ms is None:
            return None
        if self._registered_ms is not None and self._registered_ms <= stored_ms:
            return None
        if self._delivered_ms is not None:
            stored_ms = min(stored_ms, self._delivered_ms)
        index = self._registry.register(self._key, self._name, stored_ms)
        self._registered_ms = stored_ms
        return None if index is None or (index.done() and not index.exception()) else index

    def committed(self) -> int:
        return 0 if self._known is None else self._known.changes

    def became_durable(self, token: int) -> None:
        if self._known is None:
            return
        self._durable_changes = max(self._durable_changes, token)
        if self._durable_changes == self._state.changes:
            self._delivered_ms = None
            self._register_later()
            has_all = self._later_under_way is None
            self.is_settled = has_all and self._registered_ms == self._state.stored_ms

    def _register_later(self) -> None:
        if self._later_under_way is not None or self._registered_ms == self._state.stored_ms:
            return
        try:
            index = self._registry.register(self._key, self._name, self._state.stored_ms)
        except Exception:
            # Harmless: the index keeps an earlier instant, whose delivery is turned away, and
            # that tries again. `_registered_ms` still says what the index has.
            return
        self._registered_ms = self._state.stored_ms
        if index is not None and not index.done():
            self._later_under_way = index
            index.add_done_callback(self._later_ended)

    def _later_ended(self, _: Promise) -> None:
        self._later_under_way = None
        if self._durable_changes == self._state.changes and not self._transactions.is_broken:
            self._register_later()

    def remember(self) -> object:
        return self._known

    def restore(self, memento: object) -> None:
        assert memento is None or isinstance(memento, _State)
        self._enter(memento)

    def erased(self) -> None:
        self._enter(_State(None, self._state.changes + 1, False, False))

    def shut(self) -> None:
        """It has no cursor."""
