"""The feed: what has changed in a town, in the order in which it did, for whoever looks on.

Theory of operation. A row is written by a trigger in the transaction of the change that it tells
(feed_triggers.py), so there is exactly one per change, and none for a change that did not happen.
Rows are read only after their commit, by asking the object; its answers leave through the output
gate, so a reader never sees what a power cut could still take back. A town's rows are in one
total order; numbers may be missing (a rollback, a seed's rows) and are never given twice.
Readers keep their own place, or have it kept under a name (feed_cursors.py): what is delivered
and not yet acknowledged is delivered again.

Rows go away in two ways only. `prune_feed`, a step of the tick, takes the oldest: those past
their time or number, never what a cursor in use has yet to read, and a bounded number per tick.
`pruned_seq` says how far it came: a cursor before that is answered CURSOR_EXPIRED, never an
incomplete page. `forget_session_rows` takes what was told of a session that never was more than
a seed; the rollback then appends its tombstone. The feed is not the inbox: nothing in it is ever
acted on by the town.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.commands_of_feed import ReadFeed
from boomtown.actors.town.feed_invariants import FeedFacts
from boomtown.actors.town.feed_triggers import TRIGGER_PREFIX
from boomtown.actors.town.feed_views import FeedEventView, FeedPageView
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import RigId, SessionId
from boomtown.wire import decode_json, encode_json_text

# sqlite_sequence keeps the newest number also when its row is gone.
_HEAD = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'feed_log'"
_PRUNED = "SELECT pruned_seq FROM feed_state"
_PAGE = (
    "SELECT seq, topic, entity, entity_id, rig_id, agent_id, session_id, actor, reason, payload,"
    " created_at_ms FROM feed_log WHERE seq > ?"
    " AND (? IS NULL OR topic = ? OR substr(topic, 1, length(?) + 1) = ? || '.')"
    " AND (? IS NULL OR agent_id = ?) ORDER BY seq LIMIT ?"
)
_APPEND = (
    "INSERT INTO feed_log (topic, entity, entity_id, rig_id, actor, reason, payload,"
    " created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_FORGET_SESSION = "DELETE FROM feed_log WHERE session_id = ?"
_ENDS = (
    f"SELECT (SELECT min(seq) FROM feed_log), ({_HEAD}),"
    " (SELECT min(seq) FROM feed_cursors WHERE updated_at_ms > ?)"
)
# The instant stands behind the payload: only rows that may go are looked at, and one more.
_FIRST_KEPT = (
    "SELECT seq FROM feed_log WHERE seq > ? AND seq <= ? AND created_at_ms >= ?"
    " ORDER BY seq LIMIT 1"
)
_PRUNE = "DELETE FROM feed_log WHERE seq <= ?"
_KEEP_PRUNED = "UPDATE feed_state SET pruned_seq = ? WHERE pruned_seq < ?"
_FACTS = (
    "SELECT (SELECT min(seq) FROM feed_log), (SELECT max(seq) FROM feed_log),"
    f" (SELECT max(seq) FROM feed_cursors), ({_HEAD}), ({_PRUNED})"
)
_COUNT_TRIGGERS = (
    "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, ?) = ?"
)


def head_of(tx: TownTransaction) -> int:
    """The newest number that was ever given, 0 before the first."""
    row = tx.find_row(_HEAD)
    return 0 if row is None else int(row[0])


def pruned_seq(tx: TownTransaction) -> int:
    """Up to which number retention took the rows."""
    row = tx.find_row(_PRUNED)
    assert row is not None, "the schema makes the row"
    return int(row[0])


def check_cursor(tx: TownTransaction, seq: int) -> None:
    """Refuse a place from which the feed cannot be read: INVALID_CURSOR, CURSOR_AHEAD, or
    CURSOR_EXPIRED, whose details say what is left."""
    if seq < 0:
        raise error_for(ErrorCode.INVALID_CURSOR)
    head, pruned = head_of(tx), pruned_seq(tx)
    if seq > head:
        raise error_for(ErrorCode.CURSOR_AHEAD, details={"head": head})
    if seq < pruned:
        raise error_for(
            ErrorCode.CURSOR_EXPIRED,
            details={
                "oldest": pruned + 1,
                "head": head,
                "snapshot": "Read what you follow anew, then go on after `head`",
            },
        )


def read_page(tx: TownTransaction, question: ReadFeed) -> FeedPageView:
    """At most `limit` events after the cursor. Raises what check_cursor raises."""
    check_cursor(tx, question.after)
    limit = max(0, min(question.limit, tx.limits.list_limit_max))
    topic, agent_id = question.topic, question.agent_id
    rows = tx.rows(_PAGE, question.after, topic, topic, topic, topic, agent_id, agent_id, limit)
    head = head_of(tx)
    is_last = len(rows) < limit
    return FeedPageView(
        events=tuple(map(_event, rows)),
        head=head,
        oldest=pruned_seq(tx) + 1,
        next=head if is_last else (int(rows[-1][0]) if rows else question.after),
    )


def append_tombstone(
    tx: TownTransaction,
    *,
    topic: str,
    entity: str,
    entity_id: str,
    rig_id: RigId | None,
    payload: dict[str, Any],
) -> None:
    """Tell the end of something whose own rows are gone. It belongs to no agent and no session,
    so that nothing forgets it again."""
    tx.run(
        _APPEND,
        topic,
        entity,
        entity_id,
        rig_id,
        tx.actor,
        tx.reason,
        encode_json_text(payload),
        tx.now_ms,
    )
    if tx.feed is not None:
        tx.feed.notify()


def forget_session_rows(tx: TownTransaction, session_id: SessionId) -> None:
    """Take back what was told of a session. Only for one that the same transaction has found to
    be a seed, and deletes next (roster.md C4d); rows of no session are never touched."""
    tx.run(_FORGET_SESSION, session_id)


def prune_feed(tx: TownTransaction) -> int:
    """Let go of the oldest rows that nobody needs, at most `feed_prune_rows_max`; answers the
    number up to which they are gone. A row is needed until every older one may go."""
    limits = tx.limits
    ends = tx.find_row(_ENDS, tx.now_ms - limits.feed_cursor_in_use_ms)
    assert ends is not None
    oldest, head, held_at = ends  # the cursor that is furthest behind, of those in use
    if oldest is None:
        return pruned_seq(tx)
    # Counted by number, not by row: gaps are few, and this costs nothing.
    bound = min(head if held_at is None else held_at, oldest + limits.feed_prune_rows_max - 1)
    crowded_out = min(head - limits.feed_rows_max, bound)
    kept_from_ms = tx.now_ms - limits.feed_kept_ms
    first_kept = _find_number(tx, _FIRST_KEPT, crowded_out, bound, kept_from_ms)
    last = bound if first_kept is None else first_kept - 1
    if last < oldest:
        return pruned_seq(tx)
    tx.run(_PRUNE, last)
    tx.run(_KEEP_PRUNED, last, last)
    return last


def read_facts(tx: TownTransaction) -> FeedFacts:
    """What the feed's invariants look at."""
    row = tx.find_row(_FACTS)
    assert row is not None
    return FeedFacts(
        first_seq=row[0],
        last_seq=row[1],
        furthest_cursor=row[2],
        head=int(row[3]),
        pruned_seq=int(row[4]),
        triggers=tx.recall(Part.TRIGGERS, lambda: _count_triggers(tx)),
    )


def _count_triggers(tx: TownTransaction) -> int:
    return _find_number(tx, _COUNT_TRIGGERS, len(TRIGGER_PREFIX), TRIGGER_PREFIX) or 0


def _find_number(tx: TownTransaction, query: str, *bindings: int | str) -> int | None:
    row = tx.find_row(query, *bindings)
    return None if row is None or row[0] is None else int(row[0])


def _event(row: tuple[Any, ...]) -> FeedEventView:
    return FeedEventView(
        seq=row[0],
        topic=row[1],
        entity=row[2],
        entity_id=row[3],
        rig_id=row[4],
        agent_id=row[5],
        session_id=row[6],
        actor=row[7],
        reason=row[8],
        payload=decode_json(row[9]),
        created_at=row[10],
    )
