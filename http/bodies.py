"""What request bodies look like: the wire's names; unknown fields are ignored (http.md 1).

Limits of length and count are the commands' own types, so that they stand in one place. Fields
named as in a command become it unchanged; what is in the path (rig, agent, bead) is not here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from boomtown.actors.town.commands import ConvoyTask, Name, Text, Title
from boomtown.actors.town.commands_of_roster import AgentName
from boomtown.actors.town.model import BeadStatus, BeadType, MergeMode, Priority, RigConfig
from boomtown.actors.town.owner_keys import KeyScope
from boomtown.container_sim.chaos import ChaosFault
from boomtown.container_sim.model import AgentRole, Verdict
from boomtown.ids import AgentId, BeadId, RigId, SessionId, TownId

Pid = Annotated[int, Meta(ge=0, le=2**31 - 1)]
ExitCode = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Any body. An empty request body is this one."""


# --- users, owners


class SqlBody(Body, frozen=True, kw_only=True):
    """A query of an object's database."""

    query: str
    bindings: tuple[str | int | float | None, ...] = ()  # of its question marks, in order
    write: bool = False  # without it, a statement that writes is refused


class NameBody(Body, frozen=True, kw_only=True):
    name: Name


class KeyBody(Body, frozen=True, kw_only=True):
    scope: KeyScope


class RigBody(Body, frozen=True, kw_only=True):
    town_id: TownId
    name: Name
    git_url: str
    default_branch: str = "main"
    config: RigConfig = RigConfig()
    kilocode_token: str | None = None  # of old clients; not used


# --- beads


class CreateBeadBody(Body, frozen=True, kw_only=True):
    title: Title
    type: BeadType = BeadType.ISSUE
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    parent_bead_id: BeadId | None = None
    depends_on: tuple[BeadId, ...] = ()


class BeadStatusBody(Body, frozen=True, kw_only=True):
    status: BeadStatus
    agent_id: AgentId | None = None


class CloseBeadBody(Body, frozen=True, kw_only=True):
    agent_id: AgentId | None = None


class SlingBody(Body, frozen=True, kw_only=True):
    title: Title
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class MayorSlingBody(SlingBody, frozen=True, kw_only=True):
    rig_id: RigId


class UpdateBeadBody(Body, frozen=True, kw_only=True):
    title: Title | None = None
    body: Text | None = None
    status: BeadStatus | None = None
    priority: Priority | None = None
    labels: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None
    depends_on: tuple[BeadId, ...] | None = None


class BeadIdsBody(Body, frozen=True, kw_only=True):
    bead_ids: Annotated[tuple[BeadId, ...], Meta(min_length=1, max_length=5_000)]


class DeleteByStatusBody(Body, frozen=True, kw_only=True):
    status: BeadStatus
    type: BeadType | None = None


class ReassignBody(Body, frozen=True, kw_only=True):
    agent_id: AgentId


class ApprovalBody(Body, frozen=True, kw_only=True):
    approve: bool
    note: Text | None = None


# --- convoys


class SlingBatchBody(Body, frozen=True, kw_only=True):
    rig_id: RigId
    convoy_title: Title
    tasks: Annotated[tuple[ConvoyTask, ...], Meta(min_length=1, max_length=50)]
    merge_mode: MergeMode | None = None
    parallel: bool = False
    staged: bool | None = None
    metadata: dict[str, Any] = {}


class UpdateConvoyBody(Body, frozen=True, kw_only=True):
    merge_mode: MergeMode | None = None
    feature_branch: str | None = None


class AddConvoyBeadBody(Body, frozen=True, kw_only=True):
    bead_id: BeadId
    depends_on: tuple[BeadId, ...] = ()


class BeadIdBody(Body, frozen=True, kw_only=True):
    bead_id: BeadId


# --- agents


class RegisterAgentBody(Body, frozen=True, kw_only=True):
    role: AgentRole
    name: Name
    identity: Name


class RoleBody(Body, frozen=True, kw_only=True):
    role: AgentRole


class DoneBody(Body, frozen=True, kw_only=True):
    branch: str
    verdict: Verdict | None = None
    pr_url: str | None = None
    summary: Text | None = None
    commit_sha: str | None = None


class RequestChangesBody(Body, frozen=True, kw_only=True):
    feedback: Annotated[str, Meta(min_length=1, max_length=200_000)]
    files: tuple[str, ...] = ()


class CompletedBody(Body, frozen=True, kw_only=True):
    status: str
    reason: str | None = None
    exit_code: ExitCode | None = None
    message: str | None = None  # for a person; the reason is for programs
    kept_worktree: str | None = None  # where a killed session's uncommitted work is


class WaitingBody(Body, frozen=True, kw_only=True):
    fired_at: str | int | None = msgspec.field(default=None, name="firedAt")


class CheckpointBody(Body, frozen=True, kw_only=True):
    data: Any = None


class StatusMessageBody(Body, frozen=True, kw_only=True):
    message: Annotated[str, Meta(min_length=1, max_length=280)]


class EvictionBody(Body, frozen=True, kw_only=True):
    branch: str
    saved_at: str | int
    agent_name: str | None = None  # of old clients; the path names the agent


class HeartbeatBody(Body, frozen=True, kw_only=True, rename="camel"):
    """Every field is optional (http.md 2); agentId, rigId and townId are the path's."""

    status: str | None = None
    container_instance_id: str | None = None
    pid: Pid | None = None
    worktree: str | None = None
    last_event_type: str | None = None
    last_event_at: str | int | None = None
    active_tools: tuple[str, ...] | None = None


# --- sessions by hand


class SpawnBody(Body, frozen=True, kw_only=True):
    """Every field may be missing; what is wrong with the wish has a code of its own."""

    rig_id: str | None = None
    agent_id: str | None = None
    role: AgentRole = AgentRole.POLECAT
    harness: str | None = None
    branch: str | None = None
    prompt: str | None = None
    bead_id: str | None = None
    boss: str | None = None


class KillBody(Body, frozen=True, kw_only=True):
    force: bool = False
    reason: str | None = None


class ReasonBody(Body, frozen=True, kw_only=True):
    reason: str | None = None


class SendBody(Body, frozen=True, kw_only=True):
    message: str | None = None


class CleanUpBody(Body, frozen=True, kw_only=True):
    rig_id: str | None = None


# --- the roster


class HireBody(Body, frozen=True, kw_only=True):
    template: str | None = None
    role: AgentRole | None = None
    name: AgentName | None = None
    rig_id: RigId | None = None
    boss: str | None = None
    config: dict[str, Any] = {}


class ReassignWorkersBody(Body, frozen=True, kw_only=True):
    to: str


class WatchBody(Body, frozen=True, kw_only=True):
    """`repo` is a name beside `owner`, else `owner/name` or an address."""

    repo: str
    owner: str | None = None


class GatewayBody(Body, frozen=True, kw_only=True):
    args: dict[str, Any] = {}


# --- rig and container


class MailBody(Body, frozen=True, kw_only=True):
    subject: Title
    body: Text
    from_agent_id: AgentId | None = None
    to_agent_id: AgentId | None = None
    to: Literal["boss"] | None = None


class MayorMailBody(MailBody, frozen=True, kw_only=True):
    rig_id: RigId


class EscalationBody(Body, frozen=True, kw_only=True):
    title: Title
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    metadata: dict[str, Any] = {}


class ReviewBody(Body, frozen=True, kw_only=True):
    bead_id: BeadId
    branch: str
    agent_id: AgentId | None = None
    pr_url: str | None = None
    summary: Text | None = None


class CompleteReviewBody(Body, frozen=True, kw_only=True):
    status: Literal["merged", "failed", "conflict"]
    message: Text | None = None
    commit_sha: str | None = None


class ReadyBody(Body, frozen=True, kw_only=True):
    nonce: Annotated[str, Meta(min_length=1, max_length=200)]


class RegistryBody(Body, frozen=True, kw_only=True):
    """The sessions that a container finds after its boot; at most as many as run at once."""

    session_ids: Annotated[tuple[SessionId, ...], Meta(max_length=1_000)] = ()


class ChaosBody(Body, frozen=True, kw_only=True):
    """A fault to have happen: at the nth time that its moment comes."""

    fault: ChaosFault
    target: str | None = None  # an agent's or a session's id
    nth: Annotated[int, Meta(ge=1, le=1_000)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**53)] | None = None  # drawn when not given


class ContainerEventsBody(Body, frozen=True, kw_only=True):
    events: tuple[dict[str, Any], ...] = ()
