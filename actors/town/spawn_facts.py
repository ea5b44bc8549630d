"""The facts of a spawn, read from the rows for preflight.py, and what is to be looked at."""

from __future__ import annotations

from boomtown.actors.town.commands_of_sessions import SpawnWish
from boomtown.actors.town.model import Employment, Rig, Session, effective
from boomtown.actors.town.preflight import SpawnFacts, rows_refuse
from boomtown.actors.town.store_agents import (
    find_agent,
    list_free_agents,
    list_rig_agents,
)
from boomtown.actors.town.store_beads import find_bead
from boomtown.actors.town.store_roster import bosses_of, find_coordinator
from boomtown.actors.town.store_sessions import (
    find_live_session,
    find_live_session_of_bead,
    list_live_sessions_of_rig,
)
from boomtown.actors.town.store_town import find_rig, get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import AgentRole, LookOrder, LookOutcome, Repository


def spawn_facts(tx: TownTransaction, wish: SpawnWish, looked: LookOutcome | None) -> SpawnFacts:
    """As the rows are now."""
    rig = None if wish.rig_id is None else find_rig(tx, wish.rig_id)
    agent = None if wish.agent_id is None else find_agent(tx, wish.agent_id)
    bead = None if wish.bead_id is None else find_bead(tx, wish.bead_id)
    boss = None if wish.boss is None else find_coordinator(tx, wish.boss)
    return SpawnFacts(
        town=get_town(tx),
        is_rig_named=bool(wish.rig_id),
        rig=rig,
        prompt_characters=len(wish.prompt or ""),
        prompt_characters_max=tx.limits.prompt_characters_max,
        role=wish.role,
        agent_named=wish.agent_id,
        agent=agent,
        agent_session=None if agent is None else find_live_session(tx, agent.agent_id),
        has_room=rig is not None and _has_room(tx, rig, wish.role),
        boss_named=wish.boss,
        boss=boss,
        chain_of_boss=() if boss is None else (boss.agent_id, *bosses_of(tx, boss.agent_id)),
        bead_named=wish.bead_id,
        bead=bead,
        bead_session=None if bead is None else find_live_session_of_bead(tx, bead.bead_id),
        branch_named=wish.branch,
        branch_session=_branch_session(tx, rig, wish.branch),
        seen=looked,
    )


def look_order(tx: TownTransaction, wish: SpawnWish) -> LookOrder | None:
    """What is to be looked at for this wish; None when the rows refuse it already."""
    facts = spawn_facts(tx, wish, None)
    if facts.rig is None or rows_refuse(facts):
        return None
    return look_order_of(tx, facts.rig, harness=wish.harness, branch=wish.branch)


def preflight_order(tx: TownTransaction, wish: SpawnWish) -> LookOrder | None:
    """What is to be looked at to find everything against this wish, whatever the rows say of
    it; None without a rig."""
    rig = None if wish.rig_id is None else find_rig(tx, wish.rig_id)
    if rig is None:
        return None
    return look_order_of(tx, rig, harness=wish.harness, branch=wish.branch)


def look_order_of(
    tx: TownTransaction, rig: Rig, *, harness: str | None, branch: str | None
) -> LookOrder:
    """What is to be looked at for a session in this rig."""
    return LookOrder(
        repository=Repository(
            rig_id=rig.rig_id, git_url=rig.git_url, default_branch=rig.default_branch
        ),
        harness=harness or effective(get_town(tx).config, rig.config).harness,
        branch=branch,
    )


def _has_room(tx: TownTransaction, rig: Rig, role: AgentRole) -> bool:
    if list_free_agents(tx, rig.rig_id, role):
        return True
    if role != AgentRole.POLECAT:
        return False
    employed = [
        agent
        for agent in list_rig_agents(tx, rig.rig_id, role=role)
        if agent.employment != Employment.OFFBOARDED
    ]
    return len(employed) < effective(get_town(tx).config, rig.config).max_polecats_per_rig


def _branch_session(tx: TownTransaction, rig: Rig | None, branch: str | None) -> Session | None:
    if rig is None or branch is None:
        return None
    for session in list_live_sessions_of_rig(tx, rig.rig_id):
        if session.branch == branch:
            return session
    return None
