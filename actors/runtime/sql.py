"""`storage.sql`: statements, and the cursors over their rows (durable-actors 4.5).

`exec` runs at once, up to the first row, so a write has happened even if nobody reads. Of several
statements all but the last run to their end and their rows are dropped. Rows of a statement that
writes (RETURNING) are read at once as well: a statement that still writes would keep the turn
from committing. Rows of a reading one are taken one ahead of the reader, live, across awaits, and
see what is written meanwhile, as SQLite shows it.

The same text is compiled once (the connection's statement cache); the authoriser is asked when it
is compiled, never by our own statements. A refused or failing statement raises SqlError, whose
message ends with SQLite's code, and the object lives on, unless SQLite lost the transaction.

Differences: integers are 64 bit both ways (decisions 10); `rows_read` counts rows that came out,
not rows that were visited.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence

import apsw

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.actors.runtime.sql_authorizer import (
    BLANK,
    authorize,
    begins_transaction,
    refuses_text,
)
from boomtown.actors.runtime.sqlite_surface import SqliteCursor, SqlRow, SqlValue
from boomtown.actors.runtime.transactions import Transactions

Row = dict[str, SqlValue]
Binding = SqlValue | bytearray | memoryview


class Sql:
    """`storage.sql`: the object's tables, in the same commits as its keys. The rest is the
    runtime's: a Participant of the transactions, for its cursors."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self._cursors: weakref.WeakValueDictionary[int, SqlCursor] = weakref.WeakValueDictionary()
        database.set_authorizer(authorize)

    @property
    def database_size(self) -> int:
        """Bytes of the pages in use."""
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
        cursor = SqlCursor(self._database, self._transactions, may_write=may_write)
        values = tuple(
            bytes(value) if isinstance(value, bytearray | memoryview) else value
            for value in bindings
        )
        cursor.start(sql, values)
        if cursor.is_live:
            self._cursors[id(cursor)] = cursor
        return cursor

    def remember(self) -> object:
        """Nothing: what a statement did is SQLite's to roll back."""
        return None

    def restore(self, memento: object) -> None:
        """A rollback leaves cursors as SQLite leaves them."""

    def erased(self) -> None:
        """The cursors were closed before."""

    def shut(self) -> None:
        """End every cursor that is still read; for the runtime."""
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()


class SqlCursor:
    """The rows of one `exec`, each as a dict by column name; read once, in order, one ahead of
    the reader. Ends with its object's memory, and with `delete_all`."""

    def __init__(self, database: Database, transactions: Transactions, *, may_write: bool) -> None:
        self._may_write = may_write
        self.column_names: Sequence[str] = ()  # kept after the end; duplicates too
        self.rows_read: int = 0  # one ahead of the reader
        self.rows_written: int = 0  # triggers' included
        self._database = database
        self._transactions = transactions
        self._cursor = database.connection.cursor()
        self._rest = ""  # the text after the statement that runs
        self._is_reading = True
        self._is_closed = False
        self._ahead: SqlRow | None = None
        self._buffered: Iterator[SqlRow] | None = None

    @property
    def is_live(self) -> bool:
        """Whether SQLite still has a statement under way for it."""
        return self._ahead is not None and self._buffered is None

    def start(self, sql: str, bindings: tuple[SqlValue, ...]) -> None:
        """Run the statements, up to the first row of the last (Sql.exec)."""
        changes = self._database.total_changes()
        self._rest = sql
        self._cursor.exec_trace = self._begin_statement
        self._database.is_guarded = True
        try:
            self._cursor.execute(sql, bindings)
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
            raise SqlError(f"Wrong number of parameter bindings: {error}") from error
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        finally:
            self._database.is_guarded = False
            self._cursor.exec_trace = None
        self._ahead = row
        self.rows_read = 0 if row is None else 1
        self.rows_written = self._database.total_changes() - changes

    def _begin_statement(self, _: SqliteCursor, text: str, __: object) -> bool:
        """SQLite has compiled the next statement, whose text this is, and not yet run it."""
        if BLANK.fullmatch(text):
            raise SqlError("The text did not contain a statement where one was expected")
        if refuses_text(text):
            raise SqlError("not authorized: SQLITE_AUTH")
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
        """The next row, or None after the last."""
        return next(self, None)

    def to_array(self) -> list[Row]:
        """All rows that are left."""
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
