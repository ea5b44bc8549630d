"""Commands about convoys.

Creating one is a single transaction that names its branch and makes nothing remote (row 75): the
branch comes to be when the first session starts from it. The stored counts follow every change
of membership here, and every final status in transitions.py, by the one count query (row 77).
"""

from __future__ import annotations

from boomtown.actors.town.bead_commands import replace_blockers
from boomtown.actors.town.bead_creation import block, create_bead, create_convoy, track
from boomtown.actors.town.bead_endings import end_reviews_of, request_status
from boomtown.actors.town.commands import (
    AddConvoyBead,
    Caller,
    CloseConvoyByForce,
    ConvoyTask,
    RemoveConvoyBead,
    SlingConvoy,
    StartConvoy,
    UpdateConvoy,
)
from boomtown.actors.town.dependency_graph import find_cycle
from boomtown.actors.town.fences import actor_of
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LIVE_STATUSES,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Dependency,
    DependencyType,
    EventType,
    MergeMode,
    effective,
)
from boomtown.actors.town.naming import feature_branch
from boomtown.actors.town.store_agents import find_agent
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import (
    delete_dependency,
    find_convoy_of,
    get_bead,
    list_tracked,
)
from boomtown.actors.town.store_satellites import find_convoy, get_convoy, update_convoy
from boomtown.actors.town.store_sessions import find_live_session_of_bead
from boomtown.actors.town.store_town import get_rig, get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status, count_tracked, recount_convoy
from boomtown.actors.town.views import BoundBeadView, ConvoyView, FactsView, SlingBatchView
from boomtown.actors.town.views_of import agent_view, bead_view, convoy_view
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest, Issue, NotFound
from boomtown.ids import BeadId


def handle_sling_convoy(
    tx: TownTransaction, caller: Caller, command: SlingConvoy
) -> SlingBatchView:
    rig = get_rig(tx, command.rig_id)
    config = effective(get_town(tx).config, rig.config)
    edges = _task_edges(command.tasks)
    _check_tasks(command, edges)
    is_staged = config.staged_convoys_default if command.staged is None else command.staged
    convoy = create_convoy(
        tx,
        rig_id=rig.rig_id,
        title=command.convoy_title,
        created_by=actor_of(caller),
        merge_mode=command.merge_mode or config.convoy_merge_mode,
        is_staged=is_staged,
        metadata=command.metadata,
    )
    _set_branch(tx, convoy)
    tasks = [
        create_bead(
            tx,
            bead_type=BeadType.ISSUE,
            kind=BeadKind.WORK,
            title=task.title,
            body=task.body,
            created_by=actor_of(caller),
            rig_id=rig.rig_id,
        )
        for task in command.tasks
    ]
    for task in tasks:
        track(tx, task.bead_id, convoy.bead_id)
    for waiting, blocker in edges:
        block(tx, tasks[waiting].bead_id, tasks[blocker].bead_id)
    recount_convoy(tx, convoy.bead_id)
    return _batch_view(tx, convoy.bead_id)


def handle_start_convoy(
    tx: TownTransaction, caller: Caller, command: StartConvoy
) -> SlingBatchView:
    convoy = _live_convoy(tx, command.convoy_id)
    if not get_convoy(tx, convoy.bead_id).is_staged:
        raise Conflict(ErrorCode.CONVOY_NOT_STAGED)
    update_convoy(tx, convoy.bead_id, is_staged=False)
    _note_change(tx, caller, convoy, "staged")
    return _batch_view(tx, convoy.bead_id)


def handle_close_convoy(
    tx: TownTransaction, caller: Caller, command: CloseConvoyByForce
) -> ConvoyView:
    """Landed by a person's word: what lives of it is closed, its sessions are stopped. A convoy
    that has ended stays as it is."""
    convoy = _get_convoy_bead(tx, command.convoy_id)
    if convoy.status in FINAL_STATUSES:
        return convoy_view(tx, convoy)
    end_reviews_of(tx, convoy.bead_id, code="convoy_closed")
    for issue in list_tracked(tx, convoy.bead_id):
        if issue.type == BeadType.ISSUE and issue.status in LIVE_STATUSES:
            request_status(tx, issue, BeadStatus.CLOSED, agent_id=caller.agent_id)
    change_bead_status(tx, convoy.bead_id, BeadStatus.CLOSED, agent_id=caller.agent_id)
    update_convoy(tx, convoy.bead_id, landed_at_ms=tx.now_ms, is_staged=False)
    recount_convoy(tx, convoy.bead_id)
    return convoy_view(tx, get_bead(tx, convoy.bead_id))


def handle_add_bead(tx: TownTransaction, caller: Caller, command: AddConvoyBead) -> FactsView:
    """To a staged convoy only; the bead must be open, of the convoy's rig, and in no convoy."""
    convoy = _live_convoy(tx, command.convoy_id)
    row = get_convoy(tx, convoy.bead_id)
    if not row.is_staged:
        raise Conflict(ErrorCode.CONVOY_NOT_STAGED)
    bead = get_bead(tx, command.bead_id)
    if bead.rig_id != row.rig_id:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    present = find_convoy_of(tx, bead.bead_id)
    is_elsewhere = present is not None and present.bead_id != convoy.bead_id
    if bead.kind != BeadKind.WORK or bead.status != BeadStatus.OPEN or is_elsewhere:
        raise Conflict(ErrorCode.BEAD_BUSY, "Only an open bead of no other convoy can join")
    if find_live_session_of_bead(tx, bead.bead_id) is not None:
        raise Conflict(ErrorCode.BEAD_BUSY)
    track(tx, bead.bead_id, convoy.bead_id)
    if command.depends_on:
        replace_blockers(tx, bead.bead_id, command.depends_on)
    recount_convoy(tx, convoy.bead_id)
    return _total_view(tx, convoy.bead_id)


def handle_remove_bead(tx: TownTransaction, caller: Caller, command: RemoveConvoyBead) -> FactsView:
    """The bead stays, by itself."""
    convoy = _live_convoy(tx, command.convoy_id)
    present = find_convoy_of(tx, command.bead_id)
    if present is None or present.bead_id != convoy.bead_id:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    if find_live_session_of_bead(tx, command.bead_id) is not None:
        raise Conflict(ErrorCode.BEAD_BUSY)
    delete_dependency(
        tx,
        Dependency(
            bead_id=command.bead_id,
            depends_on_bead_id=convoy.bead_id,
            type=DependencyType.TRACKS,
        ),
    )
    recount_convoy(tx, convoy.bead_id)
    return _total_view(tx, convoy.bead_id)


def handle_update_convoy(tx: TownTransaction, caller: Caller, command: UpdateConvoy) -> ConvoyView:
    """A convoy whose mode becomes review-then-land gets its branch name now."""
    convoy = _live_convoy(tx, command.convoy_id)
    if command.merge_mode is not None:
        update_convoy(tx, convoy.bead_id, merge_mode=command.merge_mode)
        _set_branch(tx, convoy)
    if command.feature_branch is not None:
        update_convoy(tx, convoy.bead_id, feature_branch=command.feature_branch)
    _note_change(tx, caller, convoy, "merge_mode, feature_branch")
    return convoy_view(tx, get_bead(tx, convoy.bead_id))


def _task_edges(tasks: tuple[ConvoyTask, ...]) -> list[tuple[int, int]]:
    """(task, what it waits for); self and out of range are ignored."""
    return [
        (index, blocker)
        for index, task in enumerate(tasks)
        for blocker in dict.fromkeys(task.depends_on)
        if blocker != index and 0 <= blocker < len(tasks)
    ]


def _check_tasks(command: SlingConvoy, edges: list[tuple[int, int]]) -> None:
    cycle = find_cycle(edges)
    if cycle is not None:
        raise InvalidRequest(ErrorCode.DEPENDENCY_CYCLE, details={"cycle": list(cycle)})
    if len(command.tasks) > 1 and not edges and not command.parallel:
        issue = Issue("tasks", "Several tasks need a depends_on somewhere, or parallel: true")
        raise InvalidRequest(ErrorCode.INVALID_BODY, issues=(issue,))


def _set_branch(tx: TownTransaction, convoy: Bead) -> None:
    row = get_convoy(tx, convoy.bead_id)
    branch = None
    if row.merge_mode == MergeMode.REVIEW_THEN_LAND:
        branch = row.feature_branch or feature_branch(convoy.title, convoy.bead_id)
    update_convoy(tx, convoy.bead_id, feature_branch=branch)


def _get_convoy_bead(tx: TownTransaction, convoy_id: BeadId) -> Bead:
    if find_convoy(tx, convoy_id) is None:
        raise NotFound(ErrorCode.CONVOY_NOT_FOUND)
    return get_bead(tx, convoy_id)


def _live_convoy(tx: TownTransaction, convoy_id: BeadId) -> Bead:
    convoy = _get_convoy_bead(tx, convoy_id)
    if convoy.status in FINAL_STATUSES:
        raise Conflict(ErrorCode.CONVOY_ENDED)
    return convoy


def _batch_view(tx: TownTransaction, convoy_id: BeadId) -> SlingBatchView:
    bound: list[BoundBeadView] = []
    for issue in list_tracked(tx, convoy_id):
        session = find_live_session_of_bead(tx, issue.bead_id)
        agent = None if session is None else find_agent(tx, session.agent_id)
        bound.append(
            BoundBeadView(
                bead=bead_view(tx, issue), agent=None if agent is None else agent_view(tx, agent)
            )
        )
    return SlingBatchView(convoy=convoy_view(tx, get_bead(tx, convoy_id)), beads=tuple(bound))


def _total_view(tx: TownTransaction, convoy_id: BeadId) -> FactsView:
    return FactsView(facts={"total_beads": count_tracked(tx, convoy_id)[0]})


def _note_change(tx: TownTransaction, caller: Caller, convoy: Bead, fields: str) -> None:
    record_audit(
        tx,
        EventType.FIELDS_UPDATED,
        bead=convoy,
        agent_id=caller.agent_id,
        metadata={"fields": fields.split(", ")},
    )
