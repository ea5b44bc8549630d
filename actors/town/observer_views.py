"""What a town answers about its observer: shapes of the wire, beside those of views.py."""

from __future__ import annotations

import msgspec


class ObservedRepoView(msgspec.Struct, frozen=True, kw_only=True):
    forge: str
    owner: str
    repo: str
    polled_at: int | None
    last_ok_at: int | None
    failures: int  # in a row
    last_error: str | None
    not_before_at: int | None  # the forge's own word


class SkippedOwnerView(msgspec.Struct, frozen=True, kw_only=True):
    forge: str
    owner: str
    reason: str


class ObserverView(msgspec.Struct, frozen=True, kw_only=True, tag="observer", tag_field="view"):
    name: str
    state: str  # starting | active | disabled | degraded
    reason: str | None
    forges: tuple[str, ...]  # that the server knows
    checked_at: int | None
    last_ok_at: int | None
    next_poll_at: int | None  # a poke that is still to come, or that came
    repos: tuple[ObservedRepoView, ...]
    skipped_owners: tuple[SkippedOwnerView, ...]


class PrView(msgspec.Struct, frozen=True, kw_only=True, tag="pr", tag_field="view"):
    url: str
    forge: str
    owner: str
    repo: str
    number: int
    title: str
    author: str
    branch: str
    base_branch: str
    head_sha: str
    state: str
    is_draft: bool
    agent_id: str | None
    agent_name: str | None
    session_id: str | None
    rig_id: str | None
    review_decision: str | None
    ci_status: str | None
    mergeability: str | None
    failing_checks: tuple[str, ...]  # of the head
    open_threads: int
    opened_at: int
    observed_at: int
