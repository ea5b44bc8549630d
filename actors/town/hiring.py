"""Hire: an identity with a role, a name, a boss and what the hire said otherwise than its template.

No body is started: one comes when there is work (decisions 40). Names are unique among the
employed of a rig, or of the town for those who belong to no rig; a name that comes back belongs to
a new agent, to whom nothing of the earlier one's attaches, since all pointers are ids.
"""

from __future__ import annotations

import re

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_roster import HireAgent
from boomtown.actors.town.merge_patch import merge_patch
from boomtown.actors.town.model import Rig
from boomtown.actors.town.naming import free_numbered_name, next_polecat_name
from boomtown.actors.town.roster_log import RosterVerb, record_roster
from boomtown.actors.town.staffing import REFINERY_NAME, free_identity, hire_agent
from boomtown.actors.town.store_agents import (
    find_employed_role,
    find_mayor,
    get_agent,
    update_agent,
)
from boomtown.actors.town.store_roster import (
    find_coordinator,
    list_taken_names,
)
from boomtown.actors.town.store_town import get_rig
from boomtown.actors.town.templates import RoleTemplate, find_template_of
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import AgentView
from boomtown.actors.town.views_of import agent_view
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest, NotFound
from boomtown.ids import AgentId

MAYOR_NAME = "Mayor"
FIRST_ARCHITECT = 2  # the mayor is the first coordinator

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
# Words that address somebody: the mayor, and whoever the sender's boss is.
_RESERVED = ("main", "mayor", "boss")
_OF_A_RIG = (AgentRole.POLECAT, AgentRole.REFINERY)
_OF_ANY = (*_OF_A_RIG, AgentRole.REVIEWER)


def handle_hire(tx: TownTransaction, caller: Caller, command: HireAgent) -> AgentView:
    """Everything is checked before the one row is written."""
    role, template = _role_of(tx, command)
    rig = _rig_of(tx, command, role)
    _check_place(tx, role, rig)
    boss_id = _boss_of(tx, command, role)
    name = _name_of(tx, command, role, rig)
    agent = hire_agent(
        tx,
        rig_id=None if rig is None else rig.rig_id,
        role=role,
        name=name,
        identity=free_identity(tx, rig, role=role, name=name),
    )
    config = merge_patch({} if template is None else template.config, command.config)
    update_agent(
        tx,
        agent.agent_id,
        boss_id=boss_id,
        template=None if template is None else template.name,
        config=config,
    )
    record_roster(
        tx,
        RosterVerb.HIRED,
        caller=caller,
        agent_id=agent.agent_id,
        details={"name": name, "role": role.value, "boss": boss_id},
    )
    return agent_view(tx, get_agent(tx, agent.agent_id))


def _role_of(tx: TownTransaction, command: HireAgent) -> tuple[AgentRole, RoleTemplate | None]:
    if command.template is None:
        if command.role is None:
            raise InvalidRequest(ErrorCode.INVALID_BODY, "Say a role or a template")
        return command.role, find_template_of(tx.templates, command.role)
    template = tx.templates.get(command.template)
    if template is None:
        raise InvalidRequest(
            ErrorCode.UNKNOWN_TEMPLATE,
            f"There is no role template {command.template!r}",
            details={"template": command.template, "known": sorted(tx.templates)},
        )
    if command.role not in (None, template.role):
        raise InvalidRequest(
            ErrorCode.INVALID_BODY, f"The template {template.name} is for a {template.role}"
        )
    return template.role, template


def _rig_of(tx: TownTransaction, command: HireAgent, role: AgentRole) -> Rig | None:
    if command.rig_id is None:
        if role in _OF_A_RIG:
            raise InvalidRequest(ErrorCode.RIG_ID_REQUIRED, f"A {role} works in a rig")
        return None
    if role not in _OF_ANY:
        raise InvalidRequest(ErrorCode.INVALID_BODY, f"A {role} belongs to the whole town")
    return get_rig(tx, command.rig_id)


def _check_place(tx: TownTransaction, role: AgentRole, rig: Rig | None) -> None:
    """A town has one mayor, a rig one refinery."""
    if role == AgentRole.MAYOR:
        holder = find_mayor(tx)
    elif role == AgentRole.REFINERY and rig is not None:
        holder = find_employed_role(tx, rig.rig_id, role)
    else:
        return
    if holder is not None:
        raise Conflict(
            ErrorCode.AGENT_NAME_TAKEN,
            f"There is a {role} already",
            details={"agent": holder.agent_id, "name": holder.name},
        )


def _boss_of(tx: TownTransaction, command: HireAgent, role: AgentRole) -> AgentId | None:
    if command.boss is None:
        return None
    if role == AgentRole.MAYOR:
        raise InvalidRequest(ErrorCode.INVALID_BODY, "A mayor has no boss")
    boss = find_coordinator(tx, command.boss)
    if boss is None:
        raise NotFound(ErrorCode.NO_COORDINATOR, details={"boss": command.boss})
    return boss.agent_id


def _name_of(tx: TownTransaction, command: HireAgent, role: AgentRole, rig: Rig | None) -> str:
    taken = list_taken_names(tx, None if rig is None else rig.rig_id)
    if command.name is None:
        return _made_up_name(role, taken)
    if not _NAME.fullmatch(command.name) or command.name in _RESERVED:
        raise InvalidRequest(
            ErrorCode.INVALID_AGENT_NAME,
            "A name is a lower-case letter, then up to 63 letters, digits or hyphens,"
            f" and none of {', '.join(_RESERVED)}",
            details={"name": command.name},
        )
    if command.name in taken:
        raise Conflict(ErrorCode.AGENT_NAME_TAKEN, details={"name": command.name})
    return command.name


def _made_up_name(role: AgentRole, taken: list[str]) -> str:
    match role:
        case AgentRole.POLECAT:
            return next_polecat_name(taken)
        case AgentRole.REFINERY:
            return REFINERY_NAME
        case AgentRole.MAYOR:
            return MAYOR_NAME
        case AgentRole.ARCHITECT:
            return free_numbered_name(role, taken, first=FIRST_ARCHITECT)
        case AgentRole.REVIEWER | AgentRole.TRIAGE:
            return free_numbered_name(role, taken, first=1)
