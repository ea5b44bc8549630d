"""What the observer's calls learnt, as events of the inbox.

A poll says for each part whether it was fetched: what was not is None, and nothing follows from
it. `asked_at_ms` is when the call began, so that what happened since is not taken as seen.
"""

from __future__ import annotations

import enum

import msgspec

from boomtown.container_sim.forge.model import (
    Check,
    Listing,
    PullRequest,
    ReviewDecision,
    ReviewThread,
)


class CredentialWord(enum.StrEnum):
    """What a forge said about our credentials."""

    VALID = "valid"
    UNAVAILABLE = "unavailable"  # we have none, or it does not take them
    UNKNOWN = "unknown"  # no answer that says either


class CredentialFinding(msgspec.Struct, frozen=True, kw_only=True):
    forge: str
    word: CredentialWord
    reason: str  # for people; never a token


class ForgesChecked(msgspec.Struct, frozen=True, kw_only=True, tag="forges_checked"):
    """One finding per forge that the server knows."""

    findings: tuple[CredentialFinding, ...]
    asked_at_ms: int


class PollProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a repository's poll learnt nothing."""

    reason: str
    is_credential: bool  # nothing of this owner can be asked
    retry_at_ms: int | None  # the forge's own word, where it gave one


class PullDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One owned request, looked at closely; `pull` None: gone or not fetched, see `is_gone`."""

    number: int
    pull: PullRequest | None = None
    is_gone: bool = False
    checks: Listing[Check] | None = None
    decision: ReviewDecision | None = None
    threads: Listing[ReviewThread] | None = None


class RepositoryPolled(msgspec.Struct, frozen=True, kw_only=True, tag="repository_polled"):
    """`listing` None without a problem: nothing has changed since the etag."""

    forge: str
    repo_owner: str
    repo_name: str
    asked_at_ms: int
    interest: str  # what the listing was read for
    problem: PollProblem | None = None
    listing: Listing[PullRequest] | None = None
    etag: str | None = None  # of the listing; None where it is not to be kept
    details: tuple[PullDetails, ...] = ()
    has_reviews: bool = False  # reviews and threads were due, and all were fetched
    is_whole: bool = True  # every detail was fetched
    retry_at_ms: int | None = None  # a rate limit was met among the details


ObserverEvent = ForgesChecked | RepositoryPolled
