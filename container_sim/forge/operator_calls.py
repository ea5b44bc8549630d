"""What people and tests tell a forge, beside what a town asks: GitHub's interface, too.

Each raises ForgeCallFailed with the outcome, because whoever types a command has nothing else to
do with it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import quote

from boomtown.container_sim.forge import github_shapes as g
from boomtown.container_sim.forge import graphql_shapes as q
from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.client import ForgeClient, pull_of
from boomtown.container_sim.forge.conversation import (
    Conversation,
    NothingLearnt,
    decoded,
)
from boomtown.container_sim.forge.model import (
    CheckStatus,
    NotLearnt,
    PullRequest,
    Refused,
    RepositoryName,
)
from boomtown.container_sim.forge.thread_listing import check_errors
from boomtown.container_sim.forge.way import ForgeAnswer

_CONCLUSIONS = {
    CheckStatus.PASSED: "success",
    CheckStatus.FAILED: "failure",
    CheckStatus.NEUTRAL: "neutral",
}


class ForgeCallFailed(Exception):
    """Not done, for this reason; after a ForgeFailed it may have been done."""

    def __init__(self, outcome: NotLearnt | Refused) -> None:
        super().__init__(repr(outcome))
        self.outcome = outcome


class OperatorCalls:
    """Further calls over a client; every one raises ForgeCallFailed."""

    def __init__(self, site: ForgeSite, client: ForgeClient, *, timeout_ms: int) -> None:
        self._site = site
        self._client = client
        self._timeout_ms = timeout_ms

    async def list_pull_requests(
        self, repo: RepositoryName, *, state: str
    ) -> tuple[PullRequest, ...]:
        """Newest first; `state` is open, closed (merged ones too) or all."""
        with self._talk(repo) as talk:
            url = self._client.pulls_url(repo, state=state)
            pages = await talk.fetch_pages(tuple[g.PullShape, ...], url, etag=None)
            assert pages is not None, "no etag was shown"
            return tuple(pull_of(shape) for page in pages.pages for shape in page)

    async def close_pull_request(self, repo: RepositoryName, number: int) -> PullRequest:
        """Idempotent; a merged one stays merged."""
        with self._talk(repo) as talk:
            url = self._client.pull_url(repo, number)
            answer = await self._send(talk, "PATCH", url, g.PullChangeShape("closed"))
            return pull_of(decoded(answer, g.PullShape))

    async def set_check(
        self,
        repo: RepositoryName,
        *,
        head_sha: str,
        name: str,
        status: CheckStatus,
        log: str | None,
    ) -> None:
        """A new run of the check; it takes the place of an earlier one of its name."""
        conclusion = _CONCLUSIONS.get(status)
        wanted = g.NewCheckRunShape(
            name=name,
            head_sha=head_sha,
            status="in_progress" if conclusion is None else "completed",
            conclusion=conclusion,
            output=g.CheckOutputShape(title=name, summary=name, text=log),
        )
        with self._talk(repo) as talk:
            await self._send(
                talk, "POST", f"{self._client.repository_url(repo)}/check-runs", wanted
            )

    async def set_status(
        self, repo: RepositoryName, *, head_sha: str, context: str, state: str, description: str
    ) -> None:
        """A commit status, GitHub's older kind of check."""
        wanted = g.NewStatusShape(state=state, context=context, description=description)
        url = f"{self._client.repository_url(repo)}/statuses/{quote(head_sha)}"
        with self._talk(repo) as talk:
            await self._send(talk, "POST", url, wanted)

    async def add_thread(
        self,
        repo: RepositoryName,
        number: int,
        *,
        head_sha: str,
        path: str,
        line: int | None,
        body: str,
    ) -> int:
        """Begin a conversation at a line; its first comment's id."""
        wanted = g.NewCommentShape(body=body, path=path, line=line, commit_id=head_sha)
        with self._talk(repo) as talk:
            url = f"{self._client.pull_url(repo, number)}/comments"
            answer = await self._send(talk, "POST", url, wanted)
            return decoded(answer, g.CommentShape).id

    async def reply(self, repo: RepositoryName, number: int, *, comment_id: int, body: str) -> None:
        """Go on with the conversation that this comment began."""
        with self._talk(repo) as talk:
            url = f"{self._client.pull_url(repo, number)}/comments/{comment_id}/replies"
            await self._send(talk, "POST", url, g.NewReplyShape(body))

    async def mark_thread(self, repo: RepositoryName, *, thread_id: str, is_resolved: bool) -> None:
        """Idempotent."""
        document = q.RESOLVE_THREAD if is_resolved else q.UNRESOLVE_THREAD
        wanted = q.GraphqlRequest(query=document, variables={"thread": thread_id})
        with self._talk(repo) as talk:
            answer = await talk.send("POST", self._site.graphql_url, wanted)
            check_errors(talk, answer, decoded(answer, q.ErrorsAnswer).errors)

    @contextmanager
    def _talk(self, repo: RepositoryName) -> Generator[Conversation]:
        try:
            yield self._client.open(repo.owner, self._timeout_ms)
        except NothingLearnt as end:
            raise ForgeCallFailed(end.outcome) from end

    async def _send(self, talk: Conversation, method: str, url: str, body: object) -> ForgeAnswer:
        answer = await talk.send(method, url, body, expected=(200, 201, 422))
        if answer.status == 422:
            raise ForgeCallFailed(Refused(message=decoded(answer, g.MessageShape).message))
        return answer
