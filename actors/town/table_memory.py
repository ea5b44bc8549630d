"""What a live town object remembers of its tables, and when it forgets.

Theory of operation. A town has one writer, itself, so what it has read still holds until it writes
there. A tick reads the whole live town; nearly all ticks of a large town follow upon a few
heartbeats, and its beads, convoys and agents are as they were. So parts of what is read are kept
by name, each with the tables, and of a table the columns, that it was read from (WATCHED), and
`before`, which every statement of a transaction passes, drops the parts that the statement may
touch. Its judgement is by text, as feed_speaker's: an update touches the columns that it so much
as names; a deletion from a table that others refer to, and whatever is no plain statement,
touches everything. A savepoint that is undone drops all, whichever way it went.

Nothing here is durable and nothing is shared: it belongs to one live object and dies with it, by
an eviction, a crash or a reset. Who writes past the transaction (`delete_all`, an operator, a
test) has to say `forget`. What is kept is immutable; whoever is given a part must not change it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


class Part(StrEnum):
    """A part of a town that is remembered as one."""

    TOWN = "town"
    RIGS = "rigs"
    REST = "rest"
    LIVE_BEADS = "live_beads"
    CONVOYS = "convoys"
    ESCALATIONS = "escalations"
    AGENTS = "agents"
    FORCED_OUT = "forced_out"
    SESSIONS = "sessions"
    EFFECTS = "effects"
    WATCHES = "watches"
    CONTAINER_ENDS = "container_ends"
    INBOX = "inbox"
    BREAKER = "breaker"
    LINGERING = "lingering"
    UNLOGGED = "unlogged"
    TRIGGERS = "triggers"


Columns = frozenset[str] | None  # None: any

_ANY: Columns = None
# The beads that are seen include those of live sessions, whatever else a session says.
_HOLDING = frozenset({"state", "bead_id"})
WATCHED: Mapping[Part, Mapping[str, Columns]] = {
    Part.TOWN: {"town": _ANY},
    Part.RIGS: {"rigs": _ANY},
    Part.REST: {"beads": frozenset({"type", "status"}), "sessions": frozenset({"state"})},
    Part.LIVE_BEADS: {
        "beads": _ANY,
        "bead_dependencies": _ANY,
        "reviews": _ANY,
        "sessions": _HOLDING,
    },
    Part.CONVOYS: {"convoys": _ANY, "beads": frozenset({"type", "status"})},
    Part.ESCALATIONS: {"escalations": _ANY},
    Part.AGENTS: {"agents": _ANY},
    Part.FORCED_OUT: {"agents": frozenset({"boss_id"}), "roster_log": _ANY},
    Part.SESSIONS: {"sessions": _ANY},
    Part.EFFECTS: {"effects": _ANY},
    Part.WATCHES: {"watches": _ANY},
    Part.CONTAINER_ENDS: {"sessions": frozenset({"state", "bead_id", "ended_at_ms", "end_reason"})},
    Part.INBOX: {"inbox": _ANY},
    Part.BREAKER: {"breaker": _ANY, "failed_starts": _ANY},
    Part.LINGERING: {
        "sessions": frozenset({"state", "agent_id"}),
        "agents": frozenset({"employment"}),
    },
    Part.UNLOGGED: {
        "sessions": frozenset({"state", "ended_at_ms", "ended_by"}),
        "agents": frozenset({"employment", "offboarded_at_ms"}),
        "roster_log": _ANY,
    },
    Part.TRIGGERS: {},  # which only a statement of the schema makes or drops
}
# A row of these that goes takes rows of other tables along (ON DELETE CASCADE).
CASCADING = frozenset({"beads", "prs"})

_READS = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\s*(?P<verb>INSERT|UPDATE|DELETE)(?:\s+OR\s+\w+)?(?:\s+(?:INTO|FROM))?\s+(?P<table>\w+)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
_EVERYTHING = tuple(Part)


class TableMemory:
    """Belongs to one live town object."""

    def __init__(self) -> None:
        self._kept: dict[Part, Any] = {}

    def recall(self, part: Part, read: Callable[[], T]) -> T:
        """What `read` answered when the part was last read, if that still holds; else read now.
        One part is always read in the same way."""
        if part not in self._kept:
            self._kept[part] = read()
        kept: T = self._kept[part]
        return kept

    def before(self, query: str) -> None:
        """To be called before every statement."""
        for part in touched_by(query):
            self._kept.pop(part, None)

    def forget(self) -> None:
        """The tables may be anything now."""
        self._kept.clear()


@lru_cache(maxsize=2_048)  # statements are constants of the program, or made of few parts
def touched_by(query: str) -> tuple[Part, ...]:
    """The parts that a statement may change. Never too few."""
    if ";" in query:  # several statements, or none that is plain
        return _EVERYTHING
    if _READS.match(query) is not None:
        return ()
    found = _WRITES.match(query)
    if found is None:
        return _EVERYTHING
    verb, table = found["verb"].upper(), found["table"].lower()
    if verb == "DELETE" and table in CASCADING:
        return _EVERYTHING
    words = frozenset(word.lower() for word in _WORD.findall(found["rest"]))
    return tuple(part for part in Part if _is_touched(part, verb, table, words))


def _is_touched(part: Part, verb: str, table: str, words: frozenset[str]) -> bool:
    if table not in WATCHED[part]:
        return False
    columns = WATCHED[part][table]
    return verb != "UPDATE" or columns is None or not columns.isdisjoint(words)
