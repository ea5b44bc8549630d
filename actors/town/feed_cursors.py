"""Named cursors: how far a consumer has come, kept for it by the town.

A cursor says "everything up to here was dealt with". One that was moved within a day holds
retention back (feed_log.py); an older one may expire, and its owner learns it by CURSOR_EXPIRED.
"""

from __future__ import annotations

import re

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_feed import (
    DeleteFeedCursor,
    GetFeedCursor,
    ListFeedCursors,
    PutFeedCursor,
    ReadFeed,
)
from boomtown.actors.town.feed_log import check_cursor, read_page
from boomtown.actors.town.feed_views import FeedCursorsView, FeedCursorView, FeedPageView
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import NothingView
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest, NotFound, Unavailable

FeedQuestion = ReadFeed | GetFeedCursor | ListFeedCursors

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_FIND = "SELECT consumer, seq, updated_at_ms FROM feed_cursors WHERE consumer = ?"
_LIST = "SELECT consumer, seq, updated_at_ms FROM feed_cursors ORDER BY consumer"
_COUNT = "SELECT count(*) FROM feed_cursors"
_PUT = (
    "INSERT INTO feed_cursors (consumer, seq, updated_at_ms) VALUES (?, ?, ?)"
    " ON CONFLICT (consumer) DO UPDATE SET seq = excluded.seq,"
    " updated_at_ms = excluded.updated_at_ms"
)
_DELETE = "DELETE FROM feed_cursors WHERE consumer = ?"


def handle_put_cursor(
    tx: TownTransaction, caller: Caller, command: PutFeedCursor
) -> FeedCursorView:
    """The cursor as it is after the call."""
    if _NAME.fullmatch(command.consumer) is None:
        raise InvalidRequest(ErrorCode.INVALID_CURSOR, "Not a name that a cursor may have")
    check_cursor(tx, command.seq)
    present = _find(tx, command.consumer)
    if present is None and _count(tx) >= tx.limits.feed_cursors_max:
        raise Unavailable(ErrorCode.OVERLOADED, "The feed has as many cursors as it may")
    seq = command.seq
    if present is not None and not command.rewind:
        seq = max(seq, present.seq)
    tx.run(_PUT, command.consumer, seq, tx.now_ms)
    return FeedCursorView(consumer=command.consumer, seq=seq, updated_at=tx.now_ms)


def handle_delete_cursor(
    tx: TownTransaction, caller: Caller, command: DeleteFeedCursor
) -> NothingView:
    get_cursor(tx, command.consumer)
    tx.run(_DELETE, command.consumer)
    return NothingView()


def answer_feed(
    tx: TownTransaction, question: FeedQuestion
) -> FeedPageView | FeedCursorView | FeedCursorsView:
    """The answer to any question about the feed."""
    match question:
        case ReadFeed():
            return read_page(tx, question)
        case GetFeedCursor():
            return get_cursor(tx, question.consumer)
        case ListFeedCursors():
            return FeedCursorsView(cursors=tuple(_view(row) for row in tx.rows(_LIST)))


def get_cursor(tx: TownTransaction, consumer: str) -> FeedCursorView:
    """A cursor by its name. Raises NotFound(CURSOR_NOT_FOUND)."""
    found = _find(tx, consumer)
    if found is None:
        raise NotFound(ErrorCode.CURSOR_NOT_FOUND)
    return found


def _find(tx: TownTransaction, consumer: str) -> FeedCursorView | None:
    row = tx.find_row(_FIND, consumer)
    return None if row is None else _view(row)


def _count(tx: TownTransaction) -> int:
    row = tx.find_row(_COUNT)
    return 0 if row is None else int(row[0])


def _view(row: tuple[str, int, int]) -> FeedCursorView:
    return FeedCursorView(consumer=row[0], seq=row[1], updated_at=row[2])
