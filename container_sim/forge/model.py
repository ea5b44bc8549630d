"""What a forge knows, as values, and what may come of asking it.

Nothing here is text to be searched: who asks matches on classes and enums. `Fetched` carries what
was asked for; every other outcome says that nothing was learnt, and above all never that something
is gone: only `NotFound` says that, and only of the one thing that was asked for. An outcome of a
call that changes something is certain when it is `Made`, `Merged` or a refusal; after a
`ForgeFailed` the change may have happened, and the caller has to look before trying again.
"""

from __future__ import annotations

import enum
from typing import Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class RepositoryName(msgspec.Struct, frozen=True, kw_only=True):
    """A repository within one forge. Forges compare both parts without regard to case: use `key`
    to compare."""

    owner: str
    name: str

    @property
    def full_name(self) -> str:
        """`owner/name`, as people write it."""
        return f"{self.owner}/{self.name}"

    @property
    def key(self) -> str:
        """Equal for two spellings of one repository."""
        return self.full_name.lower()


class PullRequestState(enum.StrEnum):
    OPEN = "open"
    CLOSED = "closed"  # without a merge
    MERGED = "merged"


class Mergeability(enum.StrEnum):
    """Whether git could merge the head into the base; says nothing of rules about reviews."""

    MERGEABLE = "mergeable"
    CONFLICTING = "conflicting"
    UNKNOWN = "unknown"  # not asked for, not computed yet, or the request is not open


class CheckStatus(enum.StrEnum):
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    NEUTRAL = "neutral"  # was left out, or has no opinion


class ReviewVerdict(enum.StrEnum):
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"


class ReviewDecision(enum.StrEnum):
    """What all reviews of a pull request come to."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    NONE = "none"  # nobody has said either


class MergeMethod(enum.StrEnum):
    MERGE = "merge"  # a merge commit, also where the base could be moved forward
    SQUASH = "squash"  # one commit on the base


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    url: str  # its page; unique in the world
    title: str
    author: str  # "" when the account is gone
    state: PullRequestState
    is_draft: bool
    head_branch: str
    head_sha: str  # of the head branch as the forge knows it; the last one when it has ended
    base_branch: str
    mergeability: Mergeability  # UNKNOWN in listings
    created_at_ms: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one commit. Where several programs use one name, the worst of theirs."""

    name: str
    head_sha: str
    status: CheckStatus
    details_url: str  # "" when it has none
    log_tail: str | None  # the end of a failed check's log, where one could be had


class ReviewComment(msgspec.Struct, frozen=True, kw_only=True):
    author: str  # "" when the account is gone
    is_bot: bool
    body: str


class ReviewThread(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation at a line; `is_bot` is that of who began it."""

    thread_id: str
    path: str
    line: int | None  # None: the line is not in the present head, or the thread is about the file
    is_resolved: bool
    is_bot: bool
    comments: tuple[ReviewComment, ...]  # the first ones, in order


class Review(msgspec.Struct, frozen=True, kw_only=True):
    review_id: int
    author: str  # "" when the account is gone
    is_bot: bool
    verdict: ReviewVerdict
    head_sha: str  # what was looked at
    body: str
    submitted_at_ms: int


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """`items` in the forge's order. What is missing from an incomplete listing may well be there:
    nothing is to be removed because of it."""

    items: tuple[T, ...]
    is_complete: bool


# Outcomes


class Fetched(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What was asked for. `etag` may be shown with the same question later; None where the answer
    cannot be asked for conditionally."""

    value: T
    etag: str | None = None


class NotModified(msgspec.Struct, frozen=True):
    """Nothing has changed since the etag that was shown."""


class NoCredentials(msgspec.Struct, frozen=True):
    """We have no token for the owner; the forge was not asked."""


class Unauthorized(msgspec.Struct, frozen=True, kw_only=True):
    """The forge does not take the token, or not for this."""

    is_known: bool  # the token is somebody's, who may not do this


class RateLimited(msgspec.Struct, frozen=True, kw_only=True):
    """Too many calls; none before this instant."""

    retry_at_ms: int


class NotFound(msgspec.Struct, frozen=True):
    """There is no such thing, or it is hidden from the token."""


class FailureKind(enum.StrEnum):
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"  # an answer that cannot be what was asked for
    UNREACHABLE = "unreachable"


class ForgeFailed(msgspec.Struct, frozen=True, kw_only=True):
    """No answer, or none that can be used."""

    kind: FailureKind
    detail: str  # for people


class CredentialsValid(msgspec.Struct, frozen=True):
    """The forge takes the owner's token."""


class Made(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """It is there now. `is_new` is False where it was there before."""

    value: T
    is_new: bool


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The forge will not have it, now or later; nothing was changed."""

    message: str  # the forge's words, for people


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The pull request is merged, by this call or by an earlier one that merged the same head."""

    merge_sha: str


class HeadMoved(msgspec.Struct, frozen=True):
    """The head is not the expected one; nothing was merged."""


class NotMergeable(msgspec.Struct, frozen=True):
    """Closed, a draft, in conflict with its base, or held back by a rule; nothing was merged."""


# What may come instead of an answer to any question.
NotLearnt: TypeAlias = NoCredentials | Unauthorized | RateLimited | NotFound | ForgeFailed


def decide_reviews(reviews: tuple[Review, ...]) -> ReviewDecision:
    """The last word of each reviewer counts, and a wish for changes more than any approval.
    Comments are no word. `reviews` are in the order in which they were submitted."""
    words = {
        review.author: review.verdict
        for review in reviews
        if review.verdict is not ReviewVerdict.COMMENTED
    }
    if ReviewVerdict.CHANGES_REQUESTED in words.values():
        return ReviewDecision.CHANGES_REQUESTED
    if ReviewVerdict.APPROVED in words.values():
        return ReviewDecision.APPROVED
    return ReviewDecision.NONE
