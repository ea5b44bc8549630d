"""What may be asked about the observer of the forges, without changing anything."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.model import PullRequestState
from boomtown.ids import AgentId


class GetObservers(
    msgspec.Struct, frozen=True, kw_only=True, tag="get_observers", tag_field="question"
): ...


class ListPrs(msgspec.Struct, frozen=True, kw_only=True, tag="list_prs", tag_field="question"):
    """By repository and number; of one agent, or in one state, where that is said."""

    agent_id: AgentId | None = None
    state: PullRequestState | None = None
    limit: int = 100


ObserverQuestion = GetObservers | ListPrs
