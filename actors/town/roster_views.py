"""What a town answers about its roster: shapes of the wire, beside those of views.py."""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.errors import Refusal


class WatchView(msgspec.Struct, frozen=True, kw_only=True, tag="watch", tag_field="view"):
    id: str
    agent_id: str
    agent_name: str
    forge: str
    owner: str
    repo: str
    created_at: int


class AddedWatchView(
    msgspec.Struct, frozen=True, kw_only=True, tag="added_watch", tag_field="view"
):
    """The front answers 201 for a new one, 200 for one that was there."""

    watch: WatchView
    is_new: bool


class MemoryView(msgspec.Struct, frozen=True, kw_only=True, tag="memory", tag_field="view"):
    key: str
    value: Any
    updated_at: int


class ActionView(msgspec.Struct, frozen=True, kw_only=True, tag="action", tag_field="view"):
    id: str
    agent_id: str
    session_id: str | None
    action: str
    outcome: str  # allowed | denied
    metadata: dict[str, Any]
    created_at: int


class ReviewedPrView(
    msgspec.Struct, frozen=True, kw_only=True, tag="reviewed_pr", tag_field="view"
):
    agent_id: str
    forge: str
    owner: str
    repo: str
    number: int
    head_sha: str
    reviewed_at: int


class GatewayView(msgspec.Struct, frozen=True, kw_only=True, tag="gateway", tag_field="view"):
    """A decision, which is kept whatever came of it: hence `refusal` is here, and not in the
    Answer, whose refusals have changed nothing. The front raises it."""

    action_id: str
    action: str
    allowed: bool
    result: Any = None
    refusal: Refusal | None = None
    is_pending: bool = False  # allowed, and to be done outside
