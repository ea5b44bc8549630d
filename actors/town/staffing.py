"""Agents made when there is work for them: polecats by need, one refinery per rig.

Names come from our own list (naming.py), unique among the employed of a rig; an identity is used
once for ever, so a name that comes back gets an identity with a number behind it.
"""

from __future__ import annotations

from boomtown.actors.town.model import Agent, Employment, Rig
from boomtown.actors.town.naming import identity_of, next_polecat_name
from boomtown.actors.town.store_agents import (
    find_agent_by_identity,
    find_employed_role,
    insert_agent,
    list_rig_agents,
)
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, RigId

REFINERY_NAME = "Refinery"


def new_polecat(tx: TownTransaction, rig: Rig) -> Agent:
    """A worker of the rig; whether the rig may have one more is the caller's to know."""
    employed = [
        agent.name
        for agent in list_rig_agents(tx, rig.rig_id)
        if agent.employment != Employment.OFFBOARDED
    ]
    return _hire(tx, rig, role=AgentRole.POLECAT, name=next_polecat_name(employed))


def refinery_of(tx: TownTransaction, rig: Rig) -> Agent:
    """The rig's only reviewer and merger, made on first use."""
    found = find_employed_role(tx, rig.rig_id, AgentRole.REFINERY)
    return found or _hire(tx, rig, role=AgentRole.REFINERY, name=REFINERY_NAME)


def free_identity(tx: TownTransaction, rig: Rig | None, *, role: AgentRole, name: str) -> str:
    """The identity of a name, with a number behind it when it was somebody's before. Without a
    rig it is the whole town's."""
    town_id = get_town(tx).town_id
    rig_id = None if rig is None else rig.rig_id
    base = identity_of(name=name, role=role, rig_id=rig_id, town_id=town_id)
    identity, number = base, 1
    while find_agent_by_identity(tx, identity) is not None:
        number += 1
        identity = f"{base}#{number}"
    return identity


def hire_agent(
    tx: TownTransaction, *, rig_id: RigId | None, role: AgentRole, name: str, identity: str
) -> Agent:
    """A new agent. Names and identities were checked by the caller."""
    agent = Agent(
        agent_id=AgentId(tx.new_id()),
        rig_id=rig_id,
        role=role,
        name=name,
        identity=identity,
        employment=Employment.HIRED,
        boss_id=None,
        checkpoint=None,
        status_message=None,
        status_message_at_ms=None,
        last_activity_at_ms=None,
        stalled_at_ms=None,
        waiting_since_ms=None,
        created_at_ms=tx.now_ms,
        offboarded_at_ms=None,
        offboard_reason=None,
    )
    insert_agent(tx, agent)
    return agent


def _hire(tx: TownTransaction, rig: Rig, *, role: AgentRole, name: str) -> Agent:
    identity = free_identity(tx, rig, role=role, name=name)
    return hire_agent(tx, rig_id=rig.rig_id, role=role, name=name, identity=identity)
