"""What agents, and those who keep them, may ask of a town: the second half of commands.py."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from boomtown.container_sim.model import AgentRole, InstanceGone, Verdict
from boomtown.ids import AgentId, BeadId, InstanceId, RigId

Text = Annotated[str, Meta(max_length=200_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


# --- from outside


class RegisterAgent(
    msgspec.Struct, frozen=True, kw_only=True, tag="register_agent", tag_field="command"
):
    """AGENT_NAME_TAKEN for a name in use in the rig, or an identity used ever before."""

    rig_id: RigId
    role: AgentRole
    name: Name
    identity: Name


class GetOrCreateAgent(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_or_create_agent", tag_field="command"
):
    """mayor: the town's; refinery: the rig's; polecat: a free one of the rig, else a new one."""

    rig_id: RigId
    role: AgentRole


class DeleteAgent(
    msgspec.Struct, frozen=True, kw_only=True, tag="delete_agent", tag_field="command"
):
    """An offboarding: the row stays, in_review beads stay; AGENT_BUSY with a live session."""

    rig_id: RigId
    agent_id: AgentId


class ResetAgent(msgspec.Struct, frozen=True, kw_only=True, tag="reset_agent", tag_field="command"):
    """Stop its session, reopen its bead without an attempt, clear its checkpoint."""

    rig_id: RigId
    agent_id: AgentId


# --- an agent's own calls


class HookBead(msgspec.Struct, frozen=True, kw_only=True, tag="hook_bead", tag_field="command"):
    """Attach (decisions 31): a session with harness external, state claimed. The same hook again
    changes nothing; a bead that another session holds is taken over from an external one or from
    a claimed one, and BEAD_ALREADY_HOOKED otherwise… except by an operator, whose hook releases
    the first and has it stopped (row 40)."""

    rig_id: RigId
    agent_id: AgentId
    bead_id: BeadId


class UnhookBead(msgspec.Struct, frozen=True, kw_only=True, tag="unhook_bead", tag_field="command"):
    rig_id: RigId
    agent_id: AgentId


class PrimeAgent(msgspec.Struct, frozen=True, kw_only=True, tag="prime_agent", tag_field="command"):
    """The context of a session; delivers the mail that it shows."""

    rig_id: RigId
    agent_id: AgentId


class CheckMail(msgspec.Struct, frozen=True, kw_only=True, tag="check_mail", tag_field="command"):
    rig_id: RigId
    agent_id: AgentId


class WriteCheckpoint(
    msgspec.Struct, frozen=True, kw_only=True, tag="write_checkpoint", tag_field="command"
):
    rig_id: RigId
    agent_id: AgentId
    data: Any = None


class SetAgentStatus(
    msgspec.Struct, frozen=True, kw_only=True, tag="set_agent_status", tag_field="command"
):
    rig_id: RigId
    agent_id: AgentId
    message: Annotated[str, Meta(min_length=1, max_length=280)]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", tag_field="command"):
    """A sign of life; an unknown agent is no error (200, no effect)."""

    rig_id: RigId
    agent_id: AgentId
    body_status: str | None = None  # "starting" holds the session in starting; else running
    instance_id: InstanceId | None = None
    pid: int | None = None
    worktree: str | None = None
    last_event_type: str | None = None
    last_event_at_ms: int | None = None
    active_tools: tuple[str, ...] | None = None


class RequestChanges(
    msgspec.Struct, frozen=True, kw_only=True, tag="request_changes", tag_field="command"
):
    """A review's verdict: one rework bead, the review open behind it, the session ending; one
    transaction. NOT_A_REVIEW for any other session."""

    rig_id: RigId
    agent_id: AgentId
    feedback: Annotated[str, Meta(min_length=1, max_length=200_000)]
    files: tuple[str, ...] = ()


class ReportDone(msgspec.Struct, frozen=True, kw_only=True, tag="report_done", tag_field="command"):
    rig_id: RigId
    agent_id: AgentId
    branch: str
    verdict: Verdict | None = None
    pr_url: str | None = None
    summary: Text | None = None
    commit_sha: str | None = None


class ReportCompleted(
    msgspec.Struct, frozen=True, kw_only=True, tag="report_completed", tag_field="command"
):
    rig_id: RigId
    agent_id: AgentId
    status: str  # "completed"; anything else is a failure
    reason: str | None = None
    exit_code: int | None = None
    message: str | None = None  # what the reason means here, for a person
    kept_worktree: str | None = None  # where a killed session's uncommitted work is


class ReportWaiting(
    msgspec.Struct, frozen=True, kw_only=True, tag="report_waiting", tag_field="command"
):
    rig_id: RigId
    agent_id: AgentId
    fired_at_ms: int | None = None


class ReportEviction(
    msgspec.Struct, frozen=True, kw_only=True, tag="report_eviction", tag_field="command"
):
    rig_id: RigId
    agent_id: AgentId
    branch: str
    saved_at_ms: int


class ReportContainerGone(
    msgspec.Struct, frozen=True, kw_only=True, tag="report_gone", tag_field="command"
):
    """From the manager, through compose."""

    gone: InstanceGone


class ReportContainerEvents(
    msgspec.Struct, frozen=True, kw_only=True, tag="report_events", tag_field="command"
):
    events: tuple[dict[str, Any], ...]


class BeginDrain(msgspec.Struct, frozen=True, kw_only=True, tag="begin_drain", tag_field="command"):
    """The caller's container was told to end (town.md 7.4): nothing starts, and nothing is
    concluded from silence, until the drain is over."""


class ClearDrain(msgspec.Struct, frozen=True, kw_only=True, tag="clear_drain", tag_field="command"):
    """The caller's container has taken over from the one that drains."""

    nonce: Name


class RefreshSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="refresh_session", tag_field="command"
):
    """Whether the caller's session may have its next token; answers its SessionView."""

    agent_id: AgentId | None = None
