"""One table of schema.sql and the struct of its rows: the only place that turns one into the other.

A table's columns are the fields of its struct, in their order; columns that no struct shows
(an escalation's `is_live`) are written by their own statements. JSON columns hold text with
sorted keys, NULL for None. `update` touches `updated_at_ms` where the table has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from boomtown.actors.town.transaction import TownTransaction
from boomtown.wire import decode_json, encode_json_text

Row = TypeVar("Row", bound=msgspec.Struct)


class Table(Generic[Row]):
    """Statements of one table; built once, at import."""

    def __init__(
        self, name: str, shape: type[Row], *, key: str, json: frozenset[str] = frozenset()
    ) -> None:
        self._shape = shape
        self._json = json
        self.columns = tuple(field.name for field in msgspec.structs.fields(shape))
        names = ", ".join(self.columns)
        marks = ", ".join("?" for _ in self.columns)
        self.select = f"SELECT {names} FROM {name}"
        self._find = f"{self.select} WHERE {key} = ?"
        self._insert = f"INSERT INTO {name} ({names}) VALUES ({marks})"
        self._update = f"UPDATE {name} SET {{}} WHERE {key} = ?"
        self._delete = f"DELETE FROM {name} WHERE {key} = ?"

    def struct(self, row: tuple[Any, ...]) -> Row:
        """A row as its struct. Raises msgspec.ValidationError on a row that is none."""
        values = dict(zip(self.columns, row, strict=True))
        for column in self._json:
            if values[column] is not None:
                values[column] = decode_json(values[column])
        return msgspec.convert(values, self._shape, strict=False)

    def find(self, tx: TownTransaction, key: str | int) -> Row | None:
        row = tx.find_row(self._find, key)
        return None if row is None else self.struct(row)

    def find_where(self, tx: TownTransaction, query: str, *bindings: object) -> Row | None:
        """The first row of a query that begins with `select`."""
        row = tx.find_row(query, *map(msgspec.to_builtins, bindings))
        return None if row is None else self.struct(row)

    def list_where(self, tx: TownTransaction, query: str, *bindings: object) -> list[Row]:
        """All rows of a query that begins with `select` and says its order."""
        rows = tx.rows(query, *map(msgspec.to_builtins, bindings))
        return [self.struct(row) for row in rows]

    def insert(self, tx: TownTransaction, value: Row) -> None:
        fields = {column: getattr(value, column) for column in self.columns}
        tx.run(self._insert, *self._stored(fields).values())

    def update(self, tx: TownTransaction, key: str | int, changes: Mapping[str, object]) -> None:
        """Set the columns that `changes` names; an empty mapping touches nothing."""
        if not changes:
            return
        assert set(changes) <= set(self.columns), f"no such column in {sorted(changes)}"
        if "updated_at_ms" in self.columns:
            changes = {**changes, "updated_at_ms": tx.now_ms}
        assignments = ", ".join(f"{column} = ?" for column in changes)
        tx.run(self._update.format(assignments), *self._stored(changes).values(), key)

    def delete(self, tx: TownTransaction, key: str) -> None:
        tx.run(self._delete, key)

    def _stored(self, values: Mapping[str, object]) -> dict[str, object]:
        stored: dict[str, object] = {}
        for column, value in values.items():
            if column in self._json and value is not None:
                stored[column] = encode_json_text(value)
            else:
                stored[column] = msgspec.to_builtins(value)
        return stored
