"""What must hold of a feed at every instant, as far as a few numbers can say it (roster.md 4.8).

Checked by the tick beside the invariants of the snapshot; the rest of I9 to I12 is tests.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from boomtown.actors.town.feed_map import TRACKED
from boomtown.actors.town.invariants import Violation

EVERY_CHANGE_HAS_ITS_TRIGGER = "feed.every_change_has_its_trigger"  # I10
FEED_IS_PRUNED_BY_RETENTION = "feed.is_pruned_by_retention"  # I11
SEQ_IS_NEVER_REUSED = "feed.seq_is_never_reused"  # I12

TRIGGERS = sum(1 + bool(tracked.watched) + tracked.tells_deletion for tracked in TRACKED)


class FeedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one instant."""

    head: int
    pruned_seq: int
    first_seq: int | None  # of the rows that are kept; None: none is
    last_seq: int | None
    furthest_cursor: int | None
    triggers: int


def check_feed(facts: FeedFacts) -> tuple[Violation, ...]:
    """All violations, in the order of the invariants."""
    return tuple(_check(facts))


def _check(facts: FeedFacts) -> Iterator[Violation]:
    if facts.triggers != TRIGGERS:
        message = f"{facts.triggers} triggers stand, and the map makes {TRIGGERS}"
        yield _violation(EVERY_CHANGE_HAS_ITS_TRIGGER, message)
    if facts.first_seq is not None and facts.first_seq <= facts.pruned_seq:
        message = f"row {facts.first_seq} is kept, and {facts.pruned_seq} was let go"
        yield _violation(FEED_IS_PRUNED_BY_RETENTION, message)
    if facts.pruned_seq > facts.head:
        message = f"{facts.pruned_seq} was let go before it was given; the newest is {facts.head}"
        yield _violation(FEED_IS_PRUNED_BY_RETENTION, message)
    for what, seq in (("a row", facts.last_seq), ("a cursor", facts.furthest_cursor)):
        if seq is not None and seq > facts.head:
            message = f"{what} is at {seq}, and the newest number is {facts.head}"
            yield _violation(SEQ_IS_NEVER_REUSED, message)


def _violation(name: str, message: str) -> Violation:
    return Violation(name=name, subject="feed", message=message)
