"""A town's tables in memory, without the runtime: a TownTransaction over plain apsw.

`nested` is a savepoint, as the runtime's transaction_sync gives one; time stands until a test
moves it with `at`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import apsw
import msgspec

from boomtown.actors.town.schema_files import SCHEMA_FILES
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.transaction import TownTransaction
from boomtown.entropy import SeededEntropy
from boomtown.limits import TownLimits

START_MS = 1_800_000_000_000


class ApswCursor:
    """The rows of a statement that apsw runs to its first row."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows

    def raw(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


class ApswSql:
    """What `ctx.storage.sql` is to a town."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def exec(self, query: str, *bindings: Any) -> ApswCursor:
        return ApswCursor(iter(self._connection.execute(query, bindings)))


def _connect() -> Any:
    # The driver's types are partly unknown to a strict checker; Any stops here.
    return apsw.Connection(":memory:")


def open_town_transaction(*, limits: TownLimits | None = None) -> TownTransaction:
    """An empty town database with all its tables."""
    return open_transaction(*SCHEMA_FILES, limits=limits)


def open_transaction(*schemas: str, limits: TownLimits | None = None) -> TownTransaction:
    """An empty database with the tables of files of actors/town, foreign keys on."""
    connection = _connect()
    connection.execute("PRAGMA foreign_keys = ON")
    for schema in schemas:
        connection.execute(resources.files("boomtown.actors.town").joinpath(schema).read_text())

    def nested(work: Callable[[], Any]) -> Any:
        with connection:
            return work()

    return TownTransaction(
        sql=ApswSql(connection),
        nested=nested,
        now_ms=START_MS,
        entropy=SeededEntropy(7),
        limits=limits or TownLimits(),
        templates=load_templates(None),
    )


def at(tx: TownTransaction, now_ms: int) -> TownTransaction:
    """The same database at another instant."""
    return msgspec.structs.replace(tx, now_ms=now_ms)


def later(tx: TownTransaction, ms: int) -> TownTransaction:
    """The same database `ms` later."""
    return at(tx, tx.now_ms + ms)
