"""A small pure model of applying a plan, for properties of the planners.

It does to a snapshot what the town's transactions do to its tables, with nothing from outside: no
effect is answered, no agent speaks. `touched` says which field of which thing an action writes or
rests on, so that a property can compare the actions of one plan.
"""

from __future__ import annotations

from typing import assert_never

import msgspec
from msgspec.structs import replace

from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    ClaimWork,
    CloseBreaker,
    CloseConvoy,
    CreateLanding,
    EndDrain,
    EndSession,
    EscalateHeld,
    EscalateRestarts,
    FailBead,
    FailConvoy,
    MarkReadyToLand,
    OpenBreaker,
    ReleaseBead,
    SendProbe,
    SendStart,
    SendStop,
    SettleSource,
    UpdateConvoyProgress,
)
from boomtown.actors.town.blockers import held_key
from boomtown.actors.town.model import (
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Breaker,
    Convoy,
    Effect,
    EffectKind,
    Session,
    SessionState,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import AgentId, BeadId, SessionId
from boomtown.limits import TownLimits
from support.town_snapshots import make_agent, make_bead, make_effect, make_session, make_snapshot

Field = tuple[str, str]


class _Tables:
    """The rows of a snapshot, to be changed; `snapshot` builds the indexes again."""

    def __init__(self, before: Snapshot, *, now_ms: int, limits: TownLimits) -> None:
        self.before = before
        self.now_ms = now_ms
        self.limits = limits
        self.beads: dict[BeadId, Bead] = dict(before.beads)
        self.convoys: dict[BeadId, Convoy] = dict(before.convoys)
        self.agents: dict[AgentId, Agent] = dict(before.agents)
        self.sessions: dict[SessionId, Session] = dict(before.sessions)
        self.effects: list[Effect] = list(before.effects)
        self.escalations: list[str] = list(before.live_escalations)
        self.town = before.town
        self.breaker = before.breaker

    def snapshot(self) -> Snapshot:
        return make_snapshot(
            town=self.town,
            rigs=self.before.rigs.values(),
            beads=self.beads.values(),
            reviews=self.before.reviews.values(),
            convoys=self.convoys.values(),
            agents=self.agents.values(),
            sessions=self.sessions.values(),
            edges=[e for e in self.before.dependencies if not self._is_of_review(e.bead_id)],
            effects=self.effects,
            escalations=self.escalations,
            closed_escalations=self.before.closed_escalation_keys,
            breaker=self.breaker,
            container_ends=self.before.container_ends,
        )

    def set_bead(self, bead_id: BeadId, **changes: object) -> None:
        self.beads[bead_id] = msgspec.structs.replace(self.beads[bead_id], **changes)

    def set_session(self, session_id: SessionId, **changes: object) -> None:
        self.sessions[session_id] = msgspec.structs.replace(self.sessions[session_id], **changes)

    def set_convoy(self, convoy_id: BeadId, **changes: object) -> None:
        self.convoys[convoy_id] = msgspec.structs.replace(self.convoys[convoy_id], **changes)

    def reopen(self, bead_id: BeadId, *, counts_attempt: bool) -> None:
        bead = self.beads[bead_id]
        backoff = self.limits.dispatch_backoff_ms[0]
        self.set_bead(
            bead_id,
            status=BeadStatus.OPEN,
            dispatch_attempts=bead.dispatch_attempts + counts_attempt,
            not_before_ms=self.now_ms + backoff if counts_attempt else None,
        )

    def claim(
        self, bead_id: BeadId, agent_id: AgentId | None, *, role: AgentRole, kind: SessionKind
    ) -> None:
        rig_id = self.beads[bead_id].rig_id
        assert rig_id is not None
        if agent_id is None:
            number = sum(agent.rig_id == rig_id for agent in self.agents.values())
            made = make_agent(f"{role.value}-{rig_id}-{number}", role, rig_id=rig_id)
            self.agents[made.agent_id] = made
            agent_id = made.agent_id
        attempt = self.beads[bead_id].dispatch_attempts
        session = make_session(
            f"session-{bead_id}-{attempt}",
            SessionState.CLAIMED,
            agent_id=agent_id,
            bead_id=bead_id,
            rig_id=rig_id,
            kind=kind,
            claimed_at_ms=self.now_ms,
        )
        self.sessions[session.session_id] = session
        self.set_bead(bead_id, assignee_agent_id=agent_id)
        if kind != SessionKind.WORK:
            self.set_bead(bead_id, status=BeadStatus.IN_PROGRESS)

    def want(self, kind: EffectKind, session_id: SessionId) -> None:
        self.effects.append(make_effect(kind, session_id))

    def _is_of_review(self, bead_id: BeadId) -> bool:
        # make_snapshot relates a review to its subject by itself; its blockers are kept.
        bead = self.beads[bead_id]
        is_review = bead.kind in (BeadKind.REVIEW, BeadKind.LANDING)
        return is_review and bead_id not in self.before.blockers


def apply_plan(
    snapshot: Snapshot, plan: tuple[Action, ...], *, now_ms: int, limits: TownLimits
) -> Snapshot:
    """The snapshot after the plan, with nothing from outside."""
    tables = _Tables(snapshot, now_ms=now_ms, limits=limits)
    for action in plan:
        _apply(tables, action)
    return tables.snapshot()


def _apply(tables: _Tables, action: Action) -> None:
    match action:
        case ClaimWork():
            tables.claim(
                action.bead_id, action.agent_id, role=AgentRole.POLECAT, kind=SessionKind.WORK
            )
        case ClaimReview():
            is_landing = tables.beads[action.bead_id].kind == BeadKind.LANDING
            kind = SessionKind.LANDING if is_landing else SessionKind.REVIEW
            tables.claim(action.bead_id, action.agent_id, role=AgentRole.REFINERY, kind=kind)
        case FailBead():
            _fail(tables, action.bead_id)
        case EscalateHeld():
            key = held_key(bead_id=action.bead_id, blocker_id=action.blocker_id)
            tables.escalations.append(key)
        case EscalateRestarts():
            tables.escalations.append(action.key)
        case OpenBreaker():
            tables.breaker = replace(tables.breaker, opened_at_ms=tables.now_ms)
        case CloseBreaker():
            tables.breaker = Breaker(last_start_at_ms=tables.breaker.last_start_at_ms)
        case EndDrain():
            tables.town = replace(tables.town, is_draining=False)
        case ReleaseBead():
            tables.reopen(action.bead_id, counts_attempt=False)
        case SettleSource():
            tables.set_bead(action.bead_id, status=action.after)
        case SendStart() | SendProbe() | SendStop() | EndSession():
            _apply_to_session(tables, action)
        case UpdateConvoyProgress():
            tables.set_convoy(
                action.convoy_id,
                total_beads=action.total_beads,
                closed_beads=action.closed_beads,
            )
        case MarkReadyToLand():
            tables.set_convoy(action.convoy_id, is_ready_to_land=True)
        case CreateLanding():
            _land(tables, action.convoy_id)
        case CloseConvoy():
            tables.set_bead(action.convoy_id, status=BeadStatus.CLOSED)
        case FailConvoy():
            tables.set_bead(action.convoy_id, status=BeadStatus.FAILED)
        case _:
            assert_never(action)


def _apply_to_session(
    tables: _Tables, action: SendStart | SendProbe | SendStop | EndSession
) -> None:
    session = tables.sessions[action.session_id]
    bead = tables.beads.get(session.bead_id)
    match action:
        case SendStart():
            tables.set_session(
                action.session_id, state=SessionState.STARTING, start_sent_at_ms=tables.now_ms
            )
            tables.want(EffectKind.START, action.session_id)
            tables.set_bead(session.bead_id, status=BeadStatus.IN_PROGRESS)
        case SendProbe():
            tables.set_session(action.session_id, probed_at_ms=tables.now_ms)
            tables.want(EffectKind.PROBE, action.session_id)
        case SendStop():
            tables.set_session(action.session_id, stop_sent_at_ms=tables.now_ms)
            tables.want(EffectKind.STOP, action.session_id)
            if action.takes_bead:
                tables.set_session(action.session_id, state=SessionState.ENDING)
                if bead is not None and bead.status == BeadStatus.IN_PROGRESS:
                    tables.reopen(session.bead_id, counts_attempt=False)
        case EndSession():
            del tables.sessions[action.session_id]
            tables.effects = [e for e in tables.effects if e.session_id != action.session_id]
            if bead is not None and bead.status == BeadStatus.IN_PROGRESS:
                tables.reopen(session.bead_id, counts_attempt=action.counts_attempt)
        case _:
            assert_never(action)


def _fail(tables: _Tables, bead_id: BeadId) -> None:
    bead = tables.beads[bead_id]
    tables.set_bead(bead_id, status=BeadStatus.FAILED)
    source = None if bead.subject is None else tables.beads.get(bead.subject)
    if (
        bead.kind == BeadKind.REVIEW
        and source is not None
        and source.status == BeadStatus.IN_REVIEW
    ):
        tables.reopen(source.bead_id, counts_attempt=True)


def _land(tables: _Tables, convoy_id: BeadId) -> None:
    convoy = tables.convoys[convoy_id]
    made = make_bead(
        f"landing-{convoy_id}-{convoy.landing_attempts}",
        kind=BeadKind.LANDING,
        subject=convoy_id,
        rig_id=convoy.rig_id,
        created_at_ms=tables.now_ms,
    )
    tables.beads[made.bead_id] = made
    tables.set_convoy(
        convoy_id,
        landing_attempts=convoy.landing_attempts + 1,
        last_landing_at_ms=tables.now_ms,
    )


def touched(snapshot: Snapshot, action: Action) -> frozenset[Field]:
    """What the action writes or rests on: (id, field)."""
    match action:
        case ClaimWork() | ClaimReview():
            fields: set[Field] = {(action.bead_id, "status"), (action.bead_id, "session")}
            if action.agent_id is not None:
                fields.add((action.agent_id, "session"))
            return frozenset(fields)
        case FailBead() | ReleaseBead() | SettleSource():
            return frozenset(_touched_by_move(snapshot, action))
        case EscalateHeld():
            return frozenset({(f"{action.bead_id}:{action.blocker_id}", "escalation")})
        case EscalateRestarts():
            return frozenset({(action.key, "escalation")})
        case OpenBreaker() | CloseBreaker():
            return frozenset({("town", "breaker")})
        case EndDrain():
            return frozenset({("town", "drain")})
        case SendStart():
            session = snapshot.sessions[action.session_id]
            return frozenset({(action.session_id, "state"), (session.bead_id, "status")})
        case SendProbe():
            return frozenset({(action.session_id, "state")})
        case SendStop() | EndSession():
            session = snapshot.sessions[action.session_id]
            fields = {(action.session_id, "state"), (session.agent_id, "session")}
            bead = snapshot.beads.get(session.bead_id)
            if bead is not None and bead.status == BeadStatus.IN_PROGRESS:
                fields.add((bead.bead_id, "status"))
            return frozenset(fields)
        case UpdateConvoyProgress():
            # The counts rest on each of its beads; a bead that moves is recounted by itself.
            issues = snapshot.tracked.get(action.convoy_id, ())
            return frozenset((action.convoy_id, f"progress by {issue}") for issue in issues)
        case MarkReadyToLand() | CreateLanding() | CloseConvoy() | FailConvoy():
            return frozenset({(action.convoy_id, "landing")})
        case _:
            assert_never(action)


def _touched_by_move(
    snapshot: Snapshot, action: FailBead | ReleaseBead | SettleSource
) -> set[Field]:
    bead = snapshot.beads[action.bead_id]
    fields: set[Field] = {(action.bead_id, "status")}
    moved = [action.bead_id]
    if isinstance(action, FailBead) and bead.subject in snapshot.beads:
        assert bead.subject is not None
        if bead.kind == BeadKind.LANDING:
            fields.add((bead.subject, "landing"))
        elif snapshot.beads[bead.subject].status == BeadStatus.IN_REVIEW:
            fields.add((bead.subject, "status"))
            moved.append(bead.subject)
    if not isinstance(action, ReleaseBead):
        in_convoys = ((snapshot.convoy_of.get(bead_id), bead_id) for bead_id in moved)
        fields |= {(convoy, f"progress by {issue}") for convoy, issue in in_convoys if convoy}
    return fields
