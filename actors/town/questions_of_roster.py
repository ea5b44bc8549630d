"""What may be asked of a town about its roster, without changing it."""

from __future__ import annotations

import enum

import msgspec

from boomtown.ids import AgentId


class RosterGrouping(enum.StrEnum):
    BOSS = "boss"
    STAGE = "stage"
    RIG = "rig"


class ListTownAgents(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_town_agents", tag_field="question"
):
    """Of the whole town, oldest first."""

    with_offboarded: bool = False


class GetTownAgent(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_town_agent", tag_field="question"
):
    """Offboarded ones too."""

    agent_id: AgentId


class GetRoster(msgspec.Struct, frozen=True, kw_only=True, tag="get_roster", tag_field="question"):
    group_by: RosterGrouping = RosterGrouping.BOSS


class ListWorkers(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_workers", tag_field="question"
):
    """The hired ones that report to an agent, whether that is hired or not."""

    agent_id: AgentId


class ListMemory(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_memory", tag_field="question"
):
    agent_id: AgentId


class ListActions(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_actions", tag_field="question"
):
    """The gateway's decisions, oldest first."""

    agent_id: AgentId
    limit: int = 100


class ListReviewedPrs(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_reviewed_prs", tag_field="question"
):
    agent_id: AgentId
    limit: int = 100


class ListWatches(
    msgspec.Struct, frozen=True, kw_only=True, tag="list_watches", tag_field="question"
):
    """Of one agent, or of the town; oldest first."""

    agent_id: AgentId | None = None


RosterQuestion = (
    ListTownAgents
    | GetTownAgent
    | GetRoster
    | ListWorkers
    | ListMemory
    | ListActions
    | ListReviewedPrs
    | ListWatches
)
