"""What can have happened: the inbox's rows, as a tagged union.

An event is a fact about the outside, never a request to change something. It is recorded first
and applied by the next tick, in the order of its `seq`, one savepoint each (design 5.4). The
session that it speaks of is its fence: an event of a session that is over changes nothing.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.observer_events import ForgesChecked, RepositoryPolled
from boomtown.container_sim.model import (
    InstanceGone,
    ProbeOutcome,
    ProofOutcome,
    StartOutcome,
    StopOutcome,
    Verdict,
)
from boomtown.ids import BeadId, SessionId


class AgentDone(msgspec.Struct, frozen=True, kw_only=True, tag="agent_done"):
    """An agent says that it is done; without a verdict, see http.md 5."""

    session_id: SessionId
    branch: str
    verdict: Verdict | None = None
    pr_url: str | None = None
    summary: str | None = None
    commit_sha: str | None = None


class AgentCompleted(msgspec.Struct, frozen=True, kw_only=True, tag="agent_completed"):
    """A body ended. `is_proof` when its control server says so, after its process group is gone;
    an agent's own word is no proof."""

    session_id: SessionId
    is_failure: bool
    reason: str | None
    is_proof: bool
    exit_code: int | None = None
    message: str | None = None  # what the reason means here, for a person
    kept_worktree: str | None = None  # a control server's word only


class ReviewEnded(msgspec.Struct, frozen=True, kw_only=True, tag="review_ended"):
    """A review's end as its session reported it through the review queue: conflict or failed."""

    session_id: SessionId
    is_conflict: bool
    message: str


class EvictionNoted(msgspec.Struct, frozen=True, kw_only=True, tag="eviction_noted"):
    """A container that drains saved an agent's work on a branch."""

    session_id: SessionId
    branch: str
    saved_at_ms: int


class AgentWaiting(msgspec.Struct, frozen=True, kw_only=True, tag="agent_waiting"):
    """The mayor is idle since `fired_at_ms`."""

    session_id: SessionId
    fired_at_ms: int


class ContainerGone(msgspec.Struct, frozen=True, kw_only=True, tag="container_gone"):
    """The manager saw an instance end with all its processes: proof for all its sessions."""

    gone: InstanceGone


class ContainerNoted(msgspec.Struct, frozen=True, kw_only=True, tag="container_noted"):
    """A control server's own note; kept for the audit."""

    kind: str
    message: str


class StartAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="start_answered"):
    session_id: SessionId
    outcome: StartOutcome


class ProbeAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="probe_answered"):
    session_id: SessionId
    outcome: ProbeOutcome
    asked_at_ms: int  # a heartbeat since then outweighs the answer


class StopAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="stop_answered"):
    session_id: SessionId
    outcome: StopOutcome


class ProofAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="proof_answered"):
    """Whether the merge that a done without a verdict claims has happened."""

    session_id: SessionId
    review_id: BeadId
    outcome: ProofOutcome


TownEvent = (
    AgentDone
    | AgentCompleted
    | ReviewEnded
    | EvictionNoted
    | AgentWaiting
    | ContainerGone
    | ContainerNoted
    | StartAnswered
    | ProbeAnswered
    | StopAnswered
    | ProofAnswered
    | ForgesChecked
    | RepositoryPolled
)
