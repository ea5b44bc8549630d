"""Everything that can have happened at our own forge: the lines of its journal.

`repo` is the lower-case `owner/name`; instants are the server's. What git knows is not in here:
heads and commits are asked of the repositories, but for the heads of requests that have ended.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One line."""


class TokenGranted(Entry, frozen=True):
    login: str
    is_bot: bool
    token_hash: str  # SHA-256, hex


class TokensRevoked(Entry, frozen=True):
    """All of one account's."""

    login: str


class PullOpened(Entry, frozen=True):
    repo: str
    number: int
    title: str
    body: str
    author: str
    is_draft: bool
    head_branch: str
    head_sha: str
    base_branch: str
    at_ms: int


class PullClosed(Entry, frozen=True):
    repo: str
    number: int
    head_sha: str
    at_ms: int


class MergeBegan(Entry, frozen=True):
    """Written before the base moves, so that a crash after the move is no riddle: the request is
    merged when the base holds `merge_sha`."""

    repo: str
    number: int
    head_sha: str
    merge_sha: str


class PullMerged(Entry, frozen=True):
    repo: str
    number: int
    head_sha: str
    merge_sha: str
    at_ms: int


class CheckRecorded(Entry, frozen=True):
    """A check run; `log` is both its output and its job's log."""

    repo: str
    check_id: int
    name: str
    head_sha: str
    status: str
    conclusion: str | None
    details_url: str | None
    log: str | None


class StatusRecorded(Entry, frozen=True):
    repo: str
    head_sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None


class ReviewPosted(Entry, frozen=True):
    repo: str
    number: int
    review_id: int
    login: str
    state: str
    body: str
    head_sha: str
    at_ms: int


class CommentAdded(Entry, frozen=True):
    """The first one with a thread's id begins it."""

    repo: str
    number: int
    thread_id: str
    comment_id: int
    login: str
    path: str
    line: int | None
    body: str
    at_ms: int


class ThreadMarked(Entry, frozen=True):
    thread_id: str
    is_resolved: bool


AnyEntry: TypeAlias = (
    TokenGranted
    | TokensRevoked
    | PullOpened
    | PullClosed
    | MergeBegan
    | PullMerged
    | CheckRecorded
    | StatusRecorded
    | ReviewPosted
    | CommentAdded
    | ThreadMarked
)
