"""The observer's nouns, frozen: rows of observer_schema.sql."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from boomtown.container_sim.forge.model import (
    CheckStatus,
    Mergeability,
    PullRequestState,
    RepositoryName,
    ReviewDecision,
)
from boomtown.ids import AgentId, BeadId, RigId, SessionId

OBSERVER = "scm"  # the one observer; `observer_state.name`
WATCHED = "*"  # an interest in every open pull request


class ObserverState(enum.StrEnum):
    STARTING = "starting"  # the credentials are being checked
    ACTIVE = "active"
    DISABLED = "disabled"  # no credentials: no forge is asked anything until a recheck
    DEGRADED = "degraded"  # the check had no answer; it is tried again


class Observer(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    state: ObserverState
    reason: str | None
    checked_at_ms: int | None
    last_ok_at_ms: int | None
    next_poll_at_ms: int | None
    booted_at_ms: int | None


class RepositoryKey(msgspec.Struct, frozen=True, kw_only=True):
    """A repository anywhere, told apart without regard to case: build it by `key_of`."""

    forge: str
    owner: str
    name: str

    @property
    def repo(self) -> RepositoryName:
        return RepositoryName(owner=self.owner, name=self.name)

    @property
    def text(self) -> str:
        return f"{self.forge} {self.owner}/{self.name}"


def key_of(forge: str, owner: str, name: str) -> RepositoryKey:
    return RepositoryKey(forge=forge, owner=owner.lower(), name=name.lower())


class ObservedRepo(msgspec.Struct, frozen=True, kw_only=True):
    forge: str
    repo_owner: str
    repo_name: str
    etag: str | None = None
    interest: str | None = None
    polled_at_ms: int | None = None
    reviews_at_ms: int | None = None
    last_ok_at_ms: int | None = None
    failures: int = 0
    last_error: str | None = None
    not_before_ms: int | None = None

    @property
    def key(self) -> RepositoryKey:
        return key_of(self.forge, self.repo_owner, self.repo_name)


class Pr(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as it was last seen, and what the town has done about it."""

    url: str
    forge: str
    repo_owner: str
    repo_name: str
    number: int
    agent_id: AgentId | None
    session_id: SessionId | None
    rig_id: RigId | None
    title: str
    author: str
    branch: str
    base_branch: str
    head_sha: str
    head_since_ms: int
    state: PullRequestState
    is_draft: bool
    review_decision: ReviewDecision | None
    ci_status: CheckStatus | None
    mergeability: Mergeability | None
    metadata_hash: str | None
    checks_hash: str | None
    reviews_hash: str | None
    nudges: Mapping[str, Any]
    opened_at_ms: int
    observed_at_ms: int

    @property
    def repository(self) -> RepositoryKey:
        return key_of(self.forge, self.repo_owner, self.repo_name)

    @property
    def is_open(self) -> bool:
        return self.state is PullRequestState.OPEN


class PrCheck(msgspec.Struct, frozen=True, kw_only=True):
    pr_url: str
    name: str
    head_sha: str
    status: CheckStatus
    log_tail: str | None


class PrThread(msgspec.Struct, frozen=True, kw_only=True):
    pr_url: str
    thread_id: str
    path: str | None
    line: int | None
    is_resolved: bool
    is_bot: bool
    body: str


class PrReview(msgspec.Struct, frozen=True, kw_only=True):
    """Which head of which pull request a bead of kind patrol is about, and whose it is."""

    bead_id: BeadId
    agent_id: AgentId
    forge: str
    repo_owner: str
    repo_name: str
    number: int
    head_sha: str

    @property
    def repository(self) -> RepositoryKey:
        return key_of(self.forge, self.repo_owner, self.repo_name)

    @property
    def head(self) -> ReviewedHead:
        request = head_of(self.agent_id, self.forge, self.repo_owner, self.repo_name, self.number)
        return (request, self.head_sha)


# (agent, forge, owner, name, number) in lower case where case does not count, and the commit.
RequestOfAgent = tuple[str, str, str, str, int]
ReviewedHead = tuple[RequestOfAgent, str]


def head_of(agent_id: str, forge: str, owner: str, name: str, number: int) -> RequestOfAgent:
    return (agent_id, forge, owner.lower(), name.lower(), number)
