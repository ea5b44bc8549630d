"""Commands about agents, from outside: hire, find, dismiss, reset.

A name is unique among the employed of a rig; an identity is given once for ever. Dismissing ends
employment, never history: the row stays, and so do beads in review (row 65).
"""

from __future__ import annotations

from boomtown.actors.town.bead_endings import request_status
from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_agents import (
    DeleteAgent,
    GetOrCreateAgent,
    RegisterAgent,
    ResetAgent,
)
from boomtown.actors.town.model import Agent, BeadStatus, Employment, Session
from boomtown.actors.town.naming import identity_of
from boomtown.actors.town.offboarding import Dismissal, dismiss
from boomtown.actors.town.session_moves import request_stop
from boomtown.actors.town.staffing import hire_agent, new_polecat, refinery_of
from boomtown.actors.town.store_agents import (
    find_agent_by_identity,
    find_employed_agent,
    find_employed_role,
    find_mayor,
    get_agent,
    get_rig_agent,
    list_free_agents,
    update_agent,
)
from boomtown.actors.town.store_beads import find_bead, update_bead
from boomtown.actors.town.store_sessions import find_live_session
from boomtown.actors.town.store_town import get_rig, get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import AgentView, FactsView
from boomtown.actors.town.views_of import agent_view
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest
from boomtown.ids import RigId

MAYOR_NAME = "Mayor"

_FORGET_PREFERENCE = (
    "UPDATE beads SET assignee_agent_id = NULL WHERE assignee_agent_id = ? AND status = 'open'"
)


def handle_register_agent(tx: TownTransaction, caller: Caller, command: RegisterAgent) -> AgentView:
    get_rig(tx, command.rig_id)
    is_mayor = command.role == AgentRole.MAYOR
    rig_id = None if is_mayor else command.rig_id
    if rig_id is not None and find_employed_agent(tx, rig_id, name=command.name) is not None:
        raise Conflict(ErrorCode.AGENT_NAME_TAKEN, details={"name": command.name})
    if find_agent_by_identity(tx, command.identity) is not None:
        raise Conflict(ErrorCode.AGENT_NAME_TAKEN, details={"identity": command.identity})
    if _has_holder(tx, command.rig_id, command.role):
        raise Conflict(ErrorCode.AGENT_NAME_TAKEN, f"There is a {command.role} already")
    agent = hire_agent(
        tx, rig_id=rig_id, role=command.role, name=command.name, identity=command.identity
    )
    return agent_view(tx, agent)


def handle_get_or_create(
    tx: TownTransaction, caller: Caller, command: GetOrCreateAgent
) -> AgentView:
    """A refinery whatever it does now; a polecat only when it is free."""
    rig = get_rig(tx, command.rig_id)
    match command.role:
        case AgentRole.REFINERY:
            return agent_view(tx, refinery_of(tx, rig))
        case AgentRole.POLECAT:
            free = list_free_agents(tx, rig.rig_id, AgentRole.POLECAT)
            return agent_view(tx, free[0] if free else new_polecat(tx, rig))
        case AgentRole.MAYOR:
            return agent_view(tx, find_mayor(tx) or _new_mayor(tx))
        case _:
            raise InvalidRequest(
                ErrorCode.INVALID_BODY, f"An agent of role {command.role} is hired by name"
            )


def handle_delete_agent(tx: TownTransaction, caller: Caller, command: DeleteAgent) -> FactsView:
    """Idempotent: an agent that was dismissed stays so. One with a live session, or with workers,
    is dismissed by the roster's own call, which says what becomes of them."""
    agent = get_rig_agent(tx, command.rig_id, command.agent_id)
    if agent.employment != Employment.HIRED:
        return FactsView(facts={"deleted": False})
    if find_live_session(tx, agent.agent_id) is not None:
        raise Conflict(ErrorCode.AGENT_BUSY)
    dismiss(tx, agent, Dismissal(caller=caller, reason="deleted"))
    return FactsView(facts={"deleted": True})


def handle_reset_agent(tx: TownTransaction, caller: Caller, command: ResetAgent) -> AgentView:
    """No attempt is counted, and the bead's earlier ones are forgiven."""
    agent = get_rig_agent(tx, command.rig_id, command.agent_id)
    session = find_live_session(tx, agent.agent_id)
    if session is not None:
        request_stop(tx, session, reason="reset")
        _reopen(tx, session)
    update_agent(
        tx,
        agent.agent_id,
        checkpoint=None,
        status_message=None,
        status_message_at_ms=None,
        stalled_at_ms=None,
        waiting_since_ms=None,
    )
    return agent_view(tx, get_agent(tx, agent.agent_id))


def _has_holder(tx: TownTransaction, rig_id: RigId, role: AgentRole) -> bool:
    if role == AgentRole.MAYOR:
        return find_mayor(tx) is not None
    if role == AgentRole.REFINERY:
        return find_employed_role(tx, rig_id, role) is not None
    return False


def _new_mayor(tx: TownTransaction) -> Agent:
    identity = identity_of(
        name=MAYOR_NAME, role=AgentRole.MAYOR, rig_id=None, town_id=get_town(tx).town_id
    )
    return hire_agent(tx, rig_id=None, role=AgentRole.MAYOR, name=MAYOR_NAME, identity=identity)


def _reopen(tx: TownTransaction, session: Session) -> None:
    bead = find_bead(tx, session.bead_id)
    if bead is None or bead.status not in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS):
        return
    update_bead(tx, bead.bead_id, assignee_agent_id=None, dispatch_attempts=0, not_before_ms=None)
    request_status(tx, bead, BeadStatus.OPEN, agent_id=session.agent_id)
