"""What our forge knows: the fold of its journal's entries.

`apply` is the only way in which anything changes, both while the server runs and when the journal
is read again at its start, so the two cannot differ. Everything is kept in the order in which it
happened.
"""

from __future__ import annotations

import hashlib
from typing import assert_never

import msgspec

from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge.model import PullRequestState


class Account(msgspec.Struct, frozen=True):
    login: str
    is_bot: bool


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request. `head_sha` is that of its beginning, then of its end; in between the branch
    is asked."""

    opened: e.PullOpened
    state: PullRequestState = PullRequestState.OPEN
    head_sha: str
    began: e.MergeBegan | None = None
    ended_at_ms: int | None = None
    merge_sha: str | None = None


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    comments: tuple[e.CommentAdded, ...]
    is_resolved: bool = False


class ForgeState:
    """Everything, in memory; read it through its attributes, change it by `apply`."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}  # also of those whose tokens were revoked
        self.logins_by_token: dict[str, str] = {}  # by the token's hash
        self.pulls: dict[str, dict[int, Pull]] = {}  # by repository
        self.checks: dict[tuple[str, str, str], e.CheckRecorded] = {}  # repo, head, name
        self.statuses: dict[tuple[str, str, str], e.StatusRecorded] = {}  # repo, head, context
        self.reviews: dict[tuple[str, int], list[e.ReviewPosted]] = {}
        self.threads: dict[str, Thread] = {}
        self.last_id = 0  # of checks, reviews and comments together

    def apply(self, entry: e.AnyEntry) -> None:
        match entry:
            case e.TokenGranted():
                self.accounts[entry.login] = Account(entry.login, entry.is_bot)
                self.logins_by_token[entry.token_hash] = entry.login
            case e.TokensRevoked():
                kept = self.logins_by_token.items()
                self.logins_by_token = {key: who for key, who in kept if who != entry.login}
            case e.PullOpened():
                pulls = self.pulls.setdefault(entry.repo, {})
                pulls[entry.number] = Pull(opened=entry, head_sha=entry.head_sha)
            case e.PullClosed() | e.MergeBegan() | e.PullMerged():
                self._change_pull(entry)
            case e.CheckRecorded():
                self.last_id = max(self.last_id, entry.check_id)
                self.checks[entry.repo, entry.head_sha, entry.name] = entry
            case e.StatusRecorded():
                self.statuses[entry.repo, entry.head_sha, entry.context] = entry
            case e.ReviewPosted():
                self.last_id = max(self.last_id, entry.review_id)
                self.reviews.setdefault((entry.repo, entry.number), []).append(entry)
            case e.CommentAdded():
                self.last_id = max(self.last_id, entry.comment_id)
                known = self.threads.get(entry.thread_id, Thread(comments=()))
                self.threads[entry.thread_id] = msgspec.structs.replace(
                    known, comments=(*known.comments, entry)
                )
            case e.ThreadMarked():
                self.threads[entry.thread_id] = msgspec.structs.replace(
                    self.threads[entry.thread_id], is_resolved=entry.is_resolved
                )
            case _:
                assert_never(entry)

    def find_account(self, token: str) -> Account | None:
        login = self.logins_by_token.get(hash_token(token))
        return None if login is None else self.accounts[login]

    def threads_of(self, repo: str, number: int) -> list[tuple[str, Thread]]:
        return [
            (thread_id, thread)
            for thread_id, thread in self.threads.items()
            if (thread.comments[0].repo, thread.comments[0].number) == (repo, number)
        ]

    def _change_pull(self, entry: e.PullClosed | e.MergeBegan | e.PullMerged) -> None:
        pulls = self.pulls[entry.repo]
        pull = pulls[entry.number]
        match entry:
            case e.MergeBegan():
                pull = msgspec.structs.replace(pull, began=entry)
            case e.PullClosed():
                pull = msgspec.structs.replace(
                    pull,
                    state=PullRequestState.CLOSED,
                    head_sha=entry.head_sha,
                    ended_at_ms=entry.at_ms,
                )
            case e.PullMerged():
                pull = msgspec.structs.replace(
                    pull,
                    state=PullRequestState.MERGED,
                    head_sha=entry.head_sha,
                    merge_sha=entry.merge_sha,
                    ended_at_ms=entry.at_ms,
                )
            case _:
                assert_never(entry)
        pulls[entry.number] = pull


def hash_token(token: str) -> str:
    """What is kept of a token; it has entropy enough to need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()
