"""What may be asked of a town: one struct per command, and who asks.

Everything here is one transaction in `Town.execute`. Inbox posts (`Report…`) only record an event
and answer `accepted, stale`; all other commands take effect at once or are refused whole.
Field rules that need no state (lengths, enums) are msgspec's, so that the front's 400 comes from
the same place.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from boomtown.actors.town.commands_of_agents import BeginDrain as BeginDrain
from boomtown.actors.town.commands_of_agents import CheckMail as CheckMail
from boomtown.actors.town.commands_of_agents import ClearDrain as ClearDrain
from boomtown.actors.town.commands_of_agents import DeleteAgent as DeleteAgent
from boomtown.actors.town.commands_of_agents import GetOrCreateAgent as GetOrCreateAgent
from boomtown.actors.town.commands_of_agents import Heartbeat as Heartbeat
from boomtown.actors.town.commands_of_agents import HookBead as HookBead
from boomtown.actors.town.commands_of_agents import PrimeAgent as PrimeAgent
from boomtown.actors.town.commands_of_agents import RefreshSession as RefreshSession
from boomtown.actors.town.commands_of_agents import RegisterAgent as RegisterAgent
from boomtown.actors.town.commands_of_agents import ReportCompleted as ReportCompleted
from boomtown.actors.town.commands_of_agents import ReportContainerEvents as ReportContainerEvents
from boomtown.actors.town.commands_of_agents import ReportContainerGone as ReportContainerGone
from boomtown.actors.town.commands_of_agents import ReportDone as ReportDone
from boomtown.actors.town.commands_of_agents import ReportEviction as ReportEviction
from boomtown.actors.town.commands_of_agents import ReportWaiting as ReportWaiting
from boomtown.actors.town.commands_of_agents import RequestChanges as RequestChanges
from boomtown.actors.town.commands_of_agents import ResetAgent as ResetAgent
from boomtown.actors.town.commands_of_agents import SetAgentStatus as SetAgentStatus
from boomtown.actors.town.commands_of_agents import UnhookBead as UnhookBead
from boomtown.actors.town.commands_of_agents import WriteCheckpoint as WriteCheckpoint
from boomtown.actors.town.commands_of_feed import DeleteFeedCursor as DeleteFeedCursor
from boomtown.actors.town.commands_of_feed import PutFeedCursor as PutFeedCursor
from boomtown.actors.town.commands_of_observer import ObserverCommand
from boomtown.actors.town.commands_of_roster import AddWatch as AddWatch
from boomtown.actors.town.commands_of_roster import HireAgent as HireAgent
from boomtown.actors.town.commands_of_roster import OffboardAgent as OffboardAgent
from boomtown.actors.town.commands_of_roster import ReassignWorkers as ReassignWorkers
from boomtown.actors.town.commands_of_roster import RemoveWatch as RemoveWatch
from boomtown.actors.town.commands_of_roster import UseGateway as UseGateway
from boomtown.actors.town.commands_of_sessions import CleanUpSessions as CleanUpSessions
from boomtown.actors.town.commands_of_sessions import KillSession as KillSession
from boomtown.actors.town.commands_of_sessions import RestoreSession as RestoreSession
from boomtown.actors.town.commands_of_sessions import RollBackSession as RollBackSession
from boomtown.actors.town.commands_of_sessions import SendToSession as SendToSession
from boomtown.actors.town.commands_of_sessions import SpawnSession as SpawnSession
from boomtown.actors.town.model import (
    BeadStatus,
    BeadType,
    MergeMode,
    Priority,
    RigConfig,
    TownConfig,
)
from boomtown.ids import AgentId, BeadId, InstanceId, RigId, SessionId, TownId

Title = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(max_length=200_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Tasks = Annotated[tuple["ConvoyTask", ...], Meta(min_length=1, max_length=50)]


class CallerKind(enum.StrEnum):
    OPERATOR = "operator"
    SESSION = "session"  # an agent with its session's token
    CONTAINER = "container"  # a control server that speaks for a session
    SYSTEM = "system"  # the server itself: compose, the Owner object


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. A session's calls are fenced by `session_id`."""

    kind: CallerKind
    user_id: str
    agent_id: AgentId | None = None
    session_id: SessionId | None = None
    instance_id: InstanceId | None = None


# --- the town itself


class InitTown(msgspec.Struct, frozen=True, kw_only=True, tag="init_town", tag_field="command"):
    """Idempotent: the same town again changes nothing."""

    town_id: TownId
    name: Name
    owner_user_id: str
    config: TownConfig


class RenameTown(msgspec.Struct, frozen=True, kw_only=True, tag="rename_town", tag_field="command"):
    name: Name


class DestroyTown(
    msgspec.Struct, frozen=True, kw_only=True, tag="destroy_town", tag_field="command"
):
    """TOWN_BUSY while sessions live, unless forced (then they are stopped first by the caller)."""

    force: bool = False


class UpdateConfig(
    msgspec.Struct, frozen=True, kw_only=True, tag="update_config", tag_field="command"
):
    """A merge patch (RFC 7396) on the town's config."""

    patch: dict[str, Any]


class SetPaused(msgspec.Struct, frozen=True, kw_only=True, tag="set_paused", tag_field="command"):
    """Of the town, or of one rig: no new dispatch; what runs goes on."""

    is_paused: bool
    rig_id: RigId | None = None


class Approve(msgspec.Struct, frozen=True, kw_only=True, tag="approve", tag_field="command"):
    """A person's word on a review that waits for it; False fails the review."""

    bead_id: BeadId
    approve: bool
    note: Text | None = None


class CreateRig(msgspec.Struct, frozen=True, kw_only=True, tag="create_rig", tag_field="command"):
    """`git_url` and `default_branch` were validated by the front."""

    rig_id: RigId
    name: Name
    git_url: str
    default_branch: str
    config: RigConfig = RigConfig()


class UpdateRigConfig(
    msgspec.Struct, frozen=True, kw_only=True, tag="update_rig_config", tag_field="command"
):
    rig_id: RigId
    patch: dict[str, Any]


class DeleteRig(msgspec.Struct, frozen=True, kw_only=True, tag="delete_rig", tag_field="command"):
    rig_id: RigId
    force: bool = False


# --- beads


class CreateBead(msgspec.Struct, frozen=True, kw_only=True, tag="create_bead", tag_field="command"):
    rig_id: RigId
    title: Title
    type: BeadType = BeadType.ISSUE
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    parent_bead_id: BeadId | None = None
    depends_on: tuple[BeadId, ...] = ()


class SetBeadStatus(
    msgspec.Struct, frozen=True, kw_only=True, tag="set_bead_status", tag_field="command"
):
    """A person's or an agent's request; leaving a final status changes nothing (no error)."""

    rig_id: RigId
    bead_id: BeadId
    status: BeadStatus
    agent_id: AgentId | None = None


class UpdateBead(msgspec.Struct, frozen=True, kw_only=True, tag="update_bead", tag_field="command"):
    rig_id: RigId
    bead_id: BeadId
    title: Title | None = None
    body: Text | None = None
    status: BeadStatus | None = None
    priority: Priority | None = None
    labels: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None  # merge patch
    depends_on: tuple[BeadId, ...] | None = None  # replaces what the bead waits for


class DeleteBeads(
    msgspec.Struct, frozen=True, kw_only=True, tag="delete_beads", tag_field="command"
):
    """BEAD_BUSY when one has a live session; all or none. Missing ids are skipped, unless it is
    one only."""

    rig_id: RigId
    bead_ids: Annotated[tuple[BeadId, ...], Meta(min_length=1, max_length=5_000)]


class DeleteBeadsByStatus(
    msgspec.Struct, frozen=True, kw_only=True, tag="delete_by_status", tag_field="command"
):
    rig_id: RigId
    status: BeadStatus
    type: BeadType | None = None


class RetryBead(msgspec.Struct, frozen=True, kw_only=True, tag="retry_bead", tag_field="command"):
    """A new bead in the place of a failed one (decisions 27)."""

    rig_id: RigId
    bead_id: BeadId


class ReassignBead(
    msgspec.Struct, frozen=True, kw_only=True, tag="reassign_bead", tag_field="command"
):
    """Prefer another agent for a bead; a live session of another agent is stopped."""

    rig_id: RigId
    bead_id: BeadId
    agent_id: AgentId


class SlingBead(msgspec.Struct, frozen=True, kw_only=True, tag="sling_bead", tag_field="command"):
    """Create a bead and bind a polecat to it at once; the loop starts it."""

    rig_id: RigId
    title: Title
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


# --- convoys


class ConvoyTask(msgspec.Struct, frozen=True, kw_only=True):
    title: Title
    body: Text | None = None
    depends_on: tuple[int, ...] = ()  # indexes into the tasks; self and out of range are ignored


class SlingConvoy(
    msgspec.Struct, frozen=True, kw_only=True, tag="sling_convoy", tag_field="command"
):
    """All of a convoy in one transaction; DEPENDENCY_CYCLE before any write. Several tasks need
    a depends_on somewhere, or `parallel` (INVALID_BODY)."""

    rig_id: RigId
    convoy_title: Title
    tasks: Tasks
    merge_mode: MergeMode | None = None
    parallel: bool = False
    staged: bool | None = None
    metadata: dict[str, Any] = {}


class StartConvoy(
    msgspec.Struct, frozen=True, kw_only=True, tag="start_convoy", tag_field="command"
):
    convoy_id: BeadId


class CloseConvoyByForce(
    msgspec.Struct, frozen=True, kw_only=True, tag="close_convoy", tag_field="command"
):
    """Close the convoy and its live beads; their sessions are stopped."""

    convoy_id: BeadId


class AddConvoyBead(
    msgspec.Struct, frozen=True, kw_only=True, tag="add_convoy_bead", tag_field="command"
):
    convoy_id: BeadId
    bead_id: BeadId
    depends_on: tuple[BeadId, ...] = ()


class RemoveConvoyBead(
    msgspec.Struct, frozen=True, kw_only=True, tag="remove_convoy_bead", tag_field="command"
):
    convoy_id: BeadId
    bead_id: BeadId


class UpdateConvoy(
    msgspec.Struct, frozen=True, kw_only=True, tag="update_convoy", tag_field="command"
):
    convoy_id: BeadId
    merge_mode: MergeMode | None = None
    feature_branch: str | None = None


# --- rig


class SendMail(msgspec.Struct, frozen=True, kw_only=True, tag="send_mail", tag_field="command"):
    """`to` is "boss" or absent; then `to_agent_id` counts."""

    rig_id: RigId
    from_agent_id: AgentId | None
    subject: Title
    body: Text
    to_agent_id: AgentId | None = None
    to: str | None = None


class CreateEscalation(
    msgspec.Struct, frozen=True, kw_only=True, tag="create_escalation", tag_field="command"
):
    rig_id: RigId
    title: Title
    body: Text | None = None
    priority: Priority = Priority.MEDIUM
    metadata: dict[str, Any] = {}


class AcknowledgeEscalation(
    msgspec.Struct, frozen=True, kw_only=True, tag="acknowledge", tag_field="command"
):
    """Acknowledge and close."""

    escalation_id: BeadId


class SubmitReview(
    msgspec.Struct, frozen=True, kw_only=True, tag="submit_review", tag_field="command"
):
    """Put a bead's branch into the review queue; older live reviews of the bead are superseded
    (row 3)."""

    rig_id: RigId
    bead_id: BeadId
    agent_id: AgentId | None
    branch: str
    pr_url: str | None = None
    summary: Text | None = None


class CompleteReview(
    msgspec.Struct, frozen=True, kw_only=True, tag="complete_review", tag_field="command"
):
    """By an operator: at once. By the review's own session: as its verdict. The first final
    result wins; later ones are recorded only (row 63)."""

    rig_id: RigId
    review_id: BeadId
    status: str  # merged | failed | conflict
    message: Text | None = None
    commit_sha: str | None = None


Command = (
    InitTown
    | RenameTown
    | DestroyTown
    | UpdateConfig
    | SetPaused
    | Approve
    | CreateRig
    | UpdateRigConfig
    | DeleteRig
    | CreateBead
    | SetBeadStatus
    | UpdateBead
    | DeleteBeads
    | DeleteBeadsByStatus
    | RetryBead
    | ReassignBead
    | SlingBead
    | SlingConvoy
    | StartConvoy
    | CloseConvoyByForce
    | AddConvoyBead
    | RemoveConvoyBead
    | UpdateConvoy
    | RegisterAgent
    | GetOrCreateAgent
    | DeleteAgent
    | ResetAgent
    | HookBead
    | UnhookBead
    | PrimeAgent
    | CheckMail
    | WriteCheckpoint
    | SetAgentStatus
    | Heartbeat
    | RequestChanges
    | ReportDone
    | ReportCompleted
    | ReportWaiting
    | ReportEviction
    | ReportContainerGone
    | ReportContainerEvents
    | BeginDrain
    | ClearDrain
    | RefreshSession
    | SendMail
    | CreateEscalation
    | AcknowledgeEscalation
    | SubmitReview
    | CompleteReview
    | PutFeedCursor
    | DeleteFeedCursor
    | HireAgent
    | OffboardAgent
    | ReassignWorkers
    | AddWatch
    | RemoveWatch
    | UseGateway
    | SpawnSession
    | KillSession
    | RestoreSession
    | RollBackSession
    | SendToSession
    | CleanUpSessions
    | ObserverCommand
)


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A command with its sender. With an idempotency key the first answer is kept for 24 hours
    per principal and given again; another body under the key is IDEMPOTENCY_MISMATCH."""

    command: Command
    caller: Caller
    idempotency_key: str | None = None
