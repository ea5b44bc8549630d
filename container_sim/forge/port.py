"""What a town's observer and gateway ask of a forge: one forge, all its repositories.

Every method takes the whole time it may use as `timeout_ms`, whatever the number of requests
behind it. None raises for anything that a forge, a network or a token can do: these are outcomes
(model.py). One conformance suite runs against the client with our server, and against the twin.
"""

from __future__ import annotations

from typing import Protocol

from boomtown.container_sim.forge.model import (
    Check,
    CredentialsValid,
    Fetched,
    HeadMoved,
    Listing,
    Made,
    Merged,
    MergeMethod,
    NotLearnt,
    NotMergeable,
    NotModified,
    PullRequest,
    Refused,
    RepositoryName,
    Review,
    ReviewThread,
    ReviewVerdict,
)


class Forge(Protocol):
    """One forge, with a token for each owner of repositories."""

    async def check_credentials(
        self, owner: str, *, timeout_ms: int
    ) -> CredentialsValid | NotLearnt:
        """Whether the forge takes our token for this owner's repositories. NoCredentials without
        asking it when we have none."""
        ...

    async def list_open_pull_requests(
        self, repo: RepositoryName, *, etag: str | None, timeout_ms: int
    ) -> Fetched[Listing[PullRequest]] | NotModified | NotLearnt:
        """Newest first. With the etag of an earlier listing, NotModified when it would be the
        same again."""
        ...

    async def get_pull_request(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[PullRequest] | NotLearnt:
        """With its mergeability, where the forge has computed it."""
        ...

    async def find_pull_request_by_branch(
        self, repo: RepositoryName, branch: str, *, timeout_ms: int
    ) -> Fetched[PullRequest | None] | NotLearnt:
        """The open one with this head branch, else the newest that has ended, else None."""
        ...

    async def list_checks(
        self, repo: RepositoryName, head_sha: str, *, timeout_ms: int
    ) -> Fetched[Listing[Check]] | NotLearnt:
        """The newest run of each check of a commit, by name, with the end of the log of those
        that failed."""
        ...

    async def list_reviews(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[Review]] | NotLearnt:
        """In the order of their submission; those that were dismissed are left out."""
        ...

    async def list_review_threads(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[ReviewThread]] | NotLearnt:
        """All threads, resolved ones too; incomplete past the bounds."""
        ...

    async def post_review(
        self,
        repo: RepositoryName,
        number: int,
        *,
        head_sha: str,
        verdict: ReviewVerdict,
        body: str,
        timeout_ms: int,
    ) -> Made[Review] | Refused | NotLearnt:
        """Say a verdict about a head. Not idempotent: after ForgeFailed, `list_reviews` shows
        whether it was said. Nobody may approve their own pull request: Refused."""
        ...

    async def create_pull_request(
        self,
        repo: RepositoryName,
        *,
        title: str,
        body: str,
        head_branch: str,
        base_branch: str,
        is_draft: bool,
        timeout_ms: int,
    ) -> Made[PullRequest] | Refused | NotLearnt:
        """Idempotent by its branches: an open one with the same two is the answer, not new."""
        ...

    async def merge_pull_request(
        self,
        repo: RepositoryName,
        number: int,
        *,
        expected_head_sha: str,
        method: MergeMethod,
        title: str,
        timeout_ms: int,
    ) -> Merged | HeadMoved | NotMergeable | NotLearnt:
        """Merge exactly this head, under a commit with this title. Idempotent: where that head
        is merged already, Merged."""
        ...
