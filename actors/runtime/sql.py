"""`storage.sql`: statements, and the cursors over their rows (durable-actors 4.5).

`exec` runs at once, up to the first row, so a write has happened even if nobody reads. Of several
statements all but the last run to their end and their rows are dropped. Rows of a statement that
writes (RETURNING) are read at once as well: a statement that still writes would keep the turn
from committing. Rows of a reading one are taken one ahead of the reader, live, across awaits, and
see what is written meanwhile, as SQLite shows it.

The same text is compiled once (the connection's statement cache); the authoriser is asked when it
is compiled, never by our own statements. A refused or failing statement raises SqlError, whose
message ends with SQLite's code, and the object lives on, unless SQLite lost the transaction.

What a text was found to be when it first ran is kept (`_Known`), so that later runs of it need no
callback between compiling and stepping: one statement, allowed, that reads or that writes. A text
that writes opens the transaction first, and an empty one is left where it then fails. Only a
SELECT is known to read: `DROP TABLE IF EXISTS` reads as long as there is no such table.

Differences: integers are 64 bit both ways (decisions 10); `rows_read` counts rows that came out,
not rows that were visited.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Sequence
from typing import cast

import apsw
import msgspec

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.actors.runtime.sql_authorizer import (
    BLANK,
    SWITCH_PRAGMAS,
    authorize,
    begins_transaction,
    refuses_text,
)
from boomtown.actors.runtime.sqlite_surface import SqliteCursor, SqlRow, SqlValue
from boomtown.actors.runtime.transactions import Transactions

Row = dict[str, SqlValue]
Binding = SqlValue | bytearray | memoryview
_BUFFERS = (bytearray, memoryview)

# Their texts are kept, and a server holds many objects; as many as the statement cache has.
KNOWN_TEXTS_MAX = 250
_SELECT = re.compile(r"\s*select\b", re.IGNORECASE)
# Run once in an object's life in memory, and compiled anew after each other one of them: kept,
# each would take some 2 KiB.
_SCHEMA_CHANGE = re.compile(r"\s*(?:create|alter|drop)\b", re.IGNORECASE)
_LIVE_CURSORS_LOOKED_AT = 64  # so many are noted before those that ended are dropped


class _Known(msgspec.Struct, frozen=True):
    """What a text is: a single statement that may run."""

    is_reading: bool
    column_names: Sequence[str]  # when it last had no row to say so


class Sql:
    """`storage.sql`: the object's tables, in the same commits as its keys. The rest is the
    runtime's: a Participant of the transactions, for its cursors."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self._known: dict[str, _Known] = {}
        # Weak: a cursor that nobody has any more lets go of its statement.
        self._cursors: list[weakref.ref[SqlCursor]] = []
        self._cursors_looked_at = _LIVE_CURSORS_LOOKED_AT
        database.set_authorizer(authorize)

    @property
    def database_size(self) -> int:
        """Bytes of the pages in use, what this turn has written included."""
        self._transactions.check("storage.sql.database_size")
        return self._database.size_bytes

    def exec(self, sql: str, *bindings: Binding) -> SqlCursor:
        """Run `sql` now; `bindings` fill the question marks of the last statement, by position.

        Raises SqlError for whatever SQLite refuses, and where the text ends in no statement.
        """
        return self._exec(sql, bindings, may_write=True)

    def exec_reading(self, sql: str, *bindings: Binding) -> SqlCursor:
        """The same, and SqlError before a statement that would write: for inspection.py."""
        return self._exec(sql, bindings, may_write=False)

    def _exec(self, sql: str, bindings: tuple[Binding, ...], *, may_write: bool) -> SqlCursor:
        self._transactions.check("storage.sql.exec")
        for value in bindings:
            if isinstance(value, _BUFFERS):
                bindings = tuple(
                    bytes(each) if isinstance(each, _BUFFERS) else each for each in bindings
                )
                break
        cursor = SqlCursor(self._database, self._transactions, may_write=may_write)
        known = self._known.get(sql)
        if known is not None and (known.is_reading or may_write):
            cursor.start_known(sql, cast("tuple[SqlValue, ...]", bindings), known)
            if self._database.was_asked:
                self._learn_again(sql, known, cursor)
        else:
            known = cursor.start(sql, cast("tuple[SqlValue, ...]", bindings))
            if known is not None:
                self._remember(sql, known)
        if cursor.is_live:
            self._note_live(cursor)
        return cursor

    def _remember(self, sql: str, known: _Known) -> None:
        if len(self._known) >= KNOWN_TEXTS_MAX:
            del self._known[next(iter(self._known))]
        self._known[sql] = known

    def _learn_again(self, sql: str, known: _Known, cursor: SqlCursor) -> None:
        """The text was compiled anew, and may have other columns than before."""
        if cursor.rows_read:
            names = cursor.column_names
            self._known[sql] = msgspec.structs.replace(known, column_names=names)
        else:
            del self._known[sql]  # only a row says what they are

    def _note_live(self, cursor: SqlCursor) -> None:
        # Nearly always the one before has ended: its place is taken.
        if self._cursors and ((last := self._cursors[-1]()) is None or not last.is_live):
            self._cursors.pop()
        if len(self._cursors) >= self._cursors_looked_at:
            self._cursors = [
                each for each in self._cursors if (noted := each()) is not None and noted.is_live
            ]
            self._cursors_looked_at = max(_LIVE_CURSORS_LOOKED_AT, 2 * len(self._cursors))
        self._cursors.append(weakref.ref(cursor))

    def remember(self) -> object:
        """Nothing: what a statement did is SQLite's to roll back."""
        return None

    def restore(self, memento: object) -> None:
        """Nothing: a rollback leaves cursors as SQLite leaves them."""

    def erased(self) -> None:
        """Set the switches as in a new database; the cursors were shut before."""
        for name, setting in SWITCH_PRAGMAS.items():
            self._database.run(f"PRAGMA {name} = {setting}")

    def shut(self) -> None:
        """End every cursor that is still read; for the runtime."""
        for reference in self._cursors:
            cursor = reference()
            if cursor is not None:
                cursor.close()
        self._cursors.clear()


class SqlCursor:
    """The rows of one `exec`, each as a dict by column name; read once, in order, one ahead of
    the reader. Ends with its object's memory, and with `delete_all`."""

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_buffered",
        "_cursor",
        "_database",
        "_is_closed",
        "_is_reading",
        "_may_write",
        "_rest",
        "_statements",
        "_transactions",
        "column_names",
        "rows_read",
        "rows_written",
    )

    _cursor: SqliteCursor

    def __init__(self, database: Database, transactions: Transactions, *, may_write: bool) -> None:
        self._may_write = may_write
        self.column_names: Sequence[str] = ()  # kept after the end; duplicates too
        self.rows_read: int = 0  # one ahead of the reader
        self.rows_written: int = 0  # triggers' included
        self._database = database
        self._transactions = transactions
        self._rest = ""  # the text after the statement that runs
        self._statements = 0  # that were begun
        self._is_reading = True
        self._is_closed = False
        self._ahead: SqlRow | None = None
        self._buffered: Iterator[SqlRow] | None = None

    @property
    def is_live(self) -> bool:
        """Whether SQLite still has a statement under way for it."""
        return self._ahead is not None and self._buffered is None

    def start_known(self, sql: str, bindings: tuple[SqlValue, ...], known: _Known) -> None:
        """As `start`, for a text that has run here before."""
        database = self._database
        self._is_reading = is_reading = known.is_reading
        changes = 0
        if not is_reading:
            self._transactions.begin_write(is_confirmed=True)
            changes = database.total_changes()
        database.was_asked = False
        database.is_guarded = True  # it is compiled anew where the schema has changed
        try:
            self._cursor = cursor = database.connection.execute(sql, bindings)
            row = cursor.fetchone()
            if row is None or not database.was_asked:
                self.column_names = known.column_names
            else:
                self.column_names = [column[0] for column in cursor.description]
            if row is not None:
                self.rows_read = 1
                if not is_reading:
                    self._buffered = iter(cursor.fetchall())
        except apsw.BindingsError as error:
            raise _wrong_bindings(error) from error
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        finally:
            database.is_guarded = False
        self._ahead = row
        if not is_reading:
            self.rows_written = database.total_changes() - changes

    def start(self, sql: str, bindings: tuple[SqlValue, ...]) -> _Known | None:
        """Run the statements, up to the first row of the last (Sql.exec). What the text was found
        to be; None where every run of it has to be looked at."""
        changes = self._database.total_changes()
        self._rest = sql
        self._cursor = self._database.connection.cursor()
        self._cursor.exec_trace = self._begin_statement
        self._database.is_guarded = True
        try:
            self._cursor.execute(sql, bindings, can_cache=not _SCHEMA_CHANGE.match(sql))
            row = self._cursor.fetchone()
            while row is not None and self._rest.strip():
                row = self._cursor.fetchone()  # of a statement that is not the last
            if row is not None and not self._is_reading:
                self._buffered = iter(self._cursor.fetchall())
            elif row is not None:
                # Again: a statement compiled before an ALTER has new columns only now.
                # By the other name, because apsw keeps each one's first answer.
                self.column_names = [column[0] for column in self._cursor.description]
        except apsw.AuthError as error:
            if begins_transaction(self._rest):
                raise SqlError(
                    "Use storage.transaction() or transaction_sync() in place of BEGIN, COMMIT,"
                    " ROLLBACK, SAVEPOINT and RELEASE"
                ) from error
            raise self._transactions.translated(error) from error
        except apsw.BindingsError as error:
            raise _wrong_bindings(error) from error
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        finally:
            self._database.is_guarded = False
            self._cursor.exec_trace = None
        self._ahead = row
        self.rows_read = 0 if row is None else 1
        self.rows_written = self._database.total_changes() - changes
        is_single = self._statements == 1 and not self._rest.strip()
        if not is_single or (self._is_reading and not _SELECT.match(sql)):
            return None
        return _Known(self._is_reading, self.column_names)

    def _begin_statement(self, _: SqliteCursor, text: str, __: object) -> bool:
        """SQLite has compiled the next statement, whose text this is, and not yet run it."""
        if BLANK.fullmatch(text):
            raise SqlError("The text did not contain a statement where one was expected")
        if refuses_text(text):
            raise SqlError("not authorized: SQLITE_AUTH")
        self._statements += 1
        self._rest = self._rest[self._rest.index(text) + len(text) :]
        self._is_reading = self._cursor.is_readonly
        self.column_names = [column[0] for column in self._cursor.get_description()]
        if not self._is_reading and not self._may_write:
            raise SqlError("the statement writes, and this query may only read: SQLITE_READONLY")
        if not self._is_reading:
            self._transactions.begin_write(is_confirmed=True)
        return True

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self._take()
        if row is None:
            raise StopIteration
        return dict(zip(self.column_names, row, strict=True))

    def next(self) -> Row | None:
        """The next row, or None after the last. SqlError where the cursor was closed."""
        return next(self, None)

    def to_array(self) -> list[Row]:
        """All rows that are left; an empty list after the last. SqlError where it was closed."""
        return list(self)

    def one(self) -> Row:
        """The only row. Raises SqlError where there is none, or more than one."""
        row = self.next()
        if row is None:
            raise SqlError("Expected exactly one row, and there was none")
        if self._ahead is not None:
            self.close()
            raise SqlError("Expected exactly one row, and there were more")
        return row

    def raw(self) -> Iterator[SqlRow]:
        """The rows that are left, as tuples: equal column names keep all their values."""
        while (row := self._take()) is not None:
            yield row

    def _take(self) -> SqlRow | None:
        row = self._ahead
        if row is not None:
            self._ahead = self._fetch()
            if self._ahead is not None:
                self.rows_read += 1
        elif self._is_closed:
            raise SqlError("The cursor was closed: its object was reset, or storage was emptied")
        return row

    def _fetch(self) -> SqlRow | None:
        if self._buffered is not None:
            return next(self._buffered, None)
        self._transactions.check("storage.sql cursor")
        self._database.is_guarded = True
        try:
            return self._cursor.fetchone()
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        finally:
            self._database.is_guarded = False

    def close(self) -> None:
        """Let go of the statement; reading on raises SqlError."""
        if self.is_live:
            self._is_closed = True
            self._ahead = None
            self._cursor.close(True)


def _wrong_bindings(error: apsw.BindingsError) -> SqlError:
    return SqlError(f"Wrong number of parameter bindings: {error}")
