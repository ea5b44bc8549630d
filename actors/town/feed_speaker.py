"""Tells the feed's triggers who changes what, why and when, and its readers that something did.

Theory of operation. A trigger cannot be given arguments: it reads the one row of `feed_speaker`.
A transaction writes that row just before a statement that may fire a trigger, and only if it
says something else than the row does; a statement that changes no watched column of a tracked
table (a heartbeat, say) costs nothing. What the row says is remembered here, in memory, and is
forgotten whenever a savepoint is undone, because the row went back with it. The row itself may
be of any earlier transaction; nobody reads it but triggers.

One of these belongs to each live town object. A crash loses the memory, and the first tracked
statement of the next object writes the row again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.feed_map import TRACKED

SPEAK = "UPDATE feed_speaker SET actor = ?, reason = ?, now_ms = ?"

Said = tuple[str, str | None, int]  # actor, reason, now_ms

_STATEMENT = re.compile(
    r"\s*(?P<verb>INSERT|UPDATE|DELETE)(?:\s+OR\s+\w+)?(?:\s+(?:INTO|FROM))?\s+(?P<table>\w+)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
_WATCHED = {tracked.table: frozenset(tracked.watched) for tracked in TRACKED}


class FeedSpeaker:
    """`notify` is called for each statement that may have put a row into the feed; it may be
    called for one that did not, or that is undone."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self.notify = notify
        self._said: Said | None = None

    def before(self, query: str, said: Said, write: Callable[[Said], None]) -> None:
        """To be called before every statement; `write` brings the row to what it is given."""
        if not may_be_told(query):
            return
        if said != self._said:
            write(said)
            self._said = said
        self.notify()

    def forget(self) -> None:
        """A savepoint was undone, and maybe the row with it."""
        self._said = None


@lru_cache(maxsize=2_048)  # statements are constants of the program, or made of few parts
def may_be_told(query: str) -> bool:
    """Whether a statement may fire a trigger of the feed. Never wrong about one that does; an
    update counts if it so much as names a watched column."""
    found = _STATEMENT.match(query)
    if found is None:
        return False
    watched = _WATCHED.get(found["table"].lower())
    if watched is None:
        return False
    if found["verb"].upper() != "UPDATE":
        return True
    return not watched.isdisjoint(_WORD.findall(found["rest"]))


def feed_actor(caller: Caller) -> str:
    """Who is said to have changed what a call changes (roster.md 4.3)."""
    match caller.kind:
        case CallerKind.SESSION:
            return f"session:{caller.session_id}"
        case CallerKind.CONTAINER:
            return f"container:{caller.instance_id}"
        case CallerKind.OPERATOR:
            return f"operator:{caller.user_id}"
        case CallerKind.SYSTEM:
            return "system"
