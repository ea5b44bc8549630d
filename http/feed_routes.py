"""A town's feed: pages of it, and the named cursors. The streams are in feed_streams.py."""

from __future__ import annotations

from boomtown.actors.town.commands import DeleteFeedCursor, PutFeedCursor
from boomtown.actors.town.commands_of_feed import GetFeedCursor, ListFeedCursors, ReadFeed
from boomtown.actors.town.feed_views import FeedCursorsView
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest, Issue
from boomtown.http.bodies import Body
from boomtown.http.calls import Call
from boomtown.http.query_parameters import page_size
from boomtown.ids import AgentId

CURSOR_DIGITS_MAX = 15  # what fits into a double


class CursorBody(Body, frozen=True, kw_only=True):
    """Up to which number everything was dealt with."""

    seq: int
    rewind: bool = False


def cursor_of(text: str | None, *, name: str) -> int:
    """A place in the feed as text; none is its beginning. Raises InvalidRequest(INVALID_CURSOR)."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= CURSOR_DIGITS_MAX):
        message = f"{name}: only non-negative integers are allowed"
        raise InvalidRequest(ErrorCode.INVALID_CURSOR, message, issues=(Issue(name, message),))
    return int(text)


def feed_question(call: Call, *, after: int, limit: int) -> ReadFeed:
    """The question of a request, with the filters of its query."""
    query = call.request.query
    agent = query.get("agent")
    return ReadFeed(
        after=after,
        limit=limit,
        topic=query.get("topic") or None,
        agent_id=None if agent is None else AgentId(agent),
    )


async def get_feed(call: Call) -> object:
    query = call.request.query
    after = cursor_of(query.get("after"), name="after")
    return await call.query(feed_question(call, after=after, limit=page_size(query)))


async def list_cursors(call: Call) -> object:
    view = await call.query(ListFeedCursors())
    assert isinstance(view, FeedCursorsView)
    return view.cursors


async def get_cursor(call: Call) -> object:
    return await call.query(GetFeedCursor(consumer=call.path["name"]))


async def put_cursor(call: Call) -> object:
    body = await call.body(CursorBody)
    return await call.execute(
        PutFeedCursor(consumer=call.path["name"], seq=body.seq, rewind=body.rewind)
    )


async def delete_cursor(call: Call) -> object:
    return await call.execute(DeleteFeedCursor(consumer=call.path["name"]))
