"""Agents: who was hired, and what they left."""

from __future__ import annotations

from boomtown.actors.town.model import Agent
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import AgentId, RigId

AGENTS = Table("agents", Agent, key="agent_id", json=frozenset({"checkpoint", "config"}))

_LIST_AGENTS = f"{AGENTS.select} ORDER BY created_at_ms, agent_id"
_LIST_RIG_AGENTS = (
    f"{AGENTS.select} WHERE rig_id = ? AND role = coalesce(?, role)"
    " ORDER BY created_at_ms, agent_id"
)
_LIST_FREE_AGENTS = (
    f"{AGENTS.select} WHERE rig_id = ? AND role = ? AND employment = 'hired' AND agent_id NOT IN"
    " (SELECT agent_id FROM sessions WHERE state != 'ended') ORDER BY created_at_ms, agent_id"
)
_FIND_EMPLOYED_ROLE = (
    f"{AGENTS.select} WHERE rig_id = ? AND role = ? AND employment != 'offboarded'"
    " ORDER BY created_at_ms, agent_id LIMIT 1"
)
_FIND_MAYOR = f"{AGENTS.select} WHERE role = 'mayor' AND employment != 'offboarded'"
_FIND_BY_IDENTITY = f"{AGENTS.select} WHERE identity = ?"
_FIND_EMPLOYED_NAME = (
    f"{AGENTS.select} WHERE rig_id = ? AND name = ? AND employment != 'offboarded'"
)


def find_agent(tx: TownTransaction, agent_id: AgentId) -> Agent | None:
    return AGENTS.find(tx, agent_id)


def get_agent(tx: TownTransaction, agent_id: AgentId) -> Agent:
    """Offboarded ones too; AGENT_NOT_FOUND when there never was one."""
    agent = find_agent(tx, agent_id)
    if agent is None:
        raise NotFound(ErrorCode.AGENT_NOT_FOUND)
    return agent


def get_rig_agent(tx: TownTransaction, rig_id: RigId, agent_id: AgentId) -> Agent:
    """An agent of this rig; another rig's is AGENT_NOT_FOUND."""
    agent = get_agent(tx, agent_id)
    if agent.rig_id != rig_id:
        raise NotFound(ErrorCode.AGENT_NOT_FOUND)
    return agent


def find_agent_by_identity(tx: TownTransaction, identity: str) -> Agent | None:
    """Whoever has it or had it: an identity is never given twice."""
    return AGENTS.find_where(tx, _FIND_BY_IDENTITY, identity)


def find_employed_agent(tx: TownTransaction, rig_id: RigId, *, name: str) -> Agent | None:
    return AGENTS.find_where(tx, _FIND_EMPLOYED_NAME, rig_id, name)


def find_employed_role(tx: TownTransaction, rig_id: RigId, role: AgentRole) -> Agent | None:
    """The rig's first employed agent of a role: its refinery."""
    return AGENTS.find_where(tx, _FIND_EMPLOYED_ROLE, rig_id, role)


def find_mayor(tx: TownTransaction) -> Agent | None:
    return AGENTS.find_where(tx, _FIND_MAYOR)


def list_agents(tx: TownTransaction) -> list[Agent]:
    """All, offboarded ones too, oldest first."""
    return AGENTS.list_where(tx, _LIST_AGENTS)


def list_rig_agents(
    tx: TownTransaction, rig_id: RigId, *, role: AgentRole | None = None
) -> list[Agent]:
    """All of a rig, offboarded ones too, oldest first."""
    return AGENTS.list_where(tx, _LIST_RIG_AGENTS, rig_id, role)


def list_free_agents(tx: TownTransaction, rig_id: RigId, role: AgentRole) -> list[Agent]:
    """Hired and without a live session, oldest first."""
    return AGENTS.list_where(tx, _LIST_FREE_AGENTS, rig_id, role)


def insert_agent(tx: TownTransaction, agent: Agent) -> None:
    AGENTS.insert(tx, agent)


def update_agent(tx: TownTransaction, agent_id: AgentId, **columns: object) -> None:
    AGENTS.update(tx, agent_id, columns)
