"""Which beads get an agent, and which never will.

Each rig is planned by itself, so that one rig never waits for another (row 24). Agents are bound
lazily: a bead is claimed when it is its turn and a place is free, never earlier (row 29). Any
open, unblocked bead is work, whoever had it before (rows 10 and 20); `is_dispatchable` is the one
predicate that says so (row 7). The place limit counts agents with a live work session in the rig,
stopping ones included: their bodies still run (row 95).
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.actions import (
    Action,
    ClaimWork,
    EscalateHeld,
    FailBead,
    ReleaseBead,
)
from boomtown.actors.town.blockers import open_blockers, unraised_holds
from boomtown.actors.town.container_ends import claimable_at_ms
from boomtown.actors.town.model import (
    LABEL_HELD,
    LABEL_TRIAGE_REQUEST,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    Priority,
    Rig,
    effective,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import AgentId, RigId
from boomtown.limits import TownLimits

CODE_ATTEMPTS = "max_dispatch_attempts"
CODE_NO_RIG = "no_rig"

_RANK = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.MEDIUM: 2, Priority.LOW: 3}
_DISPATCHED_KINDS = (BeadKind.WORK, BeadKind.REWORK)


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> tuple[Action, ...]:
    """Repairs and failures in the order of creation, then claims, rig by rig."""
    actions: list[Action] = []
    for bead in snapshot.beads.values():
        actions.extend(_plan_bead(snapshot, bead))
    for rig in snapshot.rigs.values():
        actions.extend(_plan_claims(snapshot, rig, now_ms=now_ms, limits=limits))
    return tuple(actions)


def is_dispatchable(snapshot: Snapshot, bead: Bead) -> bool:
    """Whether the bead waits for nothing but time, attempts, a place and the town's own pause."""
    return (
        _is_waiting(snapshot, bead)
        and not _is_out_of_attempts(snapshot, bead)
        and not open_blockers(snapshot, bead.bead_id)
    )


def _is_waiting(snapshot: Snapshot, bead: Bead) -> bool:
    """Open work of an existing rig that nobody has and nobody holds back by hand."""
    is_open = (
        bead.status == BeadStatus.OPEN
        and bead.kind in _DISPATCHED_KINDS
        and bead.rig_id in snapshot.rigs
        and bead.bead_id not in snapshot.session_of_bead
        and LABEL_HELD not in bead.labels
        and LABEL_TRIAGE_REQUEST not in bead.labels
    )
    return is_open and not _is_staged(snapshot, bead)


def _is_staged(snapshot: Snapshot, bead: Bead) -> bool:
    convoy_id = snapshot.convoy_of.get(bead.bead_id)
    convoy = None if convoy_id is None else snapshot.convoys.get(convoy_id)
    return convoy is not None and convoy.is_staged


def _is_out_of_attempts(snapshot: Snapshot, bead: Bead) -> bool:
    assert bead.rig_id is not None
    # As `effective` has it, without making a whole configuration for each bead.
    of_rig = snapshot.rigs[bead.rig_id].config.max_dispatch_attempts
    return bead.dispatch_attempts >= (of_rig or snapshot.town.config.max_dispatch_attempts)


def _plan_bead(snapshot: Snapshot, bead: Bead) -> Iterator[Action]:
    if bead.kind not in _DISPATCHED_KINDS or bead.bead_id in snapshot.session_of_bead:
        return
    if bead.status == BeadStatus.IN_PROGRESS:
        yield ReleaseBead(bead_id=bead.bead_id)
    elif bead.status == BeadStatus.OPEN:
        yield from _plan_open_bead(snapshot, bead)


def _plan_open_bead(snapshot: Snapshot, bead: Bead) -> Iterator[Action]:
    if bead.rig_id is not None and bead.rig_id not in snapshot.rigs:
        yield _fail(bead, CODE_NO_RIG, "Its rig was deleted")
    elif not _is_waiting(snapshot, bead):
        return
    elif _is_out_of_attempts(snapshot, bead):
        yield _fail(
            bead, CODE_ATTEMPTS, f"Gave up after {bead.dispatch_attempts} dispatch attempts"
        )
    else:
        for blocker_id in unraised_holds(snapshot, bead.bead_id):
            yield EscalateHeld(bead_id=bead.bead_id, blocker_id=blocker_id)


def _plan_claims(
    snapshot: Snapshot, rig: Rig, *, now_ms: int, limits: TownLimits
) -> Iterator[ClaimWork]:
    if snapshot.town.is_paused or snapshot.town.is_draining or rig.is_paused:
        return
    config = effective(snapshot.town.config, rig.config)
    places = min(config.max_polecats_per_rig, limits.polecats_per_rig_max)
    places -= _count_busy(snapshot, rig.rig_id)
    if places <= 0:  # as usual in a large town: no need to look at its beads
        return
    free = _free_polecats(snapshot, rig.rig_id)
    due = (
        bead
        for bead in snapshot.beads.values()
        if bead.rig_id == rig.rig_id
        and is_dispatchable(snapshot, bead)
        and claimable_at_ms(snapshot, bead, limits=limits) <= now_ms
    )
    for bead in sorted(due, key=_order)[:places]:
        agent_id = _pick(free, bead.assignee_agent_id)
        if agent_id is not None:
            del free[agent_id]
        yield ClaimWork(bead_id=bead.bead_id, rig_id=rig.rig_id, agent_id=agent_id)


def _order(bead: Bead) -> tuple[int, int, str]:
    """The most urgent first, then the oldest; ids break ties, since they sort by creation."""
    return (_RANK[bead.priority], bead.created_at_ms, bead.bead_id)


def _count_busy(snapshot: Snapshot, rig_id: RigId) -> int:
    return sum(
        session.rig_id == rig_id and session.kind == SessionKind.WORK
        for session in snapshot.sessions.values()
    )


def _free_polecats(snapshot: Snapshot, rig_id: RigId) -> dict[AgentId, Agent]:
    """Oldest first."""
    free = (
        agent
        for agent in snapshot.agents.values()
        if agent.rig_id == rig_id
        and agent.role == AgentRole.POLECAT
        and agent.employment == Employment.HIRED
        and agent.stalled_at_ms is None
        and agent.agent_id not in snapshot.session_of_agent
    )
    ordered = sorted(free, key=lambda agent: (agent.created_at_ms, agent.agent_id))
    return {agent.agent_id: agent for agent in ordered}


def _pick(free: dict[AgentId, Agent], preferred: AgentId | None) -> AgentId | None:
    """The preferred agent when it is free, else the oldest free one; None: make a new one."""
    if preferred is not None and preferred in free:
        return preferred
    return next(iter(free), None)


def _fail(bead: Bead, code: str, message: str) -> FailBead:
    return FailBead(bead_id=bead.bead_id, expected_status=bead.status, code=code, message=message)
