"""Snapshots drawn at random: consistent where the schema's indexes say so, otherwise anything.

Sessions are one per bead and per agent; everything else (statuses, attempts, instants, deleted
rigs, reviews of finished sources) may contradict, because planners must cope with what they find.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from boomtown.actors.town.model import (
    Agent,
    Approval,
    Bead,
    BeadKind,
    BeadStatus,
    Convoy,
    Dependency,
    Effect,
    EffectKind,
    MergeMode,
    OnFailedBead,
    Priority,
    RefineryConfig,
    Session,
    SessionState,
    Town,
    TownConfig,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from support.town_snapshots import (
    NOW,
    blocks,
    make_agent,
    make_bead,
    make_convoy,
    make_effect,
    make_rig,
    make_session,
    make_snapshot,
    make_town,
    tracks,
)

RIGS = ("rig", "rig2")
_RIG_IDS = st.sampled_from((*RIGS, *RIGS, "gone"))
_INSTANTS = st.sampled_from((None, NOW - 900_000, NOW - 200_000, NOW - 60_000, NOW, NOW + 60_000))
_ATTEMPTS = st.sampled_from((0, 0, 1, 4, 5))
_FLAGS = st.sampled_from((False, False, False, True))
_REVIEW_STATUSES = st.sampled_from(
    (BeadStatus.OPEN, BeadStatus.IN_PROGRESS, BeadStatus.CLOSED, BeadStatus.FAILED)
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    return _Drawing(draw).snapshot()


class _Drawing:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def snapshot(self) -> Snapshot:
        work = [self._work(n) for n in range(self._draw(st.integers(1, 5)))]
        convoys = [self._convoy(n) for n in range(self._draw(st.integers(0, 2)))]
        convoy_beads = [
            make_bead(convoy.bead_id, kind=BeadKind.RECORD, rig_id=None) for convoy in convoys
        ]
        subjects = [(bead.bead_id, BeadKind.REVIEW) for bead in work]
        subjects += [(bead.bead_id, BeadKind.LANDING) for bead in convoy_beads]
        reviews = [self._review(n, subjects) for n in range(self._draw(st.integers(0, 3)))]
        reworks = [self._rework(review) for review in reviews if self._draw(_FLAGS)]
        beads = [*work, *convoy_beads, *reviews, *reworks]
        agents = self._agents()
        sessions = self._sessions(agents, [*work, *reviews, *reworks])
        return make_snapshot(
            town=self._town(),
            rigs=[make_rig(rig_id, is_paused=self._draw(_FLAGS)) for rig_id in RIGS],
            beads=beads,
            convoys=convoys,
            agents=agents,
            sessions=sessions,
            edges=[*self._edges(work, convoys), *(_behind(rework) for rework in reworks)],
            effects=[effect for session in sessions for effect in self._effects(session)],
        )

    def _town(self) -> Town:
        config = TownConfig(
            max_polecats_per_rig=self._draw(st.integers(1, 3)),
            on_failed_bead=self._draw(st.sampled_from(OnFailedBead)),
            approval=self._draw(st.sampled_from((Approval.NONE, Approval.NONE, Approval.EVERY))),
            refinery=RefineryConfig(code_review=self._draw(st.booleans())),
        )
        return make_town(
            config=config, is_paused=self._draw(_FLAGS), is_draining=self._draw(_FLAGS)
        )

    def _work(self, number: int) -> Bead:
        return make_bead(
            f"b{number}",
            self._draw(st.sampled_from(BeadStatus)),
            rig_id=self._draw(_RIG_IDS),
            priority=self._draw(st.sampled_from(Priority)),
            labels=("gt:held",) if self._draw(_FLAGS) else (),
            attempts=self._draw(_ATTEMPTS),
            not_before_ms=self._draw(_INSTANTS),
        )

    def _review(self, number: int, subjects: Sequence[tuple[str, BeadKind]]) -> Bead:
        subject, kind = self._draw(st.sampled_from(subjects))
        return make_bead(
            f"m{number}",
            self._draw(_REVIEW_STATUSES),
            kind=kind,
            subject=subject,
            rig_id=self._draw(_RIG_IDS),
            attempts=self._draw(_ATTEMPTS),
            not_before_ms=self._draw(_INSTANTS),
        )

    def _rework(self, review: Bead) -> Bead:
        return make_bead(
            f"w-{review.bead_id}",
            self._draw(_REVIEW_STATUSES),
            kind=BeadKind.REWORK,
            subject=review.bead_id,
            rig_id=review.rig_id,
            attempts=self._draw(_ATTEMPTS),
        )

    def _convoy(self, number: int) -> Convoy:
        return make_convoy(
            f"c{number}",
            rig_id=self._draw(_RIG_IDS),
            merge_mode=self._draw(st.sampled_from(MergeMode)),
            is_staged=self._draw(_FLAGS),
            is_ready_to_land=self._draw(st.booleans()),
            total=self._draw(st.integers(0, 3)),
            closed=self._draw(st.integers(0, 3)),
            landing_attempts=self._draw(_ATTEMPTS),
            last_landing_at_ms=self._draw(_INSTANTS),
        )

    def _agents(self) -> list[Agent]:
        polecats = [
            make_agent(f"a{n}", rig_id=self._draw(st.sampled_from(RIGS)))
            for n in range(self._draw(st.integers(0, 3)))
        ]
        refineries = [
            make_agent(f"refinery-{rig_id}", AgentRole.REFINERY, rig_id=rig_id)
            for rig_id in RIGS
            if self._draw(st.booleans())
        ]
        return [*polecats, *refineries]

    def _sessions(self, agents: list[Agent], beads: list[Bead]) -> list[Session]:
        sessions: list[Session] = []
        free = list(beads)
        for agent in agents:
            is_refinery = agent.role == AgentRole.REFINERY
            kinds = (
                (BeadKind.REVIEW, BeadKind.LANDING)
                if is_refinery
                else (BeadKind.WORK, BeadKind.REWORK)
            )
            fit = [bead for bead in free if bead.kind in kinds and bead.rig_id == agent.rig_id]
            is_bound = self._draw(st.booleans())
            if fit and is_bound:
                bead = self._draw(st.sampled_from(fit))
                free.remove(bead)
                sessions.append(self._session(agent, bead))
        return sessions

    def _session(self, agent: Agent, bead: Bead) -> Session:
        kind = {BeadKind.REVIEW: SessionKind.REVIEW, BeadKind.LANDING: SessionKind.LANDING}
        state = self._draw(st.sampled_from([s for s in SessionState if s != SessionState.ENDED]))
        begun = None if state == SessionState.CLAIMED else NOW - 1_000_000
        return make_session(
            f"s-{agent.agent_id}",
            state,
            agent_id=agent.agent_id,
            bead_id=bead.bead_id,
            rig_id=str(agent.rig_id),
            kind=kind.get(bead.kind, SessionKind.WORK),
            harness="external" if self._draw(_FLAGS) else "scripted",
            instance_id="i1" if self._draw(st.booleans()) else None,
            verdict=Verdict.SUBMITTED if self._draw(_FLAGS) else None,
            start_sent_at_ms=begun,
            last_heartbeat_at_ms=self._draw(_INSTANTS) if begun else None,
            lease_until_ms=self._draw(_INSTANTS) if begun else None,
            done_grace_until_ms=self._draw(_INSTANTS) if state == SessionState.ENDING else None,
            stop_sent_at_ms=self._draw(_INSTANTS) if begun else None,
            probed_at_ms=self._draw(_INSTANTS) if begun else None,
        )

    def _effects(self, session: Session) -> list[Effect]:
        kinds = (EffectKind.START, EffectKind.PROBE, EffectKind.STOP)
        return [make_effect(kind, session.session_id) for kind in kinds if self._draw(_FLAGS)]

    def _edges(self, work: list[Bead], convoys: list[Convoy]) -> list[Dependency]:
        edges: list[Dependency] = []
        for number, bead in enumerate(work):
            if number and self._draw(_FLAGS):
                blocker = self._draw(st.integers(0, number - 1))
                edges.append(blocks(bead.bead_id, work[blocker].bead_id))
            is_tracked = self._draw(st.booleans())
            if convoys and is_tracked:
                edges.append(tracks(bead.bead_id, self._draw(st.sampled_from(convoys)).bead_id))
        return edges


def _behind(rework: Bead) -> Dependency:
    assert rework.subject is not None
    return blocks(rework.subject, rework.bead_id)
