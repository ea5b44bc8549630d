"""Keys and values: the hidden table, and its synchronous face `storage.kv` (durable-actors 4.3).

Keys are ordered by their UTF-8 bytes, which is SQLite's own order of text. The table is made by
the first write and vanishes with a rollback of that. A listing is read as it is iterated; a newer
listing of either face ends it, because SQLite would show it half of the writes in between.
"""

from __future__ import annotations

import builtins
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.sqlite_surface import SqliteCursor, SqlRow, SqlValue
from boomtown.actors.runtime.stored_values import decode_value, encode_value
from boomtown.actors.runtime.transactions import Transactions

_CREATE = (
    "CREATE TABLE IF NOT EXISTS _cf_KV "
    "(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
)
_GET = "SELECT value FROM _cf_KV WHERE key = ?"
_PUT = (
    "INSERT INTO _cf_KV (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
)
_DELETE = "DELETE FROM _cf_KV WHERE key = ?"
_LIST = "SELECT key, value FROM _cf_KV WHERE key >= ? AND {end} ORDER BY key {order} LIMIT ?"

_LIMIT_MAX = (1 << 63) - 1  # that SQLite can be told
_CODE_POINT_MAX = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


class ListOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A range of keys, as `list` takes it."""

    start: str | None = None  # inclusive
    start_after: str | None = None  # exclusive
    end: str | None = None  # exclusive
    prefix: str | None = None
    reverse: bool = False
    limit: int | None = None

    def bounds(self) -> tuple[str, str | None] | None:
        """The first key of the range and the first after it (None: to the end); None where it
        is empty. Raises TypeError where the options contradict each other."""
        if self.start is not None and self.start_after is not None:
            raise TypeError("list takes start or start_after, not both")
        if self.limit is not None and self.limit <= 0:
            raise TypeError("list takes a limit of at least 1")
        first = self.start or ""
        if self.start_after is not None:
            first = self.start_after + "\0"  # the least text after it
        end = self.end
        if self.prefix:
            first = max(first, self.prefix)
            after = key_after_prefix(self.prefix)
            if after is not None:
                end = after if end is None else min(end, after)
        return None if end is not None and first >= end else (first, end)


def key_after_prefix(prefix: str) -> str | None:
    """The least text that is greater than every text with `prefix`; None where there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[index]) + 1
        if _SURROGATES[0] <= point <= _SURROGATES[1]:
            point = _SURROGATES[1] + 1
        if point <= _CODE_POINT_MAX:
            return prefix[:index] + chr(point)
    return None


class KeyValueTable:
    """The table, for both faces; a Participant of the transactions."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions
        self._has_table: bool | None = None  # not looked at yet: an opening asks nothing
        self._listings = 0  # made so far: only the newest goes on
        self._cursor: SqliteCursor | None = None

    def _is_there(self) -> bool:
        if self._has_table is None:
            self._has_table = self._database.has_table("_cf_KV")
        return self._has_table

    def get(self, key: str) -> bytes | None:
        if not self._is_there():
            return None
        rows = self._rows(_GET, (_checked_key(key),))
        if not rows:
            return None
        value = rows[0][0]
        assert isinstance(value, bytes)
        return value

    def put(self, key: str, value: bytes, *, is_confirmed: bool) -> None:
        self._begin(is_confirmed=is_confirmed)
        self._run(_PUT, (_checked_key(key), value))

    def put_all(self, entries: Mapping[str, bytes], *, is_confirmed: bool) -> None:
        """All entries, or none where one is refused."""
        self._begin(is_confirmed=is_confirmed)

        def put_each() -> None:
            for key, value in entries.items():
                self._run(_PUT, (_checked_key(key), value))

        self._transactions.run_sync(put_each)

    def delete(self, keys: Sequence[str], *, is_confirmed: bool) -> int:
        """How many of `keys` there were. No keys are no write; a missing key is one."""
        if not keys:
            return 0
        self._begin(is_confirmed=is_confirmed)
        deleted = 0
        for key in keys:
            self._run(_DELETE, (_checked_key(key),))
            deleted += self._database.changes()
        return deleted

    def entries(self, options: ListOptions) -> Iterator[tuple[str, bytes]]:
        """The entries of a range; the first is read at once, the others as they are taken, which
        raises RuntimeError when a newer listing was begun. The options are checked at once."""
        bounds = options.bounds()
        self._end_listing()
        self._listings += 1
        if bounds is None or not self._is_there():
            return iter(())
        row = self._first_entry(options, *bounds)
        return self._read_entries(row, self._listings)

    def _first_entry(self, options: ListOptions, first: str, end: str | None) -> SqlRow | None:
        sql = _LIST.format(
            end="?2 IS NULL" if end is None else "key < ?2",
            order="DESC" if options.reverse else "ASC",
        )
        limit = -1 if options.limit is None else min(options.limit, _LIMIT_MAX)
        try:
            self._cursor = self._database.cursor(sql, (first, end, limit))
            return self._cursor.fetchone()
        except apsw.Error as error:
            raise self._transactions.translated(error) from error

    def _read_entries(
        self, row: SqlRow | None, listing: int
    ) -> Generator[tuple[str, bytes], None, None]:
        self._check_listing(listing)
        while row is not None:
            key, value = row
            assert isinstance(key, str)
            assert isinstance(value, bytes)
            yield key, value
            self._check_listing(listing)
            assert self._cursor is not None
            try:
                row = self._cursor.fetchone()
            except apsw.Error as error:
                raise self._transactions.translated(error) from error
        self._end_listing()

    def _check_listing(self, listing: int) -> None:
        self._transactions.check("storage.list")
        if listing != self._listings:
            raise RuntimeError("This listing ended when a newer one began, or storage was emptied")

    def _end_listing(self) -> None:
        if self._cursor is not None:
            self._cursor.close(True)
            self._cursor = None

    def _begin(self, *, is_confirmed: bool) -> None:
        self._transactions.begin_write(is_confirmed=is_confirmed)
        if not self._has_table:
            self._make_table()
            self._has_table = True

    def _make_table(self) -> None:
        try:
            self._database.make(_CREATE)
        except apsw.Error as error:
            raise self._transactions.translated(error) from error

    def _run(self, sql: str, bindings: tuple[SqlValue, ...]) -> None:
        try:
            self._database.run(sql, bindings)
        except apsw.Error as error:
            raise self._transactions.translated(error) from error

    def _rows(self, sql: str, bindings: tuple[SqlValue, ...]) -> builtins.list[SqlRow]:
        try:
            return self._database.rows(sql, bindings)
        except apsw.Error as error:
            raise self._transactions.translated(error) from error

    def remember(self) -> object:
        return self._has_table

    def restore(self, memento: object) -> None:
        assert memento is None or isinstance(memento, bool)
        self._has_table = memento

    def erased(self) -> None:
        self._has_table = False

    def shut(self) -> None:
        self._listings += 1
        self._end_listing()


class SyncKv:
    """`storage.kv`: the same keys without awaiting; writes are confirmed."""

    def __init__(self, table: KeyValueTable, transactions: Transactions) -> None:
        self._table = table
        self._transactions = transactions

    def get(self, key: str) -> Any:
        """A fresh copy of the value, None where there is none."""
        self._transactions.check("storage.kv.get")
        data = self._table.get(key)
        return None if data is None else decode_value(data)

    def put(self, key: str, value: object) -> None:
        """Write one key, as Storage.put: in the turn's commit, with a copy of the value. Raises
        DataCloneError where it cannot be kept."""
        self._transactions.check("storage.kv.put")
        if value is msgspec.UNSET:
            raise TypeError("put takes a value")
        self._table.put(key, encode_value(value), is_confirmed=True)

    def delete(self, key: str) -> bool:
        """Forget a key; answers whether it was there."""
        self._transactions.check("storage.kv.delete")
        return self._table.delete((key,), is_confirmed=True) > 0

    def list(
        self,
        *,
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        prefix: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """The entries of a range in the order of their keys, read as they are taken. A newer
        listing, by either face, ends this one: it then raises RuntimeError."""
        self._transactions.check("storage.kv.list")
        options = ListOptions(
            start=start,
            start_after=start_after,
            end=end,
            prefix=prefix,
            reverse=reverse,
            limit=limit,
        )
        entries = self._table.entries(options)
        return ((key, decode_value(value)) for key, value in entries)


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"A key is text, not {type(key).__name__}")
    return key
