"""Snapshots by hand: factories with sensible rest, and the indexes built as the store builds them.

Ids are short words here ("b1", "r1"): planners look at nothing inside an id. Things are ordered by
(created_at_ms, id) as the store orders them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from boomtown.actors.town.model import (
    FINAL_STATUSES,
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    BeadType,
    Breaker,
    Convoy,
    Dependency,
    DependencyType,
    Effect,
    EffectKind,
    EffectState,
    Employment,
    Escalation,
    MergeMode,
    Priority,
    Review,
    Rig,
    RigConfig,
    Session,
    SessionPhase,
    SessionState,
    Town,
    TownConfig,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from boomtown.ids import AgentId, BeadId, InstanceId, RigId, SessionId, TownId

NOW = 1_000_000_000  # an instant that everything made here lies before
EARLIER = NOW - 1_000_000

_TYPE_OF_KIND = {
    BeadKind.WORK: BeadType.ISSUE,
    BeadKind.REWORK: BeadType.ISSUE,
    BeadKind.REVIEW: BeadType.MERGE_REQUEST,
    BeadKind.LANDING: BeadType.MERGE_REQUEST,
    BeadKind.RECORD: BeadType.CONVOY,
}


def make_town(
    *,
    config: TownConfig | None = None,
    is_paused: bool = False,
    is_draining: bool = False,
    drain_started_at_ms: int | None = None,
) -> Town:
    return Town(
        town_id=TownId("town-00000001"),
        name="Dodge",
        owner_user_id="local",
        config=config or TownConfig(),
        is_paused=is_paused,
        is_draining=is_draining,
        drain_started_at_ms=drain_started_at_ms,
        created_at_ms=EARLIER,
        updated_at_ms=EARLIER,
    )


def make_rig(
    rig_id: str = "rig",
    *,
    config: RigConfig | None = None,
    is_paused: bool = False,
    created_at_ms: int = EARLIER,
) -> Rig:
    return Rig(
        rig_id=RigId(rig_id),
        name=rig_id,
        git_url=f"https://git.example/{rig_id}.git",
        default_branch="main",
        config=config or RigConfig(),
        is_paused=is_paused,
        created_at_ms=created_at_ms,
        updated_at_ms=created_at_ms,
    )


def make_bead(
    bead_id: str,
    status: BeadStatus = BeadStatus.OPEN,
    *,
    kind: BeadKind = BeadKind.WORK,
    subject: str | None = None,
    rig_id: str | None = "rig",
    assignee: str | None = None,
    priority: Priority = Priority.MEDIUM,
    labels: tuple[str, ...] = (),
    attempts: int = 0,
    not_before_ms: int | None = None,
    created_at_ms: int = EARLIER,
) -> Bead:
    return Bead(
        bead_id=BeadId(bead_id),
        type=_TYPE_OF_KIND[kind],
        kind=kind,
        subject=None if subject is None else BeadId(subject),
        status=status,
        title=f"Bead {bead_id}",
        body=None,
        rig_id=None if rig_id is None else RigId(rig_id),
        parent_bead_id=None,
        assignee_agent_id=None if assignee is None else AgentId(assignee),
        priority=priority,
        labels=labels,
        metadata={},
        dispatch_attempts=attempts,
        not_before_ms=not_before_ms,
        created_by=None,
        created_at_ms=created_at_ms,
        updated_at_ms=created_at_ms,
        closed_at_ms=created_at_ms if status == BeadStatus.CLOSED else None,
        failure_code=None,
        failure_message=None,
    )


def make_review(bead_id: str, *, pr_url: str | None = None, is_approved: bool = False) -> Review:
    return Review(
        bead_id=BeadId(bead_id),
        branch=f"gt/agent/{bead_id}",
        target_branch="main",
        source_agent_id=None,
        pr_url=pr_url,
        merge_commit=None,
        is_approved=is_approved,
    )


def make_convoy(
    bead_id: str,
    *,
    rig_id: str = "rig",
    merge_mode: MergeMode = MergeMode.REVIEW_THEN_LAND,
    feature_branch: str | None = "convoy/c/1/head",
    is_staged: bool = False,
    is_ready_to_land: bool = False,
    total: int = 0,
    closed: int = 0,
    landed_at_ms: int | None = None,
    landing_attempts: int = 0,
    last_landing_at_ms: int | None = None,
) -> Convoy:
    return Convoy(
        bead_id=BeadId(bead_id),
        rig_id=RigId(rig_id),
        merge_mode=merge_mode,
        feature_branch=feature_branch,
        is_staged=is_staged,
        is_ready_to_land=is_ready_to_land,
        total_beads=total,
        closed_beads=closed,
        landed_at_ms=landed_at_ms,
        landing_attempts=landing_attempts,
        last_landing_at_ms=last_landing_at_ms,
        failure_message=None,
    )


def make_agent(
    agent_id: str,
    role: AgentRole = AgentRole.POLECAT,
    *,
    rig_id: str = "rig",
    employment: Employment = Employment.HIRED,
    stalled_at_ms: int | None = None,
    waiting_since_ms: int | None = None,
    created_at_ms: int = EARLIER,
) -> Agent:
    return Agent(
        agent_id=AgentId(agent_id),
        rig_id=RigId(rig_id),
        role=role,
        name=agent_id,
        identity=agent_id,
        employment=employment,
        boss_id=None,
        checkpoint=None,
        status_message=None,
        status_message_at_ms=None,
        last_activity_at_ms=None,
        stalled_at_ms=stalled_at_ms,
        waiting_since_ms=waiting_since_ms,
        created_at_ms=created_at_ms,
        offboarded_at_ms=None,
        offboard_reason=None,
    )


def make_session(
    session_id: str,
    state: SessionState = SessionState.RUNNING,
    *,
    agent_id: str = "a1",
    bead_id: str = "b1",
    rig_id: str = "rig",
    kind: SessionKind = SessionKind.WORK,
    subject: str | None = None,
    harness: str = "scripted",
    instance_id: str | None = None,
    verdict: Verdict | None = None,
    claimed_at_ms: int = EARLIER,
    start_sent_at_ms: int | None = None,
    started_at_ms: int | None = None,
    last_heartbeat_at_ms: int | None = None,
    lease_until_ms: int | None = None,
    done_grace_until_ms: int | None = None,
    stop_sent_at_ms: int | None = None,
    probed_at_ms: int | None = None,
) -> Session:
    return Session(
        session_id=SessionId(session_id),
        agent_id=AgentId(agent_id),
        bead_id=BeadId(bead_id),
        rig_id=RigId(rig_id),
        kind=kind,
        subject=None if subject is None else BeadId(subject),
        state=state,
        phase=SessionPhase.SEED if state == SessionState.CLAIMED else SessionPhase.BODIED,
        generation=1,
        harness=harness,
        branch="gt/agent/1",
        target_branch="main",
        merge_only=False,
        worktree=None,
        instance_id=None if instance_id is None else InstanceId(instance_id),
        pid=None,
        verdict=verdict,
        claimed_at_ms=claimed_at_ms,
        start_sent_at_ms=start_sent_at_ms,
        started_at_ms=started_at_ms,
        last_heartbeat_at_ms=last_heartbeat_at_ms,
        lease_until_ms=lease_until_ms,
        done_grace_until_ms=done_grace_until_ms,
        stop_sent_at_ms=stop_sent_at_ms,
        probe_misses=0,
        probed_at_ms=probed_at_ms,
        ended_at_ms=None,
        end_reason=None,
        restored_from=None,
    )


def make_effect(
    kind: EffectKind,
    session_id: str,
    *,
    state: EffectState = EffectState.PENDING,
    due_at_ms: int = EARLIER,
) -> Effect:
    return Effect(
        effect_id=f"{kind.value}-{session_id}",
        kind=kind,
        key=f"{kind.value}:{session_id}",
        session_id=SessionId(session_id),
        state=state,
        attempts=0,
        due_at_ms=due_at_ms,
        created_at_ms=EARLIER,
    )


def blocks(bead_id: str, blocker_id: str) -> Dependency:
    """`bead_id` waits for `blocker_id`."""
    return _edge(bead_id, blocker_id, DependencyType.BLOCKS)


def tracks(bead_id: str, target_id: str) -> Dependency:
    return _edge(bead_id, target_id, DependencyType.TRACKS)


def _edge(bead_id: str, target_id: str, dependency_type: DependencyType) -> Dependency:
    return Dependency(
        bead_id=BeadId(bead_id), depends_on_bead_id=BeadId(target_id), type=dependency_type
    )


def make_snapshot(
    *,
    town: Town | None = None,
    rigs: Iterable[Rig] | None = None,
    beads: Iterable[Bead] = (),
    reviews: Iterable[Review] = (),
    convoys: Iterable[Convoy] = (),
    agents: Iterable[Agent] = (),
    sessions: Iterable[Session] = (),
    edges: Iterable[Dependency] = (),
    effects: Iterable[Effect] = (),
    escalations: Iterable[str] = (),
    closed_escalations: Iterable[str] = (),
    inbox_oldest_at_ms: int | None = None,
    inbox_depth: int = 0,
    breaker: Breaker | None = None,
    container_ends: Mapping[BeadId, tuple[int, ...]] | None = None,
) -> Snapshot:
    """One rig called "rig" unless given. A review or landing tracks its subject by itself, and
    gets its satellite when none is given."""
    ordered = sorted(beads, key=lambda bead: (bead.created_at_ms, bead.bead_id))
    by_id = {bead.bead_id: bead for bead in ordered}
    about = [b for b in ordered if b.kind in (BeadKind.REVIEW, BeadKind.LANDING) and b.subject]
    of_issues = {b.bead_id for b in ordered if b.type == BeadType.ISSUE}
    given = {review.bead_id: review for review in reviews}
    all_edges = (*edges, *(tracks(b.bead_id, str(b.subject)) for b in about))
    in_convoy = [e for e in all_edges if e.type == DependencyType.TRACKS and e.bead_id in of_issues]
    living = sorted(sessions, key=lambda session: (session.claimed_at_ms, session.session_id))
    return Snapshot(
        town=town or make_town(),
        rigs={rig.rig_id: rig for rig in (rigs if rigs is not None else (make_rig(),))},
        beads=by_id,
        reviews={b.bead_id: given.get(b.bead_id, make_review(b.bead_id)) for b in about} | given,
        convoys={
            convoy.bead_id: convoy
            for convoy in convoys
            if by_id[convoy.bead_id].status not in FINAL_STATUSES
        },
        live_escalations={key: _make_escalation(key) for key in escalations},
        closed_escalation_keys=frozenset(closed_escalations),
        blockers=_grouped(
            (e.bead_id, e.depends_on_bead_id) for e in all_edges if e.type == DependencyType.BLOCKS
        ),
        tracked=_grouped((e.depends_on_bead_id, e.bead_id) for e in in_convoy),
        convoy_of={e.bead_id: e.depends_on_bead_id for e in in_convoy},
        reviews_of=_grouped((b.subject, b.bead_id) for b in about if b.subject is not None),
        agents={agent.agent_id: agent for agent in agents},
        sessions={session.session_id: session for session in living},
        session_of_agent={session.agent_id: session.session_id for session in living},
        session_of_bead={session.bead_id: session.session_id for session in living},
        dependencies=all_edges,
        effects=tuple(effects),
        inbox_oldest_at_ms=inbox_oldest_at_ms,
        inbox_depth=inbox_depth,
        breaker=breaker or Breaker(),
        container_ends=container_ends or {},
    )


def _grouped(pairs: Iterable[tuple[BeadId, BeadId]]) -> dict[BeadId, tuple[BeadId, ...]]:
    grouped: dict[BeadId, tuple[BeadId, ...]] = {}
    for key, value in pairs:
        grouped[key] = (*grouped.get(key, ()), value)
    return grouped


def _make_escalation(key: str) -> Escalation:
    return Escalation(
        bead_id=BeadId(f"escalation-{key}"),
        severity=Priority.HIGH,
        category=None,
        key=key,
        is_acknowledged=False,
        acknowledged_at_ms=None,
    )
