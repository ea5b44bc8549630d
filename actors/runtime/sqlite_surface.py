"""apsw's connection and cursor, as far as we use them, in types that every checker knows.

apsw's own stubs name a buffer type that Python 3.11 does not have, which leaves half of each
signature unknown. Nothing here runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

SqlValue = None | int | float | str | bytes
SqlRow = tuple[SqlValue, ...]


class SqliteCursor(Protocol):
    """One run of statements."""

    exec_trace: Callable[[SqliteCursor, str, object], bool] | None

    @property
    def is_readonly(self) -> bool: ...

    @property
    def description(self) -> tuple[tuple[str, ...], ...]: ...

    def execute(
        self, statements: str, bindings: Sequence[SqlValue] = (), *, can_cache: bool = True
    ) -> object: ...

    def fetchone(self) -> SqlRow | None: ...

    def fetchall(self) -> list[SqlRow]: ...

    def get_description(self) -> tuple[tuple[str, str | None], ...]: ...

    def close(self, force: bool = False) -> None: ...


class SqliteConnection(Protocol):
    """One open file."""

    authorizer: Callable[[int, str | None, str | None, str | None, str | None], int] | None

    @property
    def in_transaction(self) -> bool: ...

    def execute(
        self,
        statements: str,
        bindings: Sequence[SqlValue] = (),
        *,
        can_cache: bool = True,
        prepare_flags: int = 0,
    ) -> SqliteCursor: ...

    def cursor(self) -> SqliteCursor: ...

    def config(self, op: int, value: int, /) -> int: ...

    def limit(self, id: int, newval: int = -1) -> int: ...  # noqa: A002 - apsw's name

    def set_wal_hook(
        self,
        callable: Callable[[SqliteConnection, str, int], int] | None,  # noqa: A002
    ) -> None: ...

    def serialize(self, name: str, /) -> bytes: ...
    def wal_checkpoint(self, dbname: str | None = None, mode: int = 0) -> tuple[int, int]: ...

    def release_memory(self) -> None: ...

    def changes(self) -> int: ...

    def total_changes(self) -> int: ...

    def close(self, force: bool = False) -> None: ...
