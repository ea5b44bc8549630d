"""All that a planner, an invariant or a query over the whole town may see, at one instant.

`store.py` reads it in one go; the indexes are built once. Lists are in the order of creation
(created_at_ms, id), which is the order in which rules go through them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from boomtown.actors.town.model import (
    Agent,
    Bead,
    Breaker,
    Convoy,
    Dependency,
    Effect,
    Escalation,
    Review,
    Rig,
    Session,
    Town,
    Watch,
)
from boomtown.ids import AgentId, BeadId, RigId, SessionId


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`beads` holds every live bead of type issue, merge_request or convoy, and of the final ones:
    what a live one depends on, tracks, or is about; the issues of a live convoy; the reviews of a
    live source or convoy. And the bead of every session that is not ended, whatever its type.
    `reviews_of` names the final reviews too."""

    town: Town
    rigs: Mapping[RigId, Rig]
    beads: Mapping[BeadId, Bead]
    reviews: Mapping[BeadId, Review]
    convoys: Mapping[BeadId, Convoy]  # of live convoy beads
    live_escalations: Mapping[str, Escalation]  # by key
    closed_escalation_keys: frozenset[str] = frozenset()  # "held:…", "restarts:…": not raised again
    blockers: Mapping[BeadId, tuple[BeadId, ...]]  # bead -> what it waits for
    tracked: Mapping[BeadId, tuple[BeadId, ...]]  # convoy -> its issues
    convoy_of: Mapping[BeadId, BeadId]  # issue -> its convoy
    reviews_of: Mapping[BeadId, tuple[BeadId, ...]]  # source or convoy -> its reviews
    agents: Mapping[AgentId, Agent]  # not offboarded
    sessions: Mapping[SessionId, Session]  # not ended
    session_of_agent: Mapping[AgentId, SessionId]
    session_of_bead: Mapping[BeadId, SessionId]
    dependencies: tuple[Dependency, ...]
    effects: tuple[Effect, ...]  # pending and running
    inbox_oldest_at_ms: int | None
    inbox_depth: int
    breaker: Breaker = Breaker()
    watches: tuple[Watch, ...] = ()
    forced_out: frozenset[AgentId] = frozenset()  # bosses that left over their workers
    # live bead -> when its containers ended under it, within the last hour, oldest first
    container_ends: Mapping[BeadId, tuple[int, ...]] = {}
