"""Reads a Snapshot: all that planners, invariants and town-wide questions may see, at one instant.

A fixed number of statements whatever the town holds; the indexes are built once, in memory. What
is final and touches nothing live is never read, so the cost follows the live work, not history.
"""

from __future__ import annotations

from boomtown.actors.town.container_ends import CONTAINER_END_REASONS, HOUR_MS
from boomtown.actors.town.inbox import count_pending
from boomtown.actors.town.model import (
    Bead,
    BeadType,
    Dependency,
    DependencyType,
    Session,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.actors.town.store_agents import AGENTS
from boomtown.actors.town.store_beads import BEADS
from boomtown.actors.town.store_breaker import read_breaker
from boomtown.actors.town.store_satellites import CONVOYS, ESCALATIONS, REVIEWS
from boomtown.actors.town.store_sessions import list_live_sessions, list_unanswered_effects
from boomtown.actors.town.store_town import get_town, list_rigs
from boomtown.actors.town.store_watches import list_watches
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, BeadId, SessionId

# The live beads that rules go through, then what they touch: their blockers, what they are
# about, the issues of live convoys, the reviews of live sources, the beads of live sessions.
_LIVE = (
    "SELECT bead_id FROM beads WHERE type IN ('issue', 'merge_request', 'convoy')"
    " AND status IN ('open', 'in_progress', 'in_review')"
)
_SEEN = f"""
WITH live AS ({_LIVE}), seen AS (
    SELECT bead_id FROM live
    UNION SELECT depends_on_bead_id FROM bead_dependencies
        WHERE bead_id IN (SELECT bead_id FROM live)
    UNION SELECT bead_id FROM bead_dependencies
        WHERE type = 'tracks' AND depends_on_bead_id IN (SELECT bead_id FROM live)
    UNION SELECT subject FROM beads
        WHERE subject IS NOT NULL AND bead_id IN (SELECT bead_id FROM live)
    UNION SELECT bead_id FROM sessions WHERE state != 'ended'
)
"""
_LIST_BEADS = (
    f"{_SEEN}{BEADS.select} WHERE bead_id IN (SELECT bead_id FROM seen)"
    " ORDER BY created_at_ms, bead_id"
)
_LIST_DEPENDENCIES = (
    f"{_SEEN}SELECT bead_id, depends_on_bead_id, type FROM bead_dependencies"
    " WHERE bead_id IN (SELECT bead_id FROM seen)"
    " ORDER BY bead_id, depends_on_bead_id, type"
)
_LIST_REVIEWS_OF = (
    f"{_SEEN}SELECT bead_id, subject FROM beads WHERE subject IN (SELECT bead_id FROM seen)"
    " AND kind IN ('review', 'landing') ORDER BY created_at_ms, bead_id"
)
_LIST_REVIEWS = (
    f"{_SEEN}{REVIEWS.select} WHERE bead_id IN (SELECT bead_id FROM seen) ORDER BY bead_id"
)
_LIST_CONVOYS = (
    f"{CONVOYS.select} WHERE bead_id IN (SELECT bead_id FROM beads WHERE type = 'convoy' AND"
    " status IN ('open', 'in_progress', 'in_review')) ORDER BY bead_id"
)
_LIST_AGENTS = f"{AGENTS.select} WHERE employment != 'offboarded' ORDER BY created_at_ms, agent_id"
_LIST_LIVE_ESCALATIONS = (
    f"{ESCALATIONS.select} WHERE is_live = 1 AND key IS NOT NULL ORDER BY bead_id"
)
_LIST_CLOSED_KEYS = (
    "SELECT DISTINCT key FROM escalations WHERE is_live = 0"
    " AND (key LIKE 'held:%' OR key LIKE 'restarts:%') ORDER BY key"
)
# Of those only to whom somebody still points.
_LIST_FORCED_OUT = (
    "SELECT DISTINCT boss_id FROM agents WHERE boss_id IS NOT NULL AND EXISTS"
    " (SELECT 1 FROM roster_log l WHERE l.agent_id = agents.boss_id AND l.verb = 'offboarded'"
    " AND json_extract(l.details, '$.forced')) ORDER BY boss_id"
)
_ENDED_BY_CONTAINER = ", ".join(f"'{reason}'" for reason in CONTAINER_END_REASONS)
_LIST_CONTAINER_ENDS = (
    "SELECT bead_id, ended_at_ms FROM sessions WHERE state = 'ended' AND ended_at_ms > ?"
    f" AND end_reason IN ({_ENDED_BY_CONTAINER}) ORDER BY ended_at_ms, session_id"
)


def read_snapshot(tx: TownTransaction) -> Snapshot:
    """The town as it is in this transaction; TOWN_NOT_FOUND when there is none."""
    beads = {bead.bead_id: bead for bead in BEADS.list_where(tx, _LIST_BEADS)}
    dependencies = tuple(
        Dependency(bead_id=bead_id, depends_on_bead_id=target, type=DependencyType(edge))
        for bead_id, target, edge in tx.rows(_LIST_DEPENDENCIES)
    )
    sessions = list_live_sessions(tx)
    depth, oldest_at_ms = count_pending(tx)
    tracked, convoy_of = _index_convoys(beads, dependencies)
    return Snapshot(
        town=get_town(tx),
        rigs={rig.rig_id: rig for rig in list_rigs(tx)},
        beads=beads,
        reviews={review.bead_id: review for review in REVIEWS.list_where(tx, _LIST_REVIEWS)},
        convoys={convoy.bead_id: convoy for convoy in CONVOYS.list_where(tx, _LIST_CONVOYS)},
        live_escalations={
            escalation.key: escalation
            for escalation in ESCALATIONS.list_where(tx, _LIST_LIVE_ESCALATIONS)
            if escalation.key is not None
        },
        closed_escalation_keys=frozenset(key for (key,) in tx.rows(_LIST_CLOSED_KEYS)),
        blockers=_index_blockers(dependencies),
        tracked=tracked,
        convoy_of=convoy_of,
        reviews_of=_index_reviews(tx),
        agents={agent.agent_id: agent for agent in AGENTS.list_where(tx, _LIST_AGENTS)},
        sessions={session.session_id: session for session in sessions},
        session_of_agent=_by_agent(sessions),
        session_of_bead=_by_bead(sessions),
        dependencies=dependencies,
        effects=tuple(list_unanswered_effects(tx)),
        inbox_oldest_at_ms=oldest_at_ms,
        inbox_depth=depth,
        breaker=read_breaker(tx),
        watches=tuple(list_watches(tx, None)),
        forced_out=frozenset(AgentId(boss) for (boss,) in tx.rows(_LIST_FORCED_OUT)),
        container_ends=_read_container_ends(tx, beads),
    )


def _read_container_ends(
    tx: TownTransaction, beads: dict[BeadId, Bead]
) -> dict[BeadId, tuple[int, ...]]:
    found: dict[BeadId, tuple[int, ...]] = {}
    for bead_id, ended_at_ms in tx.rows(_LIST_CONTAINER_ENDS, tx.now_ms - HOUR_MS):
        if bead_id in beads:
            found[bead_id] = (*found.get(bead_id, ()), ended_at_ms)
    return found


def _index_blockers(dependencies: tuple[Dependency, ...]) -> dict[BeadId, tuple[BeadId, ...]]:
    found: dict[BeadId, list[BeadId]] = {}
    for edge in dependencies:
        if edge.type == DependencyType.BLOCKS:
            found.setdefault(edge.bead_id, []).append(edge.depends_on_bead_id)
    return {bead_id: tuple(blockers) for bead_id, blockers in found.items()}


def _index_convoys(
    beads: dict[BeadId, Bead], dependencies: tuple[Dependency, ...]
) -> tuple[dict[BeadId, tuple[BeadId, ...]], dict[BeadId, BeadId]]:
    convoy_of: dict[BeadId, BeadId] = {}
    for edge in dependencies:
        source, target = beads.get(edge.bead_id), beads.get(edge.depends_on_bead_id)
        if edge.type != DependencyType.TRACKS or source is None or target is None:
            continue
        if source.type == BeadType.ISSUE and target.type == BeadType.CONVOY:
            convoy_of[source.bead_id] = target.bead_id
    tracked: dict[BeadId, list[BeadId]] = {}
    for bead_id in beads:  # in the order of creation
        if bead_id in convoy_of:
            tracked.setdefault(convoy_of[bead_id], []).append(bead_id)
    return {convoy: tuple(issues) for convoy, issues in tracked.items()}, convoy_of


def _index_reviews(tx: TownTransaction) -> dict[BeadId, tuple[BeadId, ...]]:
    found: dict[BeadId, list[BeadId]] = {}
    for bead_id, subject in tx.rows(_LIST_REVIEWS_OF):
        found.setdefault(subject, []).append(bead_id)
    return {subject: tuple(reviews) for subject, reviews in found.items()}


def _by_agent(sessions: list[Session]) -> dict[AgentId, SessionId]:
    return {session.agent_id: session.session_id for session in sessions}


def _by_bead(sessions: list[Session]) -> dict[BeadId, SessionId]:
    return {session.bead_id: session.session_id for session in sessions}
