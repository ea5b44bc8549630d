"""Whom a letter is for: an agent by id, or the sender's boss.

A worker writes to no coordinator but its own (roster.md 4.4): its live boss, else the mayor. So
nobody can be made to answer a stranger's worker, and a worker whose boss has left is heard all
the same.
"""

from __future__ import annotations

from boomtown.actors.town.model import Agent, Employment
from boomtown.actors.town.store_agents import find_agent, find_mayor, get_agent
from boomtown.actors.town.store_roster import is_coordinator
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound
from boomtown.ids import AgentId


def get_effective_boss(tx: TownTransaction, agent_id: AgentId | None) -> Agent:
    """The live boss, else the mayor. Raises NO_COORDINATOR."""
    boss = _live_boss(tx, agent_id) or find_mayor(tx)
    if boss is None:
        raise NotFound(ErrorCode.NO_COORDINATOR, "There is no boss and no mayor to write to")
    return boss


def get_recipient(tx: TownTransaction, *, sender: AgentId | None, to_agent_id: AgentId) -> Agent:
    """The agent that a sender names. Raises AGENT_NOT_FOUND, also for one who has left, and
    NOT_YOUR_BOSS."""
    recipient = get_agent(tx, to_agent_id)
    if recipient.employment == Employment.OFFBOARDED:
        raise NotFound(ErrorCode.AGENT_NOT_FOUND, "The recipient is no longer employed")
    writer = None if sender is None else get_agent(tx, sender)
    if writer is None or is_coordinator(writer.role) or not is_coordinator(recipient.role):
        return recipient
    boss = _live_boss(tx, writer.agent_id) or find_mayor(tx)
    if boss is None or boss.agent_id != recipient.agent_id:
        raise AccessDenied(ErrorCode.NOT_YOUR_BOSS, details={"agent": recipient.agent_id})
    return recipient


def _live_boss(tx: TownTransaction, agent_id: AgentId | None) -> Agent | None:
    agent = None if agent_id is None else get_agent(tx, agent_id)
    boss = None if agent is None or agent.boss_id is None else find_agent(tx, agent.boss_id)
    return boss if boss is not None and boss.employment == Employment.HIRED else None
