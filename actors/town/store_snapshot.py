"""Reads a Snapshot: all that planners, invariants and town-wide questions may see, at one instant.

A fixed number of statements whatever the town holds; the indexes are built once, in memory. What
is final and touches nothing live is never read, so the cost follows the live work, not history;
and of that only what was touched since it was last read (table_memory.py).
"""

from __future__ import annotations

from functools import partial

import msgspec

from boomtown.actors.town.container_ends import CONTAINER_END_REASONS, HOUR_MS
from boomtown.actors.town.inbox import count_pending
from boomtown.actors.town.model import (
    Agent,
    Bead,
    BeadType,
    Convoy,
    Dependency,
    DependencyType,
    Escalation,
    Review,
    Rig,
    Session,
    Watch,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.actors.town.store_agents import AGENTS
from boomtown.actors.town.store_beads import BEADS
from boomtown.actors.town.store_breaker import read_breaker
from boomtown.actors.town.store_satellites import CONVOYS, ESCALATIONS, REVIEWS
from boomtown.actors.town.store_sessions import list_live_sessions, list_unanswered_effects
from boomtown.actors.town.store_town import get_town, list_rigs
from boomtown.actors.town.store_watches import list_watches
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, BeadId, RigId, SessionId
from boomtown.wire import encode_json_text

# The live beads that rules go through, then what they touch: their blockers, what they are
# about, the issues of live convoys, the reviews of live sources, the beads of live sessions.
# CROSS: from the live ones to their edges, however many edges history has.
_LIVE = (
    "FROM beads WHERE type IN ('issue', 'merge_request', 'convoy')"
    " AND status IN ('open', 'in_progress', 'in_review')"
)
_LIST_SEEN = f"""
SELECT bead_id FROM (
    WITH live AS MATERIALIZED (SELECT bead_id, subject {_LIVE})
    SELECT bead_id FROM live
    UNION SELECT depends_on_bead_id FROM live CROSS JOIN bead_dependencies USING (bead_id)
    UNION SELECT edge.bead_id FROM live CROSS JOIN bead_dependencies edge
        ON edge.depends_on_bead_id = live.bead_id AND edge.type = 'tracks'
    UNION SELECT subject FROM live WHERE subject IS NOT NULL
    UNION SELECT bead_id FROM sessions WHERE state != 'ended'
) ORDER BY bead_id
"""
# Asked first: a sleeping town wakes each five minutes, and compiling what it would read of a busy
# one took most of that.
_IS_AT_REST = (
    f"SELECT NOT EXISTS (SELECT 1 {_LIVE})"
    " AND NOT EXISTS (SELECT 1 FROM sessions WHERE state != 'ended')"
)
# Which are seen is found once, and handed to those that follow as one JSON array.
_AMONG = "IN (SELECT value FROM json_each(?))"
_LIST_BEADS = f"{BEADS.select} WHERE bead_id {_AMONG} ORDER BY created_at_ms, bead_id"
_LIST_DEPENDENCIES = (
    "SELECT bead_id, depends_on_bead_id, type FROM bead_dependencies"
    f" WHERE bead_id {_AMONG} ORDER BY bead_id, depends_on_bead_id, type"
)
_LIST_REVIEWS_OF = (
    f"SELECT bead_id, subject FROM beads WHERE subject {_AMONG}"
    " AND kind IN ('review', 'landing') ORDER BY created_at_ms, bead_id"
)
_LIST_REVIEWS = f"{REVIEWS.select} WHERE bead_id {_AMONG} ORDER BY bead_id"
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


class _LiveBeads(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a snapshot that its beads, their edges and their reviews make."""

    beads: dict[BeadId, Bead]
    dependencies: tuple[Dependency, ...]
    reviews: dict[BeadId, Review]
    reviews_of: dict[BeadId, tuple[BeadId, ...]]
    blockers: dict[BeadId, tuple[BeadId, ...]]
    tracked: dict[BeadId, tuple[BeadId, ...]]
    convoy_of: dict[BeadId, BeadId]


_NO_BEADS = _LiveBeads(
    beads={},
    dependencies=(),
    reviews={},
    reviews_of={},
    blockers={},
    tracked={},
    convoy_of={},
)


class _Escalations(msgspec.Struct, frozen=True, kw_only=True):
    live: dict[str, Escalation]
    closed_keys: frozenset[str]


class _Sessions(msgspec.Struct, frozen=True, kw_only=True):
    by_id: dict[SessionId, Session]
    of_agent: dict[AgentId, SessionId]
    of_bead: dict[BeadId, SessionId]


def read_snapshot(tx: TownTransaction) -> Snapshot:
    """The town as it is in this transaction; TOWN_NOT_FOUND when there is none."""
    town = get_town(tx)
    live = tx.recall(Part.LIVE_BEADS, partial(_read_live_beads, tx))
    escalations = tx.recall(Part.ESCALATIONS, partial(_read_escalations, tx))
    sessions = tx.recall(Part.SESSIONS, partial(_read_sessions, tx))
    depth, oldest_at_ms = count_pending(tx)
    return Snapshot(
        town=town,
        rigs=tx.recall(Part.RIGS, partial(_read_rigs, tx)),
        beads=live.beads,
        reviews=live.reviews,
        convoys=tx.recall(Part.CONVOYS, partial(_read_convoys, tx)),
        live_escalations=escalations.live,
        closed_escalation_keys=escalations.closed_keys,
        blockers=live.blockers,
        tracked=live.tracked,
        convoy_of=live.convoy_of,
        reviews_of=live.reviews_of,
        agents=tx.recall(Part.AGENTS, partial(_read_agents, tx)),
        sessions=sessions.by_id,
        session_of_agent=sessions.of_agent,
        session_of_bead=sessions.of_bead,
        dependencies=live.dependencies,
        effects=list_unanswered_effects(tx),
        inbox_oldest_at_ms=oldest_at_ms,
        inbox_depth=depth,
        breaker=read_breaker(tx),
        watches=tx.recall(Part.WATCHES, partial(_read_watches, tx)),
        forced_out=tx.recall(Part.FORCED_OUT, partial(_read_forced_out, tx)),
        container_ends=_container_ends(tx, live.beads),
    )


def _read_live_beads(tx: TownTransaction) -> _LiveBeads:
    if _is_at_rest(tx):
        return _NO_BEADS
    seen = encode_json_text([bead_id for (bead_id,) in tx.rows(_LIST_SEEN)])
    beads = {bead.bead_id: bead for bead in BEADS.list_where(tx, _LIST_BEADS, seen)}
    dependencies = tuple(
        Dependency(bead_id=bead_id, depends_on_bead_id=target, type=DependencyType(edge))
        for bead_id, target, edge in tx.rows(_LIST_DEPENDENCIES, seen)
    )
    tracked, convoy_of = _index_convoys(beads, dependencies)
    return _LiveBeads(
        beads=beads,
        dependencies=dependencies,
        reviews={review.bead_id: review for review in REVIEWS.list_where(tx, _LIST_REVIEWS, seen)},
        reviews_of=_index_reviews(tx, seen),
        blockers=_index_blockers(dependencies),
        tracked=tracked,
        convoy_of=convoy_of,
    )


def _is_at_rest(tx: TownTransaction) -> bool:
    """Whether no bead that rules go through is live, and no session."""
    row = tx.recall(Part.REST, lambda: tx.find_row(_IS_AT_REST))
    assert row is not None
    return bool(row[0])


def _read_escalations(tx: TownTransaction) -> _Escalations:
    live = ESCALATIONS.list_where(tx, _LIST_LIVE_ESCALATIONS)
    return _Escalations(
        live={escalation.key: escalation for escalation in live if escalation.key is not None},
        closed_keys=frozenset(key for (key,) in tx.rows(_LIST_CLOSED_KEYS)),
    )


def _read_sessions(tx: TownTransaction) -> _Sessions:
    sessions = [] if _is_at_rest(tx) else list_live_sessions(tx)
    return _Sessions(
        by_id={session.session_id: session for session in sessions},
        of_agent={session.agent_id: session.session_id for session in sessions},
        of_bead={session.bead_id: session.session_id for session in sessions},
    )


def _read_rigs(tx: TownTransaction) -> dict[RigId, Rig]:
    return {rig.rig_id: rig for rig in list_rigs(tx)}


def _read_convoys(tx: TownTransaction) -> dict[BeadId, Convoy]:
    convoys = [] if _is_at_rest(tx) else CONVOYS.list_where(tx, _LIST_CONVOYS)
    return {convoy.bead_id: convoy for convoy in convoys}


def _read_agents(tx: TownTransaction) -> dict[AgentId, Agent]:
    return {agent.agent_id: agent for agent in AGENTS.list_where(tx, _LIST_AGENTS)}


def _read_watches(tx: TownTransaction) -> tuple[Watch, ...]:
    return tuple(list_watches(tx, None))


def _read_forced_out(tx: TownTransaction) -> frozenset[AgentId]:
    return frozenset(AgentId(boss) for (boss,) in tx.rows(_LIST_FORCED_OUT))


def _container_ends(
    tx: TownTransaction, beads: dict[BeadId, Bead]
) -> dict[BeadId, tuple[int, ...]]:
    since_ms = tx.now_ms - HOUR_MS
    found: dict[BeadId, tuple[int, ...]] = {}
    # What is remembered may go further back than an hour, never less far.
    rows = tx.recall(Part.CONTAINER_ENDS, partial(tx.rows, _LIST_CONTAINER_ENDS, since_ms))
    for bead_id, ended_at_ms in rows:
        if ended_at_ms > since_ms and bead_id in beads:
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


def _index_reviews(tx: TownTransaction, seen: str) -> dict[BeadId, tuple[BeadId, ...]]:
    found: dict[BeadId, list[BeadId]] = {}
    for bead_id, subject in tx.rows(_LIST_REVIEWS_OF, seen):
        found.setdefault(subject, []).append(bead_id)
    return {subject: tuple(reviews) for subject, reviews in found.items()}
