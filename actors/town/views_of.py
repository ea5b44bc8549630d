"""How a town's rows look from outside: the shapes of views.py, built from the tables."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.branches import convoy_row_of
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Employment,
    Rig,
    Session,
    SessionState,
    Town,
)
from boomtown.actors.town.store_agents import find_agent
from boomtown.actors.town.store_audit import AuditEvent
from boomtown.actors.town.store_beads import find_bead, list_blockers, list_tracked
from boomtown.actors.town.store_satellites import (
    find_review,
    get_convoy,
    get_escalation,
    get_mail,
)
from boomtown.actors.town.store_sessions import find_live_session
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import (
    AgentView,
    BeadView,
    ConvoyBeadView,
    ConvoyDetailView,
    ConvoyView,
    EdgeView,
    EscalationView,
    EventView,
    MailView,
    RigView,
    SessionView,
    TownView,
)
from boomtown.ids import BeadId

WORKING_STATES = frozenset({SessionState.STARTING, SessionState.RUNNING})


def bead_view(tx: TownTransaction, bead: Bead) -> BeadView:
    reason = None
    if bead.failure_code is not None:
        reason = {"code": bead.failure_code, "message": bead.failure_message or ""}
    return BeadView(
        bead_id=bead.bead_id,
        type=bead.type,
        status=bead.status,
        title=bead.title,
        body=bead.body,
        rig_id=bead.rig_id,
        parent_bead_id=bead.parent_bead_id,
        assignee_agent_bead_id=bead.assignee_agent_id,
        priority=bead.priority,
        labels=bead.labels,
        metadata={**bead.metadata, **_town_metadata(tx, bead)},
        created_by=bead.created_by,
        created_at=bead.created_at_ms,
        updated_at=bead.updated_at_ms,
        closed_at=bead.closed_at_ms,
        dispatch_attempts=bead.dispatch_attempts,
        failure_reason=reason,
    )


def agent_view(tx: TownTransaction, agent: Agent) -> AgentView:
    """The agent and its present session; its hook is that session's bead."""
    session = find_live_session(tx, agent.agent_id)
    hooked = None if session is None else find_bead(tx, session.bead_id)
    boss = None if agent.boss_id is None else find_agent(tx, agent.boss_id)
    return AgentView(
        id=agent.agent_id,
        rig_id=agent.rig_id,
        role=agent.role,
        name=agent.name,
        identity=agent.identity,
        status=wire_status(agent, session),
        current_hook_bead_id=None if session is None else session.bead_id,
        dispatch_attempts=0 if hooked is None else hooked.dispatch_attempts,
        last_activity_at=agent.last_activity_at_ms,
        checkpoint=agent.checkpoint,
        created_at=agent.created_at_ms,
        boss_id=agent.boss_id,
        boss_name=None if boss is None else boss.name,
        boss_stale=boss is not None and boss.employment != Employment.HIRED,
        employment=agent.employment,
        process="none" if session is None else session.state,
        session_id=None if session is None else session.session_id,
        status_message=agent.status_message,
        pid=None if session is None else session.pid,
        template=agent.template,
        config=agent.config,
        offboarded_at=agent.offboarded_at_ms,
        offboarded_by=agent.offboarded_by,
        offboard_reason=agent.offboard_reason,
    )


def wire_status(agent: Agent, session: Session | None) -> str:
    """The one word of old clients, in the order of decisions 29."""
    if agent.employment == Employment.OFFBOARDED:
        return "dead"
    if agent.stalled_at_ms is not None:
        return "stalled"
    if session is not None and session.state in WORKING_STATES:
        return "waiting" if agent.waiting_since_ms is not None else "working"
    return "waiting" if agent.waiting_since_ms is not None else "idle"


def mail_view(tx: TownTransaction, bead: Bead) -> MailView:
    mail = get_mail(tx, bead.bead_id)
    return MailView(
        id=bead.bead_id,
        from_agent_id=mail.from_agent_id,
        to_agent_id=mail.to_agent_id,
        subject=bead.title,
        body=bead.body or "",
        delivered=mail.delivered_at_ms is not None,
        created_at=bead.created_at_ms,
        delivered_at=mail.delivered_at_ms,
    )


def town_view(town: Town) -> TownView:
    return TownView(
        id=town.town_id,
        name=town.name,
        owner_user_id=town.owner_user_id,
        created_at=town.created_at_ms,
        updated_at=town.updated_at_ms,
        paused=town.is_paused,
    )


def rig_view(tx: TownTransaction, rig: Rig) -> RigView:
    return RigView(
        id=rig.rig_id,
        town_id=get_town(tx).town_id,
        name=rig.name,
        git_url=rig.git_url,
        default_branch=rig.default_branch,
        created_at=rig.created_at_ms,
        updated_at=rig.updated_at_ms,
        paused=rig.is_paused,
        config=rig.config,
    )


def convoy_view(tx: TownTransaction, bead: Bead) -> ConvoyView:
    """The counts are the stored ones, which equal the recount (row 77)."""
    convoy = get_convoy(tx, bead.bead_id)
    failed = [issue for issue in list_tracked(tx, bead.bead_id) if _is_failed_issue(issue)]
    return ConvoyView(
        id=bead.bead_id,
        title=bead.title,
        status=_CONVOY_STATUS.get(bead.status, "active"),
        staged=convoy.is_staged,
        total_beads=convoy.total_beads,
        closed_beads=convoy.closed_beads,
        created_by=bead.created_by,
        created_at=bead.created_at_ms,
        landed_at=convoy.landed_at_ms,
        feature_branch=convoy.feature_branch,
        merge_mode=convoy.merge_mode,
        blocked_by=tuple(
            {"id": issue.bead_id, "title": issue.title, "why": _why_failed(issue)}
            for issue in failed
            if bead.status == BeadStatus.OPEN
        ),
    )


def convoy_detail_view(tx: TownTransaction, bead: Bead) -> ConvoyDetailView:
    beads: list[ConvoyBeadView] = []
    edges: list[EdgeView] = []
    issues = [issue for issue in list_tracked(tx, bead.bead_id) if issue.type == BeadType.ISSUE]
    members = {issue.bead_id for issue in issues}
    for issue in issues:
        assignee_id = issue.assignee_agent_id
        assignee = None if assignee_id is None else find_agent(tx, assignee_id)
        beads.append(
            ConvoyBeadView(
                bead_id=issue.bead_id,
                title=issue.title,
                status=issue.status,
                rig_id=issue.rig_id,
                assignee_agent_name=None if assignee is None else assignee.name,
            )
        )
        for blocker in list_blockers(tx, issue.bead_id):
            if blocker.bead_id in members:
                edges.append(EdgeView(bead_id=issue.bead_id, depends_on_bead_id=blocker.bead_id))
    return ConvoyDetailView(
        convoy=convoy_view(tx, bead), beads=tuple(beads), dependency_edges=tuple(edges)
    )


def escalation_view(tx: TownTransaction, bead: Bead) -> EscalationView:
    escalation = get_escalation(tx, bead.bead_id)
    return EscalationView(
        id=bead.bead_id,
        bead_id=bead.bead_id,
        rig_id=bead.rig_id,
        severity=escalation.severity,
        category=escalation.category,
        message=bead.title,
        body=bead.body,
        metadata=bead.metadata,
        status=bead.status,
        acknowledged=escalation.is_acknowledged,
        acknowledged_at=escalation.acknowledged_at_ms,
        created_at=bead.created_at_ms,
    )


def session_view(session: Session) -> SessionView:
    return SessionView(
        id=session.session_id,
        agent_id=session.agent_id,
        bead_id=session.bead_id,
        rig_id=session.rig_id,
        state=session.state,
        generation=session.generation,
        harness=session.harness,
        branch=session.branch,
        worktree=session.worktree,
        started_at=session.started_at_ms,
        ended_at=session.ended_at_ms,
        end_reason=session.end_reason,
        missing=missing_of(session),
        kind=session.kind,
        verdict=session.verdict,
        pid=session.pid,
        claimed_at=session.claimed_at_ms,
        instance_id=session.instance_id,
        restored_from=session.restored_from,
        ended_by=session.ended_by,
        kept_worktree=session.kept_worktree,
        freed=session.state == SessionState.ENDED and session.kept_worktree is None,
    )


def missing_of(session: Session) -> tuple[str, ...]:
    """What a living session lacks to be killed in full, or an ended one to be restored."""
    has_handle = session.instance_id is not None or session.pid is not None
    has = {
        "handle": has_handle,
        "worktree": session.worktree is not None,
        "branch": bool(session.branch),
    }
    return tuple(name for name, is_there in has.items() if not is_there)


def event_view(event: AuditEvent) -> EventView:
    return EventView(
        seq=event.seq,
        bead_event_id=event.bead_event_id,
        bead_id=event.bead_id,
        rig_id=event.rig_id,
        agent_id=event.agent_id,
        session_id=event.session_id,
        event_type=event.event_type,
        old_value=event.old_value,
        new_value=event.new_value,
        metadata=event.metadata,
        created_at=event.created_at_ms,
    )


_CONVOY_STATUS = {BeadStatus.CLOSED: "landed", BeadStatus.FAILED: "failed"}


def _is_failed_issue(bead: Bead) -> bool:
    return bead.type == BeadType.ISSUE and bead.status == BeadStatus.FAILED


def _why_failed(bead: Bead) -> str:
    return bead.failure_message or bead.failure_code or ""


def _town_metadata(tx: TownTransaction, bead: Bead) -> dict[str, Any]:
    """The keys that clients of the reference read (town.md 2.10); they win over a user's."""
    match bead.kind:
        case BeadKind.WORK:
            return _task_metadata(tx, bead)
        case BeadKind.REWORK:
            return _rework_metadata(tx, bead)
        case BeadKind.REVIEW | BeadKind.LANDING | BeadKind.PATROL:
            return _review_metadata(tx, bead)
        case BeadKind.RECORD:
            return _convoy_metadata(tx, bead) if bead.type == BeadType.CONVOY else {}


def _task_metadata(tx: TownTransaction, bead: Bead) -> dict[str, Any]:
    convoy = convoy_row_of(tx, bead.bead_id)
    if convoy is None:
        return {}
    return {"convoy_id": convoy.bead_id, "feature_branch": convoy.feature_branch}


def _rework_metadata(tx: TownTransaction, bead: Bead) -> dict[str, Any]:
    review = None if bead.subject is None else find_bead(tx, bead.subject)
    row = None if review is None else find_review(tx, review.bead_id)
    if review is None or row is None:
        return {}
    return {
        "rework_for": review.subject,
        "mr_bead_id": review.bead_id,
        "branch": row.branch,
        "target_branch": row.target_branch,
    }


def _review_metadata(tx: TownTransaction, bead: Bead) -> dict[str, Any]:
    row = find_review(tx, bead.bead_id)
    if row is None:
        return {}
    facts: dict[str, Any] = {
        "source_bead_id": bead.subject,
        "source_agent_id": row.source_agent_id,
        "branch": row.branch,
        "target_branch": row.target_branch,
        "pr_url": row.pr_url,
        "merge_commit": row.merge_commit,
    }
    source_id = BeadId(bead.subject or "")
    is_landing = bead.kind == BeadKind.LANDING
    convoy = get_convoy(tx, source_id) if is_landing else convoy_row_of(tx, source_id)
    if convoy is not None:
        facts["convoy_id"] = convoy.bead_id
        facts["convoy_feature_branch"] = convoy.feature_branch
    return {key: value for key, value in facts.items() if value is not None}


def _convoy_metadata(tx: TownTransaction, bead: Bead) -> dict[str, Any]:
    convoy = get_convoy(tx, bead.bead_id)
    facts: dict[str, Any] = {
        "feature_branch": convoy.feature_branch,
        "ready_to_land": convoy.is_ready_to_land,
        "landing_mr_attempts": convoy.landing_attempts,
        "last_landing_mr_attempt_at": convoy.last_landing_at_ms,
    }
    if bead.status in FINAL_STATUSES and convoy.failure_message is not None:
        facts["failureMessage"] = convoy.failure_message
    return {key: value for key, value in facts.items() if value is not None}
