"""What is said to a container and what it answers: values only, for both sides of the port.

A start has four outcomes, and they are four types: `Started`, `Rejected`, `Conflict`, `Unknown`
(design 5.7). A probe that fails is `Unknown`, which is evidence of nothing; `NotFound` names the
instance that does not know the session, because only that instance can say so (town.md row 13).
"""

from __future__ import annotations

import enum

import msgspec

from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId, BeadId, InstanceId, RigId, SessionId, TownId


class AgentRole(enum.StrEnum):
    """What an agent is for."""

    POLECAT = "polecat"  # does the work of one bead at a time
    REFINERY = "refinery"  # reviews and merges, one per rig
    MAYOR = "mayor"
    TRIAGE = "triage"
    ARCHITECT = "architect"
    REVIEWER = "reviewer"


class SessionKind(enum.StrEnum):
    """What a session is to do."""

    WORK = "work"  # change files on `branch`, from `target_branch`
    REVIEW = "review"  # judge `branch`, and merge it into `target_branch`
    LANDING = "landing"  # merge a convoy's branch into the default branch
    PATROL = "patrol"  # judge a pull request and say so at its forge; nothing is merged or pushed


class BodyState(enum.StrEnum):
    """The state of a session's body, as its control server sees it."""

    STARTING = "starting"  # registered; cloning, making the worktree, spawning
    RUNNING = "running"  # the agent's process lives
    STOPPING = "stopping"  # told to stop
    EXITED = "exited"  # ended by itself, with exit code 0, or stopped
    FAILED = "failed"  # could not start, or ended with another exit code


class Verdict(enum.StrEnum):
    """What a session says that it achieved (decisions 48)."""

    SUBMITTED = "submitted"
    MERGED = "merged"
    PR_CREATED = "pr_created"
    CHANGES_REQUESTED = "changes_requested"
    ABANDONED = "abandoned"


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rig's code is."""

    rig_id: RigId
    git_url: str
    default_branch: str


class PullRequestOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The pull request that a patrol session is to judge, at one head."""

    repo: str  # an address that the gateway knows
    number: int
    head_sha: str


class StartSession(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a container needs to give a session its body. Idempotent by session_id."""

    session_id: SessionId
    generation: int
    town_id: TownId
    agent_id: AgentId
    agent_name: str
    role: AgentRole
    kind: SessionKind
    bead_id: BeadId  # the work's bead, or the review's
    title: str
    body: str  # of the work's bead, also in a review: the scripted harness reads its recipe
    feedback: str  # what a review asked for, in a rework session; else ""
    prompt: str  # for command harnesses
    harness: str  # a name from the container's configuration
    repository: Repository
    branch: str  # worked on, or merged
    target_branch: str  # started from when `branch` is new, and merged into
    merge_only: bool  # merge with gates and without a judgement (decisions 37)
    review_number: int  # 1 for the first review of this source, 0 in a work session
    gates: tuple[tuple[str, ...], ...]  # argv lists run in the merged tree
    heartbeat_ms: int
    run_ms_max: int
    stop_grace_ms: int  # SIGTERM to SIGKILL
    session_token: str  # the agent's credential; never stored, never logged
    env: dict[str, str]
    kept_worktree: str | None = None  # what a killed session left uncommitted: go on in it
    pull_request: PullRequestOrder | None = None  # of a patrol session


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a control server knows of a session, living or over."""

    session_id: SessionId
    agent_id: AgentId
    instance_id: InstanceId
    state: BodyState
    pid: int | None = None
    exit_code: int | None = None  # negative: the signal that ended it
    exit_reason: str | None = None
    exit_message: str | None = None  # what an error code in the reason means here, for a person
    worktree: str | None = None
    kept_worktree: str | None = None  # uncommitted work of a killed session, put aside


class LookOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a session that does not exist yet would need of the outside."""

    repository: Repository
    harness: str
    branch: str | None  # None: made from its bead and agent, and hence nobody else's


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a session could not start; the code is the one that its start would have."""

    code: ErrorCode
    message: str
    details: dict[str, str] = {}


class Looked(msgspec.Struct, frozen=True, kw_only=True, tag="looked"):
    """All that stands in the way, nothing when it is empty. True at the moment of the look only."""

    obstacles: tuple[Obstacle, ...]


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The session has a body, or is getting one; `is_new` is False when it had one before."""

    report: SessionReport
    is_new: bool


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag="rejected"):
    """Certainly not started: release the claim at once."""

    code: ErrorCode
    message: str


class Conflict(msgspec.Struct, frozen=True, kw_only=True, tag="conflict"):
    """Another session holds the agent's place; not started."""

    holder_session_id: SessionId


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """No answer, or one that proves nothing. It may have happened: ask again."""

    reason: str


class Known(msgspec.Struct, frozen=True, kw_only=True, tag="known"):
    """The control server knows the session."""

    report: SessionReport


class NotFound(msgspec.Struct, frozen=True, kw_only=True, tag="not_found"):
    """This instance has never heard of the session."""

    instance_id: InstanceId


class NoContainer(msgspec.Struct, frozen=True, kw_only=True, tag="no_container"):
    """The manager saw the last instance end with all its processes, and started no other: proof
    that no session of the town has a body. `ended_instance_id` is None when none ever ran."""

    ended_instance_id: InstanceId | None


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag="stopped"):
    """The session's process group is gone; the report says how it ended."""

    report: SessionReport


class MergeProof(msgspec.Struct, frozen=True, kw_only=True, tag="merge_proof"):
    """Whether the branch's head can be reached from the target's, in the rig's repository."""

    is_merged: bool
    target_head: str


class InstanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A running container."""

    instance_id: InstanceId
    town_id: TownId
    pid: int
    started_at_ms: int
    sessions: tuple[SessionReport, ...]
    idle_since_at_ms: int | None = None  # the instant from which no session lived; None: one does


class InstanceGone(msgspec.Struct, frozen=True, kw_only=True):
    """An instance has ended and none of its processes lives (decisions 46): every session of it
    is over."""

    town_id: TownId
    instance_id: InstanceId
    exit_code: int | None
    reason: str


StartOutcome = Started | Rejected | Conflict | Unknown
ProbeOutcome = Known | NotFound | NoContainer | Unknown
StopOutcome = Stopped | NotFound | NoContainer | Unknown
ProofOutcome = MergeProof | Rejected | Unknown
LookOutcome = Looked | Unknown
