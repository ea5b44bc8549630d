"""What a town needs of the world, as protocols; `compose` brings what satisfies them.

Every call here is made by an effect worker, outside any transaction, after the rows that ask for
it are durable (service bindings wait for the output gate). Each takes its own timeout and answers
`Unknown` rather than raise: a town learns nothing from an exception.
"""

from __future__ import annotations

from typing import Protocol

from boomtown.container_sim.forge.model import (
    Check,
    CredentialsValid,
    Fetched,
    Listing,
    Made,
    NotLearnt,
    NotModified,
    PullRequest,
    Refused,
    RepositoryName,
    Review,
    ReviewThread,
    ReviewVerdict,
)
from boomtown.container_sim.model import (
    LookOrder,
    LookOutcome,
    ProbeOutcome,
    ProofOutcome,
    Repository,
    StartOutcome,
    StartSession,
    StopOutcome,
)
from boomtown.ids import AgentId, RigId, SessionId, TownId


class Containers(Protocol):
    """The containers of all towns. Real processes, or a simulation: one conformance suite."""

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        """Boot the town's container when it has none, then have it start the session.
        Idempotent by session_id. Answers when the session is registered, not when it runs:
        its first heartbeat says that."""
        ...

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        """Ask for a session's state; never boots a container."""
        ...

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        """End a session: SIGTERM, after `grace_ms` SIGKILL, to its whole process group.
        Idempotent; a session that is over answers `Stopped` with its report."""
        ...

    async def kill_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        """As `stop_session`; what the session has not committed or pushed is put aside, and the
        report says where (`kept_worktree`)."""
        ...

    async def look(self, order: LookOrder, *, timeout_ms: int) -> LookOutcome:
        """What stands in the way of a session that does not exist yet. Makes nothing, boots
        nothing."""
        ...

    async def discard_kept(
        self, rig_id: RigId, *, spared: tuple[str, ...], timeout_ms: int
    ) -> tuple[str, ...]:
        """Remove what killed sessions of a rig left, but the spared paths; those removed now.
        Unlike the others, it raises when it could not: nothing may be said to be gone then."""
        ...

    async def prove_merge(
        self,
        town_id: TownId,
        repository: Repository,
        *,
        branch: str,
        target_branch: str,
        timeout_ms: int,
    ) -> ProofOutcome:
        """Fetch, then say whether `branch` is merged into `target_branch`."""
        ...

    async def stop_container(self, town_id: TownId, *, timeout_ms: int) -> None:
        """Drain and end the town's container, if any; no error when there is none."""
        ...


class SessionTokens(Protocol):
    """Mints the credential of a session. Called when a start is sent, so that no row and no log
    ever holds one."""

    def mint_session_token(
        self,
        *,
        town_id: TownId,
        rig_id: RigId,
        agent_id: AgentId,
        session_id: SessionId,
        user_id: str,
        now_ms: int,
    ) -> str: ...


class Forges(Protocol):
    """All forges of a server, each by its key (ForgeSite.key), as container_sim.forge.port.Forge
    says it of one. A forge that is not there has no credentials. None of these raises for anything
    that a forge, a network or a token can do."""

    async def check_credentials(
        self, forge: str, *, timeout_ms: int
    ) -> CredentialsValid | NotLearnt:
        """Whether the forge takes any token that we have for it. NoCredentials without asking it
        when we have none."""
        ...

    async def list_open_pull_requests(
        self, forge: str, repo: RepositoryName, *, etag: str | None, timeout_ms: int
    ) -> Fetched[Listing[PullRequest]] | NotModified | NotLearnt: ...

    async def get_pull_request(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[PullRequest] | NotLearnt: ...

    async def find_pull_request_by_branch(
        self, forge: str, repo: RepositoryName, branch: str, *, timeout_ms: int
    ) -> Fetched[PullRequest | None] | NotLearnt: ...

    async def list_checks(
        self, forge: str, repo: RepositoryName, head_sha: str, *, timeout_ms: int
    ) -> Fetched[Listing[Check]] | NotLearnt: ...

    async def list_reviews(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[Review]] | NotLearnt: ...

    async def list_review_threads(
        self, forge: str, repo: RepositoryName, number: int, *, timeout_ms: int
    ) -> Fetched[Listing[ReviewThread]] | NotLearnt: ...

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
    ) -> Made[Review] | Refused | NotLearnt: ...
