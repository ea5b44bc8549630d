"""What a town answers of its feed. Fields as in views.py: the wire's names, instants in ms."""

from __future__ import annotations

from typing import Any

import msgspec


class FeedEventView(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `payload` is the wire's already (feed_map.py)."""

    seq: int
    topic: str
    entity: str
    entity_id: str
    rig_id: str | None
    agent_id: str | None
    session_id: str | None
    actor: str
    reason: str | None
    payload: dict[str, Any]
    created_at: int


class FeedPageView(msgspec.Struct, frozen=True, kw_only=True, tag="feed", tag_field="view"):
    """`next` is where to go on: the last sequence number that was looked at, shown or not."""

    events: tuple[FeedEventView, ...]
    head: int  # the newest that was ever given; 0 before the first
    oldest: int  # the first that is still kept, or will be
    next: int


class FeedCursorView(
    msgspec.Struct, frozen=True, kw_only=True, tag="feed_cursor", tag_field="view"
):
    consumer: str
    seq: int
    updated_at: int


class FeedCursorsView(
    msgspec.Struct, frozen=True, kw_only=True, tag="feed_cursors", tag_field="view"
):
    cursors: tuple[FeedCursorView, ...]
