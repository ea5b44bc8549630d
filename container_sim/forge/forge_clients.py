"""All forges of a server as one thing: each question names its forge by key (ForgeSite.key).

A forge that is not here answers as one for which there are no credentials: nothing is asked, and
nothing is learnt. What is asked of one never waits for another.
"""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.model import (
    Check,
    CredentialsValid,
    Fetched,
    Listing,
    Made,
    NoCredentials,
    NotLearnt,
    NotModified,
    PullRequest,
    Refused,
    RepositoryName,
    Review,
    ReviewThread,
    ReviewVerdict,
)
from boomtown.container_sim.forge.port import Forge

ANY_OWNER = ""  # whoever has no token of their own


class ForgeAccount(msgspec.Struct, frozen=True):
    """A forge, and the owners for whom there is a token of their own."""

    forge: Forge
    owners: tuple[str, ...] = ()


class ForgeClients:
    """Satisfies the town's Forges."""

    def __init__(self, accounts: dict[str, ForgeAccount]) -> None:
        self._accounts = accounts

    async def check_credentials(
        self, forge: str, *, timeout_ms: int
    ) -> CredentialsValid | NotLearnt:
        """Valid where one token is; of several that are not, what was said of the first that the
        forge was asked about."""
        account = self._accounts.get(forge)
        learnt: NotLearnt = NoCredentials()
        for owner in () if account is None else (ANY_OWNER, *account.owners):
            assert account is not None
            outcome = await account.forge.check_credentials(owner, timeout_ms=timeout_ms)
            if isinstance(outcome, CredentialsValid):
                return outcome
            if isinstance(learnt, NoCredentials):
                learnt = outcome
        return learnt

    async def list_open_pull_requests(
        self, forge: str, repo: RepositoryName, *, etag: str | None, timeout_ms: int
    ) -> Fetched[Listing[PullRequest]] | NotModified | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.list_open_pull_requests(repo, etag=etag, timeout_ms=timeout_ms)

    async def get_pull_request(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[PullRequest] | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.get_pull_request(repo, number, timeout_ms=timeout_ms)

    async def find_pull_request_by_branch(
        self, forge: str, repo: RepositoryName, branch: str, *, timeout_ms: int
    ) -> Fetched[PullRequest | None] | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.find_pull_request_by_branch(repo, branch, timeout_ms=timeout_ms)

    async def list_checks(
        self, forge: str, repo: RepositoryName, head_sha: str, *, timeout_ms: int
    ) -> Fetched[Listing[Check]] | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.list_checks(repo, head_sha, timeout_ms=timeout_ms)

    async def list_reviews(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[Review]] | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.list_reviews(repo, number, timeout_ms=timeout_ms)

    async def list_review_threads(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[ReviewThread]] | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.list_review_threads(repo, number, timeout_ms=timeout_ms)

    async def post_review(
        self,
        forge: str,
        repo: RepositoryName,
        number: int,
        *,
        head_sha: str,
        verdict: ReviewVerdict,
        body: str,
        timeout_ms: int,
    ) -> Made[Review] | Refused | NotLearnt:
        account = self._accounts.get(forge)
        if account is None:
            return NoCredentials()
        return await account.forge.post_review(
            repo, number, head_sha=head_sha, verdict=verdict, body=body, timeout_ms=timeout_ms
        )
