"""Commands about single beads: create, move, edit, delete, retry, reassign, sling."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.bead_creation import block, create_bead
from boomtown.actors.town.bead_endings import release_session_of, request_status
from boomtown.actors.town.blockers import held_key
from boomtown.actors.town.commands import (
    Caller,
    CreateBead,
    ReassignBead,
    RetryBead,
    SetBeadStatus,
    SlingBead,
    UpdateBead,
)
from boomtown.actors.town.dependency_graph import find_cycle
from boomtown.actors.town.fences import actor_of, check_own_bead
from boomtown.actors.town.merge_patch import merge_patch
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LABEL_HELD,
    LABEL_TRIAGE_REQUEST,
    BeadKind,
    BeadStatus,
    BeadType,
    Dependency,
    DependencyType,
    EventType,
    SessionState,
    effective,
)
from boomtown.actors.town.session_moves import claim_session
from boomtown.actors.town.staffing import new_polecat
from boomtown.actors.town.store_agents import get_rig_agent, list_free_agents, list_rig_agents
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import (
    delete_dependency,
    find_convoy_of,
    get_bead,
    get_rig_bead,
    insert_dependency,
    list_blockers,
    list_dependencies,
    list_dependents,
    move_dependents,
    update_bead,
)
from boomtown.actors.town.store_satellites import find_live_escalation
from boomtown.actors.town.store_sessions import (
    find_live_session_of_bead,
    list_live_sessions_of_rig,
)
from boomtown.actors.town.store_town import get_rig, get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status, recount_convoy
from boomtown.actors.town.views import BeadView, SlingView
from boomtown.actors.town.views_of import agent_view, bead_view
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest, Issue
from boomtown.ids import BeadId

# Types that come to be in their own ways, each with a satellite (row 81).
_MADE_ELSEWHERE = frozenset(
    {BeadType.MERGE_REQUEST, BeadType.ESCALATION, BeadType.CONVOY, BeadType.AGENT}
)


def handle_create_bead(tx: TownTransaction, caller: Caller, command: CreateBead) -> BeadView:
    get_rig(tx, command.rig_id)
    if command.type in _MADE_ELSEWHERE:
        issue = Issue("type", f"A {command.type} is not created as a plain bead")
        raise InvalidRequest(ErrorCode.INVALID_BODY, issues=(issue,))
    if command.parent_bead_id is not None:
        get_bead(tx, command.parent_bead_id)
    blockers = [get_bead(tx, blocker) for blocker in command.depends_on]
    bead = create_bead(
        tx,
        bead_type=command.type,
        kind=BeadKind.WORK if command.type == BeadType.ISSUE else BeadKind.RECORD,
        title=command.title,
        body=command.body,
        created_by=actor_of(caller),
        rig_id=command.rig_id,
        parent_bead_id=command.parent_bead_id,
        priority=command.priority,
        labels=command.labels,
        metadata=command.metadata,
    )
    for blocker in blockers:
        block(tx, bead.bead_id, blocker.bead_id)
    return bead_view(tx, bead)


def handle_set_status(tx: TownTransaction, caller: Caller, command: SetBeadStatus) -> BeadView:
    bead = get_rig_bead(tx, command.rig_id, command.bead_id)
    check_own_bead(tx, caller, bead.bead_id)
    agent_id = command.agent_id or caller.agent_id
    return bead_view(tx, request_status(tx, bead, command.status, agent_id=agent_id).bead)


def handle_update_bead(tx: TownTransaction, caller: Caller, command: UpdateBead) -> BeadView:
    bead = get_rig_bead(tx, command.rig_id, command.bead_id)
    named = {
        "title": command.title,
        "body": command.body,
        "priority": command.priority,
        "labels": command.labels,
    }
    changes: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    if command.metadata is not None:
        changes["metadata"] = merge_patch(bead.metadata, command.metadata)
    changes = {key: value for key, value in changes.items() if getattr(bead, key) != value}
    update_bead(tx, bead.bead_id, **changes)
    if command.depends_on is not None:
        replace_blockers(tx, bead.bead_id, command.depends_on)
    if changes:
        record_audit(
            tx,
            EventType.FIELDS_UPDATED,
            bead=bead,
            agent_id=caller.agent_id,
            metadata={"fields": sorted(changes)},
        )
    if command.status is not None:
        check_own_bead(tx, caller, bead.bead_id)
        request_status(tx, bead, command.status, agent_id=caller.agent_id)
    return bead_view(tx, get_bead(tx, bead.bead_id))


def handle_retry_bead(tx: TownTransaction, caller: Caller, command: RetryBead) -> BeadView:
    old = get_rig_bead(tx, command.rig_id, command.bead_id)
    if old.status != BeadStatus.FAILED or old.type != BeadType.ISSUE:
        raise Conflict(ErrorCode.BEAD_NOT_FAILED)
    convoy = find_convoy_of(tx, old.bead_id)
    if convoy is not None and convoy.status in FINAL_STATUSES:
        raise Conflict(ErrorCode.CONVOY_ENDED)
    new = create_bead(
        tx,
        bead_type=old.type,
        kind=old.kind,
        title=old.title,
        body=old.body,
        created_by=actor_of(caller),
        rig_id=old.rig_id,
        subject=old.subject,
        parent_bead_id=old.parent_bead_id,
        priority=old.priority,
        labels=old.labels,
        metadata=old.metadata,
    )
    for blocker in list_blockers(tx, old.bead_id):
        block(tx, new.bead_id, blocker.bead_id)
    _end_held_escalations(tx, old.bead_id, None if convoy is None else convoy.bead_id)
    move_dependents(tx, old=old.bead_id, new=new.bead_id)
    if convoy is not None:
        _replace_in_convoy(tx, convoy.bead_id, old=old.bead_id, new=new.bead_id)
    return bead_view(tx, new)


def handle_reassign_bead(tx: TownTransaction, caller: Caller, command: ReassignBead) -> BeadView:
    bead = get_rig_bead(tx, command.rig_id, command.bead_id)
    agent = get_rig_agent(tx, command.rig_id, command.agent_id)
    if bead.status not in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS):
        raise Conflict(ErrorCode.ILLEGAL_TRANSITION, f"A bead that is {bead.status} is nobody's")
    session = find_live_session_of_bead(tx, bead.bead_id)
    if session is not None and session.agent_id == agent.agent_id:
        return bead_view(tx, bead)
    release_session_of(tx, bead.bead_id, reason="reassigned")
    change_bead_status(tx, bead.bead_id, BeadStatus.OPEN, agent_id=caller.agent_id)
    update_bead(tx, bead.bead_id, assignee_agent_id=agent.agent_id)
    record_audit(
        tx,
        EventType.ASSIGNED,
        bead=bead,
        agent_id=agent.agent_id,
        old_value=bead.assignee_agent_id,
        new_value=agent.agent_id,
    )
    return bead_view(tx, get_bead(tx, bead.bead_id))


def handle_sling_bead(tx: TownTransaction, caller: Caller, command: SlingBead) -> SlingView:
    """Bind a free polecat, or a new one while the rig may have more. At the limit, while
    town or rig is paused or draining, or for a held bead, it only prefers a polecat and waits for
    the loop."""
    town, rig = get_town(tx), get_rig(tx, command.rig_id)
    config = effective(town.config, rig.config)
    bead = create_bead(
        tx,
        bead_type=BeadType.ISSUE,
        kind=BeadKind.WORK,
        title=command.title,
        body=command.body,
        created_by=actor_of(caller),
        rig_id=rig.rig_id,
        priority=command.priority,
        labels=command.labels,
        metadata=command.metadata,
    )
    working = [
        session
        for session in list_live_sessions_of_rig(tx, rig.rig_id)
        if session.kind == SessionKind.WORK and session.state != SessionState.ENDED
    ]
    has_capacity = len(working) < config.max_polecats_per_rig
    free = list_free_agents(tx, rig.rig_id, AgentRole.POLECAT)
    everyone = free or list_rig_agents(tx, rig.rig_id, role=AgentRole.POLECAT)
    employed = [agent for agent in everyone if agent.employment == "hired"]
    agent = employed[0] if free or (employed and not has_capacity) else new_polecat(tx, rig)
    is_paused = town.is_paused or rig.is_paused or town.is_draining
    is_held = LABEL_HELD in command.labels or LABEL_TRIAGE_REQUEST in command.labels
    if has_capacity and not is_paused and not is_held:
        claim_session(tx, agent=agent, bead=bead, kind=SessionKind.WORK, harness=config.harness)
    else:
        update_bead(tx, bead.bead_id, assignee_agent_id=agent.agent_id)
    return SlingView(bead=bead_view(tx, get_bead(tx, bead.bead_id)), agent=agent_view(tx, agent))


def replace_blockers(tx: TownTransaction, bead_id: BeadId, blockers: tuple[BeadId, ...]) -> None:
    """Have the bead wait for exactly these. DEPENDENCY_CYCLE, and nothing changed, when that
    would close a ring."""
    for blocker in blockers:
        get_bead(tx, blocker)
    edges = [
        (edge.bead_id, edge.depends_on_bead_id)
        for edge in list_dependencies(tx, DependencyType.BLOCKS)
        if edge.bead_id != bead_id
    ]
    edges += [(bead_id, blocker) for blocker in blockers]
    cycle = find_cycle(edges)
    if cycle is not None:
        raise InvalidRequest(ErrorCode.DEPENDENCY_CYCLE, details={"cycle": list(cycle)})
    for old in list_blockers(tx, bead_id):
        if old.bead_id not in blockers:
            delete_dependency(tx, _edge(bead_id, old.bead_id, DependencyType.BLOCKS))
    for blocker in blockers:
        block(tx, bead_id, blocker)


def _replace_in_convoy(tx: TownTransaction, convoy_id: BeadId, *, old: BeadId, new: BeadId) -> None:
    delete_dependency(tx, _edge(old, convoy_id, DependencyType.TRACKS))
    insert_dependency(tx, _edge(new, convoy_id, DependencyType.TRACKS))
    recount_convoy(tx, convoy_id)


def _end_held_escalations(
    tx: TownTransaction, blocker_id: BeadId, convoy_id: BeadId | None
) -> None:
    """What was escalated because of the failed bead is answered by its retry."""
    waiting = [dependent.bead_id for dependent in list_dependents(tx, blocker_id)]
    for bead_id in waiting if convoy_id is None else (*waiting, convoy_id):
        escalation = find_live_escalation(tx, held_key(bead_id=bead_id, blocker_id=blocker_id))
        if escalation is not None:
            change_bead_status(tx, escalation.bead_id, BeadStatus.CLOSED)


def _edge(bead_id: BeadId, target: BeadId, edge_type: DependencyType) -> Dependency:
    return Dependency(bead_id=bead_id, depends_on_bead_id=target, type=edge_type)
