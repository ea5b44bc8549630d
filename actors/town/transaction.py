"""What one transaction of a town is made of: the database, the instant, and a source of ids.

Every function that writes takes a `TownTransaction` first. There is no await between its first
write and its commit: the runtime commits the turn (design 4.2). `nested` gives a savepoint, for
one inbox event or one action among many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import msgspec

from boomtown.actors.town.feed_speaker import SPEAK, FeedSpeaker, Said
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.sightings import Seen
from boomtown.actors.town.table_memory import Part, TableMemory
from boomtown.actors.town.templates import Templates
from boomtown.entropy import Entropy
from boomtown.ids import SessionId, new_id
from boomtown.limits import TownLimits

T = TypeVar("T")


class SqlCursor(Protocol):
    """The rows of one statement, in their order."""

    def raw(self) -> Iterator[tuple[Any, ...]]:
        """Each row as a tuple of its columns."""
        ...


class Sql(Protocol):
    """`ctx.storage.sql`, as far as a town needs it."""

    def exec(self, query: str, /, *bindings: Any) -> SqlCursor:
        """Run a statement to its first row; positional `?` only."""
        ...


class TownTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """`speaker` is the session whose word is being applied: the audit names it where a caller
    names none. `actor` and `reason` are who changes what is changed, and why, as the feed tells
    it; a database without a feed has no `feed` speaker, and one outside of a live object no
    `memory`."""

    sql: Sql
    nested: Callable[[Callable[[], Any]], Any]  # storage.transaction_sync
    now_ms: int
    entropy: Entropy
    limits: TownLimits
    templates: Templates
    speaker: SessionId | None = None
    seen: Seen = Seen()  # of the outside, before the transaction
    forges: ForgeAccess = ForgeAccess()  # that the server knows
    actor: str = "system"  # operator:USER | session:ID | container:ID | system
    reason: str | None = None
    feed: FeedSpeaker | None = None
    memory: TableMemory | None = None

    def rows(self, query: str, *bindings: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return list(self._exec(query, bindings))

    def find_row(self, query: str, *bindings: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(self._exec(query, bindings), None)

    def run(self, query: str, *bindings: Any) -> None:
        """A statement whose rows, if any, do not matter; runs to its end."""
        for _ in self._exec(query, bindings):
            pass

    def new_id(self) -> str:
        return new_id(self.now_ms, self.entropy, label="town.id")

    def in_savepoint(self, work: Callable[[], T]) -> T:
        """Run `work` so that what it raises undoes what it wrote."""
        try:
            result: T = self.nested(work)
        except BaseException:
            if self.feed is not None:
                self.feed.forget()
            if self.memory is not None:
                self.memory.forget()
            raise
        return result

    def recall(self, part: Part, read: Callable[[], T]) -> T:
        """What `read` answers; from memory where nothing has touched the part since."""
        return read() if self.memory is None else self.memory.recall(part, read)

    def because(self, reason: str) -> TownTransaction:
        """The same transaction; what it changes from here on the feed tells with this reason."""
        return msgspec.structs.replace(self, reason=reason)

    def _exec(self, query: str, bindings: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if self.feed is not None:
            self.feed.before(query, (self.actor, self.reason, self.now_ms), self._speak)
        if self.memory is not None:
            self.memory.before(query)
        return self.sql.exec(query, *bindings).raw()

    def _speak(self, said: Said) -> None:
        for _ in self.sql.exec(SPEAK, *said).raw():
            pass
