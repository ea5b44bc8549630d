"""GitHub's JSON, as far as we use it: shapes under its field names, and what they mean to us.

Both sides use these: the client decodes them (fields that we do not know are let be, as GitHub
adds some every month), our server encodes them. Source: GitHub's REST reference, version
2022-11-28, and its GraphQL reference for review threads. Accounts that are gone are null.
"""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.model import (
    CheckStatus,
    Mergeability,
    PullRequest,
    PullRequestState,
    Review,
    ReviewVerdict,
)
from boomtown.wire import ms_from_iso


class UserShape(msgspec.Struct, frozen=True):
    login: str
    type: str = "User"  # or "Bot", "Organization", "Mannequin"


class BranchShape(msgspec.Struct, frozen=True):
    ref: str
    sha: str


class RepositoryShape(msgspec.Struct, frozen=True):
    full_name: str
    default_branch: str


class PullShape(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    html_url: str
    title: str
    user: UserShape | None
    state: str  # "open" or "closed"; merged ones are closed
    draft: bool = False
    head: BranchShape
    base: BranchShape
    created_at: str
    merged_at: str | None = None
    mergeable: bool | None = None  # null in listings, and until it is computed
    merge_commit_sha: str | None = None

    def to_model(self) -> PullRequest:
        """Raises ValueError where the instant is none."""
        return PullRequest(
            number=self.number,
            url=self.html_url,
            title=self.title,
            author="" if self.user is None else self.user.login,
            state=self._state(),
            is_draft=self.draft,
            head_branch=self.head.ref,
            head_sha=self.head.sha,
            base_branch=self.base.ref,
            mergeability=_MERGEABILITY[self.mergeable],
            created_at_ms=ms_from_iso(self.created_at),
        )

    def _state(self) -> PullRequestState:
        if self.merged_at is not None:
            return PullRequestState.MERGED
        return PullRequestState.OPEN if self.state == "open" else PullRequestState.CLOSED


_MERGEABILITY = {
    True: Mergeability.MERGEABLE,
    False: Mergeability.CONFLICTING,
    None: Mergeability.UNKNOWN,
}


class CheckOutputShape(msgspec.Struct, frozen=True):
    title: str | None = None
    summary: str | None = None
    text: str | None = None


class CheckRunShape(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    head_sha: str
    status: str  # "completed", or a way of not being so
    conclusion: str | None = None
    details_url: str | None = None
    output: CheckOutputShape = CheckOutputShape()

    def check_status(self) -> CheckStatus:
        if self.status != "completed" or self.conclusion is None:
            return CheckStatus.PENDING
        # A conclusion that we do not know is not a success.
        return _STATUS_OF_CONCLUSION.get(self.conclusion, CheckStatus.FAILED)


_STATUS_OF_CONCLUSION = {
    "success": CheckStatus.PASSED,
    "neutral": CheckStatus.NEUTRAL,
    "skipped": CheckStatus.NEUTRAL,
    "stale": CheckStatus.NEUTRAL,
}


class CheckRunsShape(msgspec.Struct, frozen=True):
    total_count: int
    check_runs: tuple[CheckRunShape, ...]


class StatusShape(msgspec.Struct, frozen=True, kw_only=True):
    """A commit status: the older kind of check."""

    context: str
    state: str
    description: str | None = None
    target_url: str | None = None

    def check_status(self) -> CheckStatus:
        return _STATUS_OF_STATE.get(self.state, CheckStatus.FAILED)


_STATUS_OF_STATE = {"success": CheckStatus.PASSED, "pending": CheckStatus.PENDING}


class CombinedStatusShape(msgspec.Struct, frozen=True):
    """The newest status of each context."""

    total_count: int
    statuses: tuple[StatusShape, ...]


class ReviewShape(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    user: UserShape | None
    state: str
    body: str | None
    commit_id: str | None  # null when the commit is gone
    submitted_at: str | None = None  # null while it is a draft

    def to_model(self) -> Review | None:
        """None for drafts and for those that were dismissed. Raises ValueError where the instant
        is none."""
        verdict = VERDICT_OF_STATE.get(self.state)
        if verdict is None or self.submitted_at is None:
            return None
        return Review(
            review_id=self.id,
            author="" if self.user is None else self.user.login,
            is_bot=self.user is not None and self.user.type == "Bot",
            verdict=verdict,
            head_sha=self.commit_id or "",
            body=self.body or "",
            submitted_at_ms=ms_from_iso(self.submitted_at),
        )


VERDICT_OF_STATE = {
    "APPROVED": ReviewVerdict.APPROVED,
    "CHANGES_REQUESTED": ReviewVerdict.CHANGES_REQUESTED,
    "COMMENTED": ReviewVerdict.COMMENTED,
}
EVENT_OF_VERDICT = {
    ReviewVerdict.APPROVED: "APPROVE",
    ReviewVerdict.CHANGES_REQUESTED: "REQUEST_CHANGES",
    ReviewVerdict.COMMENTED: "COMMENT",
}
STATE_OF_EVENT = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
}


class CommentShape(msgspec.Struct, frozen=True, kw_only=True):
    """A comment at a line, which begins a thread or goes on with one."""

    id: int
    user: UserShape | None
    body: str
    path: str
    line: int | None
    created_at: str


# What is sent


class NewPullShape(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    head: str
    base: str
    body: str = ""
    draft: bool = False


class PullChangeShape(msgspec.Struct, frozen=True):
    state: str


class NewReviewShape(msgspec.Struct, frozen=True, kw_only=True):
    event: str
    body: str = ""
    commit_id: str | None = None


class MergeShape(msgspec.Struct, frozen=True, kw_only=True):
    sha: str | None = None
    merge_method: str = "merge"
    commit_title: str | None = None


class MergeAnswerShape(msgspec.Struct, frozen=True):
    sha: str
    merged: bool
    message: str


class NewCheckRunShape(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    head_sha: str
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    output: CheckOutputShape = CheckOutputShape()


class NewStatusShape(msgspec.Struct, frozen=True, kw_only=True):
    state: str
    context: str = "default"
    description: str | None = None
    target_url: str | None = None


class NewCommentShape(msgspec.Struct, frozen=True, kw_only=True):
    body: str
    path: str
    commit_id: str
    line: int | None = None
    side: str = "RIGHT"


class NewReplyShape(msgspec.Struct, frozen=True):
    body: str


class MessageShape(msgspec.Struct, frozen=True):
    """What GitHub says when it refuses."""

    message: str = ""
