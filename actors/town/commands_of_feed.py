"""What may be asked of a town's feed: its readers' cursors, and the changes themselves."""

from __future__ import annotations

import msgspec

from boomtown.ids import AgentId


class PutFeedCursor(
    msgspec.Struct, frozen=True, kw_only=True, tag="put_feed_cursor", tag_field="command"
):
    """Move a consumer's cursor forward; made when it is new. A cursor behind the present one
    changes nothing but the time of its use, unless `rewind`: acknowledgements may overtake each
    other."""

    consumer: str
    seq: int
    rewind: bool = False


class DeleteFeedCursor(
    msgspec.Struct, frozen=True, kw_only=True, tag="delete_feed_cursor", tag_field="command"
):
    consumer: str


class GetFeedCursor(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_feed_cursor", tag_field="question"
):
    consumer: str


class ListFeedCursors(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_feed_cursors", tag_field="question"
):
    """By name."""


class ReadFeed(msgspec.Struct, frozen=True, kw_only=True, tag="read_feed", tag_field="question"):
    """The changes after a sequence number, oldest first. Filters leave out events and never hide
    how far the reader has come."""

    after: int
    limit: int
    topic: str | None = None  # "bead": all of them; "bead.updated": these
    agent_id: AgentId | None = None
