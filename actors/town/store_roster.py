"""Who reports to whom, and what agents leave behind.

`agent_actions` and `roster_log` (written by roster_log.py) are append only; `reviewed_prs` gets
its rows from the gateway alone, after a review was posted. None of the three, and no memory, is
touched when an employment ends.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from boomtown.actors.town.ending_invariants import EndingFacts
from boomtown.actors.town.model import Agent
from boomtown.actors.town.roster_log import RosterVerb
from boomtown.actors.town.store_agents import AGENTS, find_agent, find_mayor
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, RigId, SessionId
from boomtown.wire import decode_json, encode_json_text


class ActionOutcome(enum.StrEnum):
    """What the gateway decided."""

    ALLOWED = "allowed"
    DENIED = "denied"


class AgentAction(msgspec.Struct, frozen=True, kw_only=True):
    action_id: str
    agent_id: AgentId
    session_id: SessionId | None
    action: str
    outcome: ActionOutcome
    metadata: dict[str, Any]
    created_at_ms: int


class RosterEntry(msgspec.Struct, frozen=True, kw_only=True):
    entry_id: str
    agent_id: AgentId
    session_id: SessionId | None
    verb: RosterVerb
    actor: str
    reason: str | None
    details: dict[str, Any]
    created_at_ms: int


class ReviewedPr(msgspec.Struct, frozen=True, kw_only=True):
    agent_id: AgentId
    forge: str
    repo_owner: str
    repo_name: str
    number: int
    head_sha: str
    reviewed_at_ms: int


class MemoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: Any
    updated_at_ms: int


ACTIONS = Table("agent_actions", AgentAction, key="action_id", json=frozenset({"metadata"}))
ROSTER_LOG = Table("roster_log", RosterEntry, key="entry_id", json=frozenset({"details"}))
REVIEWED_PRS = Table("reviewed_prs", ReviewedPr, key="agent_id")

_COORDINATORS = "role IN ('mayor', 'architect') AND employment = 'hired'"
_LIST_COORDINATORS = (
    f"{AGENTS.select} WHERE {_COORDINATORS} ORDER BY role != 'mayor', name, agent_id"
)
_LIST_EMPLOYED = (
    f"{AGENTS.select} WHERE employment != 'offboarded' ORDER BY created_at_ms, agent_id"
)
_LIST_WORKERS = (
    f"{AGENTS.select} WHERE boss_id = ? AND employment = 'hired' ORDER BY created_at_ms, agent_id"
)
_FIND_TOWN_WIDE = (
    f"{AGENTS.select} WHERE rig_id IS NULL AND name = ? AND employment != 'offboarded'"
)
# `IS` holds for the agents of the whole town, too, whose rig is NULL.
_LIST_NAMES = (
    "SELECT name FROM agents WHERE rig_id IS ? AND employment != 'offboarded' ORDER BY name"
)
_LIST_ACTIONS = f"{ACTIONS.select} WHERE agent_id = ? ORDER BY created_at_ms, action_id LIMIT ?"
_ENDINGS_LOOKED_AT_MS = 3_600_000
_LINGERING = (
    "SELECT session_id FROM sessions JOIN agents USING (agent_id) WHERE state != 'ended'"
    " AND employment = 'offboarded' ORDER BY session_id"
)
_UNLOGGED_SESSIONS = (
    "SELECT session_id, ended_at_ms FROM sessions WHERE state = 'ended' AND ended_at_ms >= ?"
    " AND ended_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM roster_log"
    " WHERE roster_log.session_id = sessions.session_id) ORDER BY ended_at_ms, session_id"
)
_UNLOGGED_AGENTS = (
    "SELECT agent_id, offboarded_at_ms FROM agents WHERE employment = 'offboarded'"
    " AND offboarded_at_ms >= ? AND NOT EXISTS (SELECT 1 FROM roster_log"
    " WHERE roster_log.agent_id = agents.agent_id AND verb = 'offboarded') ORDER BY agent_id"
)
_LIST_LOG = f"{ROSTER_LOG.select} WHERE agent_id = ? ORDER BY created_at_ms, entry_id"
_LIST_REVIEWED = (
    f"{REVIEWED_PRS.select} WHERE agent_id = ?"
    " ORDER BY reviewed_at_ms, forge, repo_owner, repo_name, number, head_sha LIMIT ?"
)
_KEEP_REVIEWED = (
    "INSERT INTO reviewed_prs (agent_id, forge, repo_owner, repo_name, number, head_sha,"
    " reviewed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (agent_id, forge, repo_owner, repo_name, number, head_sha) DO NOTHING"
)
_MEMORY = "SELECT key, value, updated_at_ms FROM agent_memory WHERE agent_id = ?"
_PUT_MEMORY = (
    "INSERT INTO agent_memory (agent_id, key, value, updated_at_ms) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (agent_id, key) DO UPDATE SET"
    " value = excluded.value, updated_at_ms = excluded.updated_at_ms"
)
_DELETE_MEMORY = "DELETE FROM agent_memory WHERE agent_id = ? AND key = ?"


def is_coordinator(role: AgentRole) -> bool:
    """Whether agents of this role may have workers."""
    return role in (AgentRole.MAYOR, AgentRole.ARCHITECT)


def list_coordinators(tx: TownTransaction) -> list[Agent]:
    """The live ones: the mayor first, then by name."""
    return AGENTS.list_where(tx, _LIST_COORDINATORS)


def list_employed(tx: TownTransaction) -> list[Agent]:
    """Hired and offboarding ones, oldest first."""
    return AGENTS.list_where(tx, _LIST_EMPLOYED)


def list_workers(tx: TownTransaction, boss_id: AgentId) -> list[Agent]:
    """The hired agents that report to `boss_id`, oldest first; idle ones, and those whose body is
    only about to start, count like all others."""
    return AGENTS.list_where(tx, _LIST_WORKERS, boss_id)


def list_taken_names(tx: TownTransaction, rig_id: RigId | None) -> list[str]:
    """Of the employed of a rig, or of those who belong to the whole town."""
    return [name for (name,) in tx.rows(_LIST_NAMES, rig_id)]


def find_town_wide_agent(tx: TownTransaction, name: str) -> Agent | None:
    """The employed agent of that name that belongs to no rig."""
    return AGENTS.find_where(tx, _FIND_TOWN_WIDE, name)


def find_coordinator(tx: TownTransaction, named: str) -> Agent | None:
    """The live coordinator with this id, or with this name where no two have it; `main` and
    `mayor`, which nobody may be called, are the mayor."""
    if named in ("main", "mayor"):
        mayor = find_mayor(tx)
        return mayor if mayor in list_coordinators(tx) else None
    found = [one for one in list_coordinators(tx) if named in (one.agent_id, one.name)]
    return found[0] if len(found) == 1 else None


def bosses_of(tx: TownTransaction, agent_id: AgentId) -> list[AgentId]:
    """The agent's boss, that one's boss, and so on; ends at the top, or where it would repeat."""
    chain: list[AgentId] = []
    agent = find_agent(tx, agent_id)
    while agent is not None and agent.boss_id is not None and agent.boss_id not in chain:
        chain.append(agent.boss_id)
        agent = find_agent(tx, agent.boss_id)
    return chain


def list_roster_log(tx: TownTransaction, agent_id: AgentId) -> list[RosterEntry]:
    """Oldest first."""
    return ROSTER_LOG.list_where(tx, _LIST_LOG, agent_id)


def read_endings(tx: TownTransaction) -> EndingFacts:
    """Of the last hour; older ones were looked at when they were new."""
    since_ms = tx.now_ms - _ENDINGS_LOOKED_AT_MS
    lingering = tx.recall(Part.LINGERING, lambda: tx.rows(_LINGERING))
    # What is remembered may go further back.
    unlogged = tx.recall(
        Part.UNLOGGED,
        lambda: sorted(tx.rows(_UNLOGGED_SESSIONS, since_ms) + tx.rows(_UNLOGGED_AGENTS, since_ms)),
    )
    return EndingFacts(
        lingering=tuple(str(row[0]) for row in lingering),
        unlogged=tuple(str(subject) for subject, at_ms in unlogged if at_ms >= since_ms),
    )


def record_action(tx: TownTransaction, action: AgentAction) -> None:
    ACTIONS.insert(tx, action)


def list_actions(tx: TownTransaction, agent_id: AgentId, *, limit: int) -> list[AgentAction]:
    """Oldest first."""
    return ACTIONS.list_where(tx, _LIST_ACTIONS, agent_id, limit)


def keep_reviewed_pr(tx: TownTransaction, reviewed: ReviewedPr) -> None:
    """A review was posted; the same head commit again keeps the first instant (I18)."""
    tx.run(_KEEP_REVIEWED, *msgspec.structs.astuple(reviewed))


def list_reviewed_prs(tx: TownTransaction, agent_id: AgentId, *, limit: int) -> list[ReviewedPr]:
    return REVIEWED_PRS.list_where(tx, _LIST_REVIEWED, agent_id, limit)


def list_memory(tx: TownTransaction, agent_id: AgentId) -> list[MemoryEntry]:
    """By key."""
    return [_memory(row) for row in tx.rows(f"{_MEMORY} ORDER BY key", agent_id)]


def find_memory(tx: TownTransaction, agent_id: AgentId, key: str) -> MemoryEntry | None:
    row = tx.find_row(f"{_MEMORY} AND key = ?", agent_id, key)
    return None if row is None else _memory(row)


def put_memory(tx: TownTransaction, agent_id: AgentId, *, key: str, value: object) -> None:
    """The last write wins."""
    tx.run(_PUT_MEMORY, agent_id, key, encode_json_text(value), tx.now_ms)


def delete_memory(tx: TownTransaction, agent_id: AgentId, key: str) -> None:
    tx.run(_DELETE_MEMORY, agent_id, key)


def _memory(row: tuple[Any, ...]) -> MemoryEntry:
    return MemoryEntry(key=row[0], value=decode_json(row[1]), updated_at_ms=row[2])
