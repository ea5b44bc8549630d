"""Who reports to whom, and how workers get another boss.

A boss is a live coordinator, by id; nobody's boss is nobody, which means the mayor. The graph has
no cycle: whoever the new boss reports to, and the new boss itself, are never put below it. Workers
move in one statement, so that all of them do or none does.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_roster import ReassignWorkers
from boomtown.actors.town.model import Agent
from boomtown.actors.town.roster_log import RosterVerb, record_roster
from boomtown.actors.town.store_agents import find_agent, get_agent
from boomtown.actors.town.store_beads import find_bead
from boomtown.actors.town.store_roster import (
    bosses_of,
    find_coordinator,
    is_coordinator,
    list_employed,
    list_workers,
)
from boomtown.actors.town.store_sessions import find_live_session
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import FactsView
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest, NotFound
from boomtown.ids import AgentId
from boomtown.wire import encode_json_text

_MOVE = (
    "UPDATE agents SET boss_id = ? WHERE boss_id = ? AND employment = 'hired'"
    " AND agent_id NOT IN (SELECT value FROM json_each(?))"
)
_PASS_UP = (
    "UPDATE agents SET boss_id = ? WHERE boss_id = ? AND employment = 'hired'"
    " AND agent_id IN (SELECT value FROM json_each(?))"
)


def handle_reassign_workers(
    tx: TownTransaction, caller: Caller, command: ReassignWorkers
) -> FactsView:
    """`moved` names the workers that have another boss now. The agent may have left: this is how
    the workers of a forced dismissal get a boss again."""
    agent = get_agent(tx, command.agent_id)
    target = find_reassign_target(tx, agent, command.to)
    moved = move_workers(tx, agent, target, is_leaving=False)
    if moved:
        record_roster(
            tx,
            RosterVerb.REASSIGNED,
            caller=caller,
            agent_id=agent.agent_id,
            details={"to": target.agent_id, "workers": moved},
        )
    return FactsView(facts={"to": target.agent_id, "moved": moved})


def find_reassign_target(tx: TownTransaction, agent: Agent, named: str) -> Agent:
    """The live coordinator that is to get the workers of `agent`, by id or name. Raises
    REASSIGN_TARGET_INVALID for the agent itself and for who is no coordinator,
    REASSIGN_TARGET_NOT_FOUND for who is not there, or not any more."""
    if named in (agent.agent_id, agent.name):
        raise InvalidRequest(
            ErrorCode.REASSIGN_TARGET_INVALID,
            "Workers cannot be reassigned to the one whom they are taken from",
        )
    target = find_coordinator(tx, named)
    if target is not None:
        return target
    known = find_agent(tx, AgentId(named))
    others = [known] if known is not None else list_employed(tx)
    for other in others:
        if named in (other.agent_id, other.name) and not is_coordinator(other.role):
            raise InvalidRequest(
                ErrorCode.REASSIGN_TARGET_INVALID, f"{other.name} is a {other.role}, no coordinator"
            )
    raise NotFound(ErrorCode.REASSIGN_TARGET_NOT_FOUND, details={"target": named})


def move_workers(
    tx: TownTransaction, agent: Agent, target: Agent, *, is_leaving: bool
) -> list[AgentId]:
    """Give the workers of `agent` to `target`; answers who moved. A worker that the target reports
    to, or that is the target, cannot be put below it: it keeps its boss, and reports to that one's
    boss where `agent` leaves."""
    above = [target.agent_id, *bosses_of(tx, target.agent_id)]
    workers = [worker.agent_id for worker in list_workers(tx, agent.agent_id)]
    kept = encode_json_text(above)
    tx.run(_MOVE, target.agent_id, agent.agent_id, kept)
    if is_leaving:
        up = None if agent.boss_id is None else find_coordinator(tx, agent.boss_id)
        tx.run(_PASS_UP, None if up is None else up.agent_id, agent.agent_id, kept)
        return workers
    return [worker for worker in workers if worker not in above]


def worker_facts(tx: TownTransaction, worker: Agent) -> dict[str, Any]:
    """What a refusal says of one worker: who, at what, and how far its body is."""
    session = find_live_session(tx, worker.agent_id)
    bead = None if session is None else find_bead(tx, session.bead_id)
    return {
        "id": worker.agent_id,
        "name": worker.name,
        "bead": None if session is None else session.bead_id,
        "title": None if bead is None else bead.title,
        "phase": "none" if session is None else session.phase.value,
        "process": "none" if session is None else session.state.value,
    }
