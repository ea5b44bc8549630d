"""The constructors of beads: one per kind, each with its satellite, its edges and its audit row.

A bead without its satellite cannot come to be (row 81), and every creation is in the audit.
Nothing here looks at sessions or statuses of other beads.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.model import (
    SYSTEM_ACTOR,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Convoy,
    Dependency,
    DependencyType,
    Escalation,
    EventType,
    MergeMode,
    Priority,
    Review,
)
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import insert_bead, insert_dependency, next_bead_id
from boomtown.actors.town.store_satellites import (
    Mail,
    find_live_escalation,
    insert_convoy,
    insert_escalation,
    insert_mail,
    insert_review,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, BeadId, RigId


def create_bead(
    tx: TownTransaction,
    *,
    bead_type: BeadType,
    kind: BeadKind,
    title: str,
    created_by: str | None,
    rig_id: RigId | None,
    body: str | None = None,
    subject: BeadId | None = None,
    parent_bead_id: BeadId | None = None,
    assignee_agent_id: AgentId | None = None,
    priority: Priority = Priority.MEDIUM,
    labels: tuple[str, ...] = (),
    metadata: dict[str, Any] | None = None,
) -> Bead:
    """A new open bead and its `created` row."""
    bead = Bead(
        bead_id=next_bead_id(tx),
        type=bead_type,
        kind=kind,
        subject=subject,
        status=BeadStatus.OPEN,
        title=title,
        body=body,
        rig_id=rig_id,
        parent_bead_id=parent_bead_id,
        assignee_agent_id=assignee_agent_id,
        priority=priority,
        labels=labels,
        metadata=metadata or {},
        dispatch_attempts=0,
        not_before_ms=None,
        created_by=created_by,
        created_at_ms=tx.now_ms,
        updated_at_ms=tx.now_ms,
        closed_at_ms=None,
        failure_code=None,
        failure_message=None,
    )
    insert_bead(tx, bead)
    record_audit(tx, EventType.CREATED, bead=bead, new_value=bead.type)
    return bead


def create_review(
    tx: TownTransaction,
    *,
    source: Bead,
    rig_id: RigId | None,
    branch: str,
    target_branch: str,
    agent_id: AgentId | None,
    pr_url: str | None,
    body: str | None = None,
) -> Bead:
    """A merge_request about `source`, which it tracks: a landing when the source is a convoy.
    The audit names the branch. Older live reviews are the caller's business."""
    is_landing = source.type == BeadType.CONVOY
    bead = create_bead(
        tx,
        bead_type=BeadType.MERGE_REQUEST,
        kind=BeadKind.LANDING if is_landing else BeadKind.REVIEW,
        title=f"{'Land' if is_landing else 'Review'}: {source.title}",
        body=body,
        created_by=agent_id or SYSTEM_ACTOR,
        rig_id=rig_id,
        subject=source.bead_id,
        priority=source.priority,
        labels=("gt:merge-request",),
    )
    insert_review(
        tx,
        Review(
            bead_id=bead.bead_id,
            branch=branch,
            target_branch=target_branch,
            source_agent_id=agent_id,
            pr_url=pr_url,
            merge_commit=None,
            is_approved=False,
        ),
    )
    track(tx, bead.bead_id, source.bead_id)
    record_audit(
        tx,
        EventType.REVIEW_SUBMITTED,
        bead=source,
        rig_id=rig_id,
        agent_id=agent_id,
        new_value=branch,
        metadata={"review_bead_id": bead.bead_id, "branch": branch, "target_branch": target_branch},
    )
    return bead


def create_convoy(
    tx: TownTransaction,
    *,
    rig_id: RigId,
    title: str,
    created_by: str | None,
    merge_mode: MergeMode,
    is_staged: bool,
    metadata: dict[str, Any],
) -> Bead:
    """A convoy without beads and without a branch; the convoy commands give it both in the same
    transaction."""
    bead = create_bead(
        tx,
        bead_type=BeadType.CONVOY,
        kind=BeadKind.RECORD,
        title=title,
        created_by=created_by,
        rig_id=None,
        labels=("gt:convoy",),
        metadata=metadata,
    )
    insert_convoy(
        tx,
        Convoy(
            bead_id=bead.bead_id,
            rig_id=rig_id,
            merge_mode=merge_mode,
            feature_branch=None,
            is_staged=is_staged,
            is_ready_to_land=False,
            total_beads=0,
            closed_beads=0,
            landed_at_ms=None,
            landing_attempts=0,
            last_landing_at_ms=None,
            failure_message=None,
        ),
    )
    return bead


def create_escalation(
    tx: TownTransaction,
    *,
    rig_id: RigId | None,
    title: str,
    body: str | None,
    severity: Priority,
    category: str | None,
    key: str | None,
    metadata: dict[str, Any],
    created_by: str = SYSTEM_ACTOR,
    about: Bead | None = None,
) -> Bead | None:
    """An escalation, or None while a live one of its key exists. `about` gets the audit row."""
    if key is not None and find_live_escalation(tx, key) is not None:
        return None
    bead = create_bead(
        tx,
        bead_type=BeadType.ESCALATION,
        kind=BeadKind.RECORD,
        title=title,
        body=body,
        created_by=created_by,
        rig_id=rig_id,
        subject=None if about is None else about.bead_id,
        priority=severity,
        labels=("gt:escalation", f"severity:{severity.value}"),
        metadata=metadata,
    )
    insert_escalation(
        tx,
        Escalation(
            bead_id=bead.bead_id,
            severity=severity,
            category=category,
            key=key,
            is_acknowledged=False,
            acknowledged_at_ms=None,
        ),
    )
    record_audit(
        tx,
        EventType.ESCALATED,
        bead=about or bead,
        rig_id=rig_id,
        new_value=severity,
        metadata={"escalation_bead_id": bead.bead_id},
    )
    return bead


def create_mail(
    tx: TownTransaction,
    *,
    rig_id: RigId | None,
    from_agent_id: AgentId | None,
    to_agent_id: AgentId,
    subject: str,
    body: str,
) -> Bead:
    """A message bead, open until it is delivered."""
    bead = create_bead(
        tx,
        bead_type=BeadType.MESSAGE,
        kind=BeadKind.RECORD,
        title=subject,
        body=body,
        created_by=from_agent_id,
        rig_id=rig_id,
        assignee_agent_id=to_agent_id,
        labels=("gt:message",),
    )
    insert_mail(
        tx,
        Mail(
            bead_id=bead.bead_id,
            from_agent_id=from_agent_id,
            to_agent_id=to_agent_id,
            delivered_at_ms=None,
        ),
    )
    record_audit(tx, EventType.MAIL_SENT, bead=bead, agent_id=from_agent_id, new_value=to_agent_id)
    return bead


def track(tx: TownTransaction, bead_id: BeadId, target: BeadId) -> None:
    """`bead_id` tracks `target`; recounting a convoy is the caller's."""
    _relate(tx, bead_id, target, DependencyType.TRACKS)


def block(tx: TownTransaction, bead_id: BeadId, blocker: BeadId) -> None:
    """`bead_id` waits for `blocker`; looking for cycles is the caller's."""
    _relate(tx, bead_id, blocker, DependencyType.BLOCKS)


def _relate(tx: TownTransaction, bead_id: BeadId, target: BeadId, edge: DependencyType) -> None:
    insert_dependency(tx, Dependency(bead_id=bead_id, depends_on_bead_id=target, type=edge))
