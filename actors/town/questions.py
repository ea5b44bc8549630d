"""What may be asked of a town without changing it: one struct per question."""

from __future__ import annotations

import msgspec

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_feed import GetFeedCursor, ListFeedCursors, ReadFeed
from boomtown.actors.town.commands_of_sessions import SpawnWish
from boomtown.actors.town.model import BeadStatus, BeadType
from boomtown.actors.town.questions_of_observer import ObserverQuestion
from boomtown.actors.town.questions_of_roster import RosterQuestion
from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, BeadId, RigId, SessionId


class GetTown(msgspec.Struct, frozen=True, kw_only=True, tag="get_town", tag_field="question"): ...


class GetConfig(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_config", tag_field="question"
): ...


class GetTownStatus(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_town_status", tag_field="question"
): ...


class CheckInvariants(
    msgspec.Struct, frozen=True, kw_only=True, tag="check_invariants", tag_field="question"
): ...


class ListRigs(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_rigs", tag_field="question"
): ...


class GetRig(msgspec.Struct, frozen=True, kw_only=True, tag="get_rig", tag_field="question"):
    rig_id: RigId


class ListBeads(msgspec.Struct, frozen=True, kw_only=True, tag="list_beads", tag_field="question"):
    """Newest last, by creation. Beads without a rig (convoys, mail) are not a rig's."""

    rig_id: RigId
    status: BeadStatus | None = None
    type: BeadType | None = None
    assignee_agent_id: AgentId | None = None
    limit: int = 100
    offset: int = 0


class GetBead(msgspec.Struct, frozen=True, kw_only=True, tag="get_bead", tag_field="question"):
    rig_id: RigId
    bead_id: BeadId


class ListAgents(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_agents", tag_field="question"
):
    """Offboarded ones are left out unless asked for by status dead."""

    rig_id: RigId
    role: AgentRole | None = None
    status: str | None = None  # the wire's derived status


class GetAgent(msgspec.Struct, frozen=True, kw_only=True, tag="get_agent", tag_field="question"):
    rig_id: RigId
    agent_id: AgentId


class ListEvents(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_events", tag_field="question"
):
    """The audit (bead_events), oldest first; of the town, a rig, or an agent."""

    rig_id: RigId | None = None
    agent_id: AgentId | None = None
    since_ms: int | None = None
    after: int | None = None  # the sequence number of the last one seen
    limit: int = 100


class ListEscalations(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_escalations", tag_field="question"
): ...


class ListConvoys(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_convoys", tag_field="question"
): ...


class GetConvoy(msgspec.Struct, frozen=True, kw_only=True, tag="get_convoy", tag_field="question"):
    convoy_id: BeadId


class ListSessions(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_sessions", tag_field="question"
):
    """Oldest first; `bead_id` narrows to the history of one bead or review."""

    bead_id: BeadId | None = None
    limit: int = 100


class GetSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_session", tag_field="question"
):
    session_id: SessionId


class PreflightSpawn(
    msgspec.Struct, frozen=True, kw_only=True, tag="preflight_spawn", tag_field="question"
):
    """Everything against a spawn; creates nothing."""

    wish: SpawnWish


class FindLiveSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="find_live_session", tag_field="question"
):
    """The live session of an agent: what a container's header must name."""

    agent_id: AgentId


class GetDrainStatus(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_drain_status", tag_field="question"
): ...


class ListRegistry(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_registry", tag_field="question"
):
    """The live sessions of the caller's own container instance."""


class AskRegistry(
    msgspec.Struct, frozen=True, kw_only=True, tag="ask_registry", tag_field="question"
):
    """Which of these sessions the caller's instance may resume after its boot (row 73)."""

    session_ids: tuple[SessionId, ...]


class GetMayorId(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_mayor_id", tag_field="question"
): ...


Question = (
    GetTown
    | GetConfig
    | GetTownStatus
    | CheckInvariants
    | ListRigs
    | GetRig
    | ListBeads
    | GetBead
    | ListAgents
    | GetAgent
    | ListEvents
    | ListEscalations
    | ListConvoys
    | GetConvoy
    | ListSessions
    | GetSession
    | PreflightSpawn
    | FindLiveSession
    | GetDrainStatus
    | ListRegistry
    | AskRegistry
    | GetMayorId
    | RosterQuestion
    | ObserverQuestion
    | ReadFeed
    | GetFeedCursor
    | ListFeedCursors
)


class QuestionRequest(msgspec.Struct, frozen=True, kw_only=True):
    question: Question
    caller: Caller
