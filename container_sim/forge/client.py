"""A client of GitHub's interface: real GitHub, an Enterprise server, or ours (server.py), by the
site's address and the owners' tokens alone.

Nothing is kept between questions but the connections of the way, and nothing is ever tried twice:
whoever asks knows when to ask again. Numbers are bounded by ForgeLimits. Sources: GitHub's REST
reference (version 2022-11-28) for pulls, reviews, checks and statuses; its GraphQL reference for
review threads, because REST does not tell whether one is resolved.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from boomtown.clock import Clock
from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.check_listing import list_checks
from boomtown.container_sim.forge.conversation import (
    Conversation,
    NothingLearnt,
    decoded,
    failed,
)
from boomtown.container_sim.forge.github_shapes import (
    EVENT_OF_VERDICT,
    MergeAnswerShape,
    MergeShape,
    MessageShape,
    NewPullShape,
    NewReviewShape,
    PullShape,
    ReviewShape,
)
from boomtown.container_sim.forge.model import (
    Check,
    CredentialsValid,
    FailureKind,
    Fetched,
    HeadMoved,
    Listing,
    Made,
    Merged,
    MergeMethod,
    NoCredentials,
    NotLearnt,
    NotMergeable,
    NotModified,
    PullRequest,
    PullRequestState,
    Refused,
    RepositoryName,
    Review,
    ReviewThread,
    ReviewVerdict,
)
from boomtown.container_sim.forge.thread_listing import list_threads
from boomtown.container_sim.forge.way import ForgeWay
from boomtown.limits import ForgeLimits

FindToken = Callable[[str], str | None]  # of an owner, None: we have none


class ForgeClient:
    """Satisfies Forge. `find_token` is asked at every question, so that a token that was added
    later is used at once; it must be cheap."""

    def __init__(
        self,
        site: ForgeSite,
        way: ForgeWay,
        clock: Clock,
        limits: ForgeLimits,
        *,
        find_token: FindToken,
    ) -> None:
        self._site = site
        self._way = way
        self._clock = clock
        self._limits = limits
        self._find_token = find_token

    async def close(self) -> None:
        await self._way.close()

    async def check_credentials(
        self, owner: str, *, timeout_ms: int
    ) -> CredentialsValid | NotLearnt:
        try:
            talk = self.open(owner, timeout_ms)
            # It costs no call of the limit, and is there for every kind of token. A server without
            # limits answers 404, after it has looked at the token.
            await talk.send("GET", f"{self._site.api_url}/rate_limit", expected=(200, 404))
            return CredentialsValid()
        except NothingLearnt as end:
            return end.outcome

    async def list_open_pull_requests(
        self, repo: RepositoryName, *, etag: str | None, timeout_ms: int
    ) -> Fetched[Listing[PullRequest]] | NotModified | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            pages = await talk.fetch_pages(
                tuple[PullShape, ...], self.pulls_url(repo, state="open"), etag=etag
            )
            if pages is None:
                return NotModified()
            found = tuple(pull_of(shape) for page in pages.pages for shape in page)
            listing = Listing(items=found, is_complete=pages.is_complete)
            return Fetched(value=listing, etag=pages.etag)
        except NothingLearnt as end:
            return end.outcome

    async def get_pull_request(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[PullRequest] | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            shape = await talk.fetch(PullShape, self.pull_url(repo, number))
            return Fetched(value=pull_of(shape))
        except NothingLearnt as end:
            return end.outcome

    async def find_pull_request_by_branch(
        self, repo: RepositoryName, branch: str, *, timeout_ms: int
    ) -> Fetched[PullRequest | None] | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            # One page: newest first, and a branch with a hundred requests is nobody's.
            url = self.pulls_url(repo, state="all", head=f"{repo.owner}:{branch}")
            shapes = await talk.fetch(tuple[PullShape, ...], url)
            found = [pull_of(shape) for shape in shapes if shape.head.ref == branch]
            still_open = [pull for pull in found if pull.state is PullRequestState.OPEN]
            return Fetched(value=next(iter(still_open + found), None))
        except NothingLearnt as end:
            return end.outcome

    async def list_checks(
        self, repo: RepositoryName, head_sha: str, *, timeout_ms: int
    ) -> Fetched[Listing[Check]] | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            url = self.repository_url(repo)
            return Fetched(value=await list_checks(talk, url, head_sha, self._limits))
        except NothingLearnt as end:
            return end.outcome

    async def list_reviews(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[Review]] | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            url = f"{self.pull_url(repo, number)}/reviews?per_page={self._limits.page_items}"
            pages = await talk.fetch_pages(tuple[ReviewShape, ...], url, etag=None)
            assert pages is not None, "no etag was shown"
            found = (_review_of(shape) for page in pages.pages for shape in page)
            reviews = tuple(review for review in found if review is not None)
            return Fetched(value=Listing(items=reviews, is_complete=pages.is_complete))
        except NothingLearnt as end:
            return end.outcome

    async def list_review_threads(
        self, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[ReviewThread]] | NotLearnt:
        try:
            talk = self.open(repo.owner, timeout_ms)
            url = self._site.graphql_url
            return Fetched(value=await list_threads(talk, url, repo, number, self._limits))
        except NothingLearnt as end:
            return end.outcome

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
        try:
            talk = self.open(repo.owner, timeout_ms)
            url = f"{self.pull_url(repo, number)}/reviews"
            wanted = NewReviewShape(event=EVENT_OF_VERDICT[verdict], body=body, commit_id=head_sha)
            answer = await talk.send("POST", url, wanted, expected=(200, 422))
            if answer.status == 422:
                return Refused(message=decoded(answer, MessageShape).message)
            review = _review_of(decoded(answer, ReviewShape))
            if review is None:
                raise failed(FailureKind.MALFORMED, "the review is not there")
            return Made(value=review, is_new=True)
        except NothingLearnt as end:
            return end.outcome

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
        try:
            talk = self.open(repo.owner, timeout_ms)
            wanted = NewPullShape(
                title=title, body=body, head=head_branch, base=base_branch, draft=is_draft
            )
            url = f"{self.repository_url(repo)}/pulls"
            answer = await talk.send("POST", url, wanted, expected=(201, 422))
            if answer.status == 201:
                return Made(value=pull_of(decoded(answer, PullShape)), is_new=True)
            # Why it was refused is in the text only; whether it is there already is not.
            head = f"{repo.owner}:{head_branch}"
            url = self.pulls_url(repo, state="open", head=head, base=base_branch)
            for shape in await talk.fetch(tuple[PullShape, ...], url):
                if (shape.head.ref, shape.base.ref) == (head_branch, base_branch):
                    return Made(value=pull_of(shape), is_new=False)
            return Refused(message=decoded(answer, MessageShape).message)
        except NothingLearnt as end:
            return end.outcome

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
        try:
            talk = self.open(repo.owner, timeout_ms)
            wanted = MergeShape(
                sha=expected_head_sha, merge_method=method.value, commit_title=title
            )
            url = f"{self.pull_url(repo, number)}/merge"
            answer = await talk.send("PUT", url, wanted, expected=(200, 405, 409, 422))
            if answer.status == 200:
                return Merged(merge_sha=decoded(answer, MergeAnswerShape).sha)
            # Refused: because it is merged already, perhaps by a call whose answer was lost?
            found = await talk.fetch(PullShape, self.pull_url(repo, number))
            if found.head.sha != expected_head_sha:
                return HeadMoved()
            if found.merged_at is not None and found.merge_commit_sha is not None:
                return Merged(merge_sha=found.merge_commit_sha)
            return HeadMoved() if answer.status == 409 else NotMergeable()
        except NothingLearnt as end:
            return end.outcome

    def open(self, owner: str, timeout_ms: int) -> Conversation:
        """The requests of one question. Raises NothingLearnt without a token."""
        token = self._find_token(owner)
        if token is None:
            raise NothingLearnt(NoCredentials())
        return Conversation(
            self._way, self._clock, self._limits, token=token, timeout_ms=timeout_ms
        )

    def repository_url(self, repo: RepositoryName) -> str:
        return f"{self._site.api_url}/repos/{quote(repo.owner)}/{quote(repo.name)}"

    def pull_url(self, repo: RepositoryName, number: int) -> str:
        return f"{self.repository_url(repo)}/pulls/{number}"

    def pulls_url(self, repo: RepositoryName, **query: str) -> str:
        """Newest first, so that a new request changes the first page."""
        asked = {"sort": "created", "direction": "desc", "per_page": self._limits.page_items}
        return f"{self.repository_url(repo)}/pulls?{urlencode({**query, **asked})}"


def pull_of(shape: PullShape) -> PullRequest:
    """Raises NothingLearnt where the shape holds no instant."""
    try:
        return shape.to_model()
    except ValueError as error:
        raise failed(FailureKind.MALFORMED, "a pull request has a bad instant") from error


def _review_of(shape: ReviewShape) -> Review | None:
    try:
        return shape.to_model()
    except ValueError as error:
        raise failed(FailureKind.MALFORMED, "a review has a bad instant") from error
