"""The town's nouns, frozen: what is stored, and what a planner may see.

Rows of schema.sql become these structs in store.py, one function per table. Facts about an agent
are separate (design 5.2): employment and owner on the agent, everything about its body on its
session. The wire's one-word `status` is derived in views, never stored.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from boomtown.ids import AgentId, BeadId, InstanceId, RigId, SessionId, TownId


class BeadType(enum.StrEnum):
    ISSUE = "issue"
    MESSAGE = "message"
    ESCALATION = "escalation"
    MERGE_REQUEST = "merge_request"
    CONVOY = "convoy"
    MOLECULE = "molecule"
    AGENT = "agent"  # on the wire only: agents have a table of their own


class BeadStatus(enum.StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    IN_REVIEW = "in_review"
    CLOSED = "closed"
    FAILED = "failed"


LIVE_STATUSES = frozenset({BeadStatus.OPEN, BeadStatus.IN_PROGRESS, BeadStatus.IN_REVIEW})
FINAL_STATUSES = frozenset({BeadStatus.CLOSED, BeadStatus.FAILED})


class BeadKind(enum.StrEnum):
    """What the town does with a bead; `subject` names the bead that it is about."""

    WORK = "work"  # issue: dispatched to a polecat, then reviewed
    REWORK = "rework"  # issue: what a review asked for; subject = the review; done closes it
    REVIEW = "review"  # merge_request: subject = the source bead
    LANDING = "landing"  # merge_request: subject = the convoy
    PATROL = "patrol"  # merge_request: a pull request that a reviewer watches (observer_schema.sql)
    RECORD = "record"  # everything else: never dispatched


class Priority(enum.StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class DependencyType(enum.StrEnum):
    BLOCKS = "blocks"  # bead waits for depends_on
    TRACKS = "tracks"  # bead is counted by depends_on (convoy), or reviews it (merge_request)
    PARENT_CHILD = "parent-child"


class SessionState(enum.StrEnum):
    CLAIMED = "claimed"  # the bead is taken; nothing was asked of a container yet
    STARTING = "starting"  # a start was sent, or accepted; no sign of life yet
    RUNNING = "running"  # a heartbeat, or a call of the agent, arrived
    ENDING = "ending"  # has its verdict or lost its right; the body is not proven over
    ENDED = "ended"


class SessionPhase(enum.StrEnum):
    SEED = "seed"  # no worktree, handle or prompt was ever asked for
    BODIED = "bodied"  # a start was sent: there may be a worktree


class Employment(enum.StrEnum):
    HIRED = "hired"
    OFFBOARDING = "offboarding"
    OFFBOARDED = "offboarded"


class MergeMode(enum.StrEnum):
    REVIEW_THEN_LAND = "review-then-land"
    REVIEW_AND_MERGE = "review-and-merge"


class OnFailedBead(enum.StrEnum):
    HOLD = "hold"
    CONTINUE = "continue"


class Approval(enum.StrEnum):
    NONE = "none"
    LANDING = "landing"
    EVERY = "every"


class EventType(enum.StrEnum):
    """Rows of bead_events, the audit."""

    CREATED = "created"
    ASSIGNED = "assigned"
    HOOKED = "hooked"
    UNHOOKED = "unhooked"
    STATUS_CHANGED = "status_changed"
    ESCALATED = "escalated"
    MAIL_SENT = "mail_sent"
    REVIEW_SUBMITTED = "review_submitted"
    REVIEW_COMPLETED = "review_completed"
    AGENT_SPAWNED = "agent_spawned"
    AGENT_EXITED = "agent_exited"
    AGENT_STATUS = "agent_status"
    FIELDS_UPDATED = "fields_updated"
    REWORK_REQUESTED = "rework_requested"


LABEL_HELD = "gt:held"
LABEL_TRIAGE_REQUEST = "gt:triage-request"
LABEL_TRIAGE = "gt:triage"
LABEL_REWORK = "gt:rework"
EXTERNAL_HARNESS = "external"  # an attached agent (decisions 31): never started or stopped by us
SCRIPTED_HARNESS = "scripted"
SYSTEM_ACTOR = "system"


class RefineryConfig(msgspec.Struct, frozen=True, kw_only=True):
    gates: tuple[tuple[str, ...], ...] = ()  # argv lists
    code_review: bool = True


class TownConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Town-wide settings; a rig's config may replace those marked *."""

    harness: str = SCRIPTED_HARNESS  # * for work
    review_harness: str = SCRIPTED_HARNESS  # * for reviews that judge; merges are scripted
    env_vars: dict[str, str] = {}
    max_polecats_per_rig: int = 5  # *
    max_dispatch_attempts: int = 5  # *
    convoy_merge_mode: MergeMode = MergeMode.REVIEW_THEN_LAND  # *
    staged_convoys_default: bool = False
    on_failed_bead: OnFailedBead = OnFailedBead.HOLD
    approval: Approval = Approval.NONE
    merge_strategy: str = "direct"  # * ("pr" comes with the forge)
    refinery: RefineryConfig = RefineryConfig()  # *


class RigConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a rig says otherwise than its town; None follows the town."""

    harness: str | None = None
    review_harness: str | None = None
    max_polecats_per_rig: int | None = None
    max_dispatch_attempts: int | None = None
    convoy_merge_mode: MergeMode | None = None
    merge_strategy: str | None = None
    refinery: RefineryConfig | None = None


class Town(msgspec.Struct, frozen=True, kw_only=True):
    town_id: TownId
    name: str
    owner_user_id: str
    config: TownConfig
    is_paused: bool
    is_draining: bool
    drain_nonce: str | None = None  # this and the two below: of the newest drain, ended or not
    drain_started_at_ms: int | None = None
    drain_instance_id: InstanceId | None = None
    created_at_ms: int
    updated_at_ms: int


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the town's starts, for the decision of plan_breaker."""

    opened_at_ms: int | None = None  # None: closed
    last_start_at_ms: int | None = None  # the newest first sign of life of a body of ours
    failed_starts: int = 0  # within the window, and since the breaker closed
    last_failed_at_ms: int | None = None


class Rig(msgspec.Struct, frozen=True, kw_only=True):
    rig_id: RigId
    name: str
    git_url: str
    default_branch: str
    config: RigConfig
    is_paused: bool
    created_at_ms: int
    updated_at_ms: int


class Bead(msgspec.Struct, frozen=True, kw_only=True):
    bead_id: BeadId
    type: BeadType
    kind: BeadKind
    subject: BeadId | None
    status: BeadStatus
    title: str
    body: str | None
    rig_id: RigId | None
    parent_bead_id: BeadId | None
    assignee_agent_id: AgentId | None  # in_progress: the live session's; open: a preference
    priority: Priority
    labels: tuple[str, ...]
    metadata: dict[str, Any]  # the users' own; nothing here is read by a rule
    dispatch_attempts: int  # rejected starts and sessions without a result (decisions 28)
    not_before_ms: int | None  # no dispatch before this instant (backoff)
    created_by: str | None
    created_at_ms: int
    updated_at_ms: int
    closed_at_ms: int | None
    failure_code: str | None  # why it is failed: no_rig, superseded, max_dispatch_attempts, …
    failure_message: str | None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Satellite of a merge_request bead. Its history of judgements is in sessions."""

    bead_id: BeadId
    branch: str
    target_branch: str
    source_agent_id: AgentId | None
    pr_url: str | None
    merge_commit: str | None
    is_approved: bool  # by a person, where the town asks for it


class Convoy(msgspec.Struct, frozen=True, kw_only=True):
    """Satellite of a convoy bead."""

    bead_id: BeadId
    rig_id: RigId  # landings happen here
    merge_mode: MergeMode
    feature_branch: str | None  # None in review-and-merge
    is_staged: bool
    is_ready_to_land: bool
    total_beads: int
    closed_beads: int  # closed and failed (decisions 27)
    landed_at_ms: int | None
    landing_attempts: int
    last_landing_at_ms: int | None
    failure_message: str | None


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """Satellite of an escalation bead."""

    bead_id: BeadId
    severity: Priority
    category: str | None
    key: str | None  # one live escalation per key
    is_acknowledged: bool
    acknowledged_at_ms: int | None


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    bead_id: BeadId
    depends_on_bead_id: BeadId
    type: DependencyType


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    agent_id: AgentId
    rig_id: RigId | None
    role: AgentRole
    name: str
    identity: str  # unique for ever
    employment: Employment
    boss_id: AgentId | None
    checkpoint: Any
    status_message: str | None
    status_message_at_ms: int | None
    last_activity_at_ms: int | None
    stalled_at_ms: int | None
    waiting_since_ms: int | None
    created_at_ms: int
    offboarded_at_ms: int | None
    offboard_reason: str | None
    offboarded_by: str | None = None
    template: str | None = None  # the role template it was hired by; None: made by the town
    config: dict[str, Any] = {}  # what the hire said otherwise than the template


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that an agent watches."""

    watch_id: str
    agent_id: AgentId
    owner_user_id: str
    forge: str  # base address of the forge, lower case
    repo_owner: str  # this and the name: compared without regard to case
    repo_name: str
    created_at_ms: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One body of one agent for one bead; the fence (design 5.1)."""

    session_id: SessionId
    agent_id: AgentId
    bead_id: BeadId
    rig_id: RigId
    kind: SessionKind
    subject: BeadId | None  # review: the source; landing: the convoy
    state: SessionState
    phase: SessionPhase
    generation: int  # of the agent's sessions, from 1
    harness: str
    branch: str
    target_branch: str
    merge_only: bool
    worktree: str | None
    instance_id: InstanceId | None
    pid: int | None
    verdict: Verdict | None
    claimed_at_ms: int
    start_sent_at_ms: int | None
    started_at_ms: int | None  # the first sign of life
    last_heartbeat_at_ms: int | None
    lease_until_ms: int | None
    done_grace_until_ms: int | None  # completed without a verdict: a late done counts until then
    stop_sent_at_ms: int | None
    probe_misses: int  # answers "not found" in a row, of one instance, without a heartbeat since
    probed_at_ms: int | None = None  # the last SendProbe; spaces probes, and comes before a stop
    ended_at_ms: int | None
    end_reason: str | None
    restored_from: SessionId | None
    prompt: str | None = None  # a spawn's own words; None: made from the bead
    made_bead: bool = False  # by the spawn: a rolled-back seed takes its bead with it
    ended_by: str | None = None  # who had it ended, where a person or an agent did
    kept_worktree: str | None = None  # what a killed body left uncommitted


LIVE_SESSION_STATES = frozenset(
    {SessionState.CLAIMED, SessionState.STARTING, SessionState.RUNNING, SessionState.ENDING}
)
# States in which what the agent says still counts.
SPEAKING_SESSION_STATES = frozenset(
    {SessionState.CLAIMED, SessionState.STARTING, SessionState.RUNNING}
)


class EffectKind(enum.StrEnum):
    START = "start"
    PROBE = "probe"
    STOP = "stop"
    PROVE_MERGE = "prove_merge"
    CHECK_FORGES = "check_forges"  # whether any forge takes our credentials
    POLL_REPOSITORY = "poll_repository"


class EffectState(enum.StrEnum):
    PENDING = "pending"  # wanted; nothing was done yet
    RUNNING = "running"  # being done, or it was when the server ended: do it again
    ANSWERED = "answered"  # its outcome is in the inbox


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    effect_id: str
    kind: EffectKind
    key: str  # unique: an intention is written once
    session_id: SessionId  # "": of no session
    state: EffectState
    attempts: int
    due_at_ms: int
    created_at_ms: int


def effective(town: TownConfig, rig: RigConfig) -> TownConfig:
    """The settings that hold for a rig: its own, else the town's."""
    return msgspec.structs.replace(
        town,
        harness=rig.harness or town.harness,
        review_harness=rig.review_harness or town.review_harness,
        max_polecats_per_rig=rig.max_polecats_per_rig or town.max_polecats_per_rig,
        max_dispatch_attempts=rig.max_dispatch_attempts or town.max_dispatch_attempts,
        convoy_merge_mode=rig.convoy_merge_mode or town.convoy_merge_mode,
        merge_strategy=rig.merge_strategy or town.merge_strategy,
        refinery=rig.refinery or town.refinery,
    )
