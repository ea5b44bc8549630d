"""What must hold of a town between two transactions: written once, for all who ask.

The tick checks them after it has applied its plan, the simulator after every step, and the
monitor and `GET T/invariants` when asked. They are reported and counted, never repaired here:
where a repair exists it is a rule of a planner with a counter of its own. Some of these cannot be
violated under the unique indexes of schema.sql; they are checked all the same, since an index may
be missing and a snapshot may come from elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

import msgspec

from boomtown.actors.town.blockers import live_reviews
from boomtown.actors.town.dependency_graph import find_cycle
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LIVE_SESSION_STATES,
    LIVE_STATUSES,
    Bead,
    BeadKind,
    BeadStatus,
    DependencyType,
    SessionState,
)
from boomtown.actors.town.plan_convoys import recount
from boomtown.actors.town.roster_invariants import roster_findings
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import SessionKind
from boomtown.limits import TownLimits

ONE_RUNNING_REVIEW_PER_RIG = "one_running_review_per_rig"
ONE_LIVE_SESSION_PER_AGENT = "one_live_session_per_agent"
ONE_LIVE_SESSION_PER_BEAD = "one_live_session_per_bead"
ONE_LIVE_LANDING_PER_CONVOY = "one_live_landing_per_convoy"
ONE_LIVE_REWORK_PER_REVIEW = "one_live_rework_per_review"
ONE_EMPLOYED_NAME_PER_RIG = "one_employed_name_per_rig"
IN_REVIEW_HAS_LIVE_REVIEW = "in_review_has_live_review"
LIVE_REVIEW_HAS_WAITING_SOURCE = "live_review_has_waiting_source"
IN_PROGRESS_HAS_LIVE_SESSION = "in_progress_has_live_session"
ASSIGNEE_MATCHES_SESSION = "assignee_matches_session"
FINAL_BEAD_HAS_NO_LIVE_SESSION = "final_bead_has_no_live_session"
SESSION_HAS_AGENT = "session_has_agent"
RUNNING_SESSION_GIVES_SIGNS = "running_session_gives_signs"
CONVOY_PROGRESS_MATCHES = "convoy_progress_matches"
LIVE_CONVOY_IS_NOT_LANDED = "live_convoy_is_not_landed"
CLOSED_CONVOY_HAS_NO_LIVE_BEAD = "closed_convoy_has_no_live_bead"
DEPENDENCIES_ARE_ACYCLIC = "dependencies_are_acyclic"
INBOX_IS_DRAINED = "inbox_is_drained"

# An event may fail this many ticks in a row before it is late. The dead letters take it sooner,
# so a violation means that ticks do not happen.
INBOX_LATE_PERIODS = 2


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One invariant that does not hold for one thing."""

    name: str  # of the invariant: a constant of this module
    subject: str  # the id of what violates it
    message: str


Value = TypeVar("Value", bound=Hashable)
Check = Callable[[Snapshot], Iterable[Violation]]


def check(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> tuple[Violation, ...]:
    """All violations, by invariant and then in the order of the snapshot. To be asked between
    two transactions; within one, a claim or an end may be half written."""
    timeless = [violation for rule in _TIMELESS for violation in rule(snapshot)]
    of_roster = (
        _violation(name, subject, message) for name, subject, message in roster_findings(snapshot)
    )
    return (
        *timeless,
        *of_roster,
        *_running_gives_signs(snapshot, now_ms=now_ms, limits=limits),
        *_inbox_is_drained(snapshot, now_ms=now_ms, limits=limits),
    )


def _one_running_review(snapshot: Snapshot) -> Iterator[Violation]:
    rigs = (
        session.rig_id
        for session in snapshot.sessions.values()
        if session.kind == SessionKind.REVIEW and session.state in LIVE_SESSION_STATES
    )
    for rig_id in _repeated(rigs):
        yield _violation(ONE_RUNNING_REVIEW_PER_RIG, rig_id, "reviews run side by side in the rig")


def _one_session_per_agent(snapshot: Snapshot) -> Iterator[Violation]:
    live = (s.agent_id for s in snapshot.sessions.values() if s.state in LIVE_SESSION_STATES)
    for agent_id in _repeated(live):
        yield _violation(ONE_LIVE_SESSION_PER_AGENT, agent_id, "the agent has two live sessions")


def _one_session_per_bead(snapshot: Snapshot) -> Iterator[Violation]:
    live = (s.bead_id for s in snapshot.sessions.values() if s.state in LIVE_SESSION_STATES)
    for bead_id in _repeated(live):
        yield _violation(ONE_LIVE_SESSION_PER_BEAD, bead_id, "the bead has two live sessions")


def _one_landing(snapshot: Snapshot) -> Iterator[Violation]:
    for subject in _repeated(_live_subjects(snapshot, BeadKind.LANDING)):
        yield _violation(ONE_LIVE_LANDING_PER_CONVOY, subject, "the convoy has two live landings")


def _one_rework(snapshot: Snapshot) -> Iterator[Violation]:
    for subject in _repeated(_live_subjects(snapshot, BeadKind.REWORK)):
        yield _violation(ONE_LIVE_REWORK_PER_REVIEW, subject, "the review has two live reworks")


def _one_name(snapshot: Snapshot) -> Iterator[Violation]:
    names = ((agent.rig_id, agent.name) for agent in snapshot.agents.values())
    for rig_id, name in _repeated(names):
        yield _violation(
            ONE_EMPLOYED_NAME_PER_RIG, rig_id or "", f"two agents of the rig are called {name}"
        )


def _in_review_has_review(snapshot: Snapshot) -> Iterator[Violation]:
    for bead in snapshot.beads.values():
        is_in_review = bead.kind == BeadKind.WORK and bead.status == BeadStatus.IN_REVIEW
        if is_in_review and not live_reviews(snapshot, bead.bead_id):
            yield _violation(
                IN_REVIEW_HAS_LIVE_REVIEW, bead.bead_id, "in_review, and no review is live"
            )


def _review_has_source(snapshot: Snapshot) -> Iterator[Violation]:
    for bead in snapshot.beads.values():
        if bead.kind != BeadKind.REVIEW or bead.status not in LIVE_STATUSES:
            continue
        source = None if bead.subject is None else snapshot.beads.get(bead.subject)
        if bead.subject is None or (source and source.status == BeadStatus.IN_REVIEW):
            continue
        found = "gone" if source is None else source.status.value
        yield _violation(
            LIVE_REVIEW_HAS_WAITING_SOURCE, bead.bead_id, f"the review is live, its source {found}"
        )


def _in_progress_has_session(snapshot: Snapshot) -> Iterator[Violation]:
    for bead in snapshot.beads.values():
        if not _is_run_by_session(snapshot, bead) or bead.status != BeadStatus.IN_PROGRESS:
            continue
        if bead.bead_id not in snapshot.session_of_bead:
            yield _violation(
                IN_PROGRESS_HAS_LIVE_SESSION, bead.bead_id, "in_progress, and nobody works on it"
            )


def _is_run_by_session(snapshot: Snapshot, bead: Bead) -> bool:
    """Work, rework, and what the refinery merges itself; a pull request's merge is the world's."""
    if bead.kind in (BeadKind.REVIEW, BeadKind.LANDING):
        review = snapshot.reviews.get(bead.bead_id)
        return review is None or review.pr_url is None
    return bead.kind in (BeadKind.WORK, BeadKind.REWORK)


def _assignee_matches(snapshot: Snapshot) -> Iterator[Violation]:
    for bead in snapshot.beads.values():
        session_id = snapshot.session_of_bead.get(bead.bead_id)
        if bead.kind not in (BeadKind.WORK, BeadKind.REWORK) or session_id is None:
            continue
        agent_id = snapshot.sessions[session_id].agent_id
        if bead.status == BeadStatus.IN_PROGRESS and bead.assignee_agent_id != agent_id:
            yield _violation(
                ASSIGNEE_MATCHES_SESSION,
                bead.bead_id,
                f"assigned to {bead.assignee_agent_id}, worked on by {agent_id}",
            )


def _final_has_no_session(snapshot: Snapshot) -> Iterator[Violation]:
    for session in snapshot.sessions.values():
        bead = snapshot.beads.get(session.bead_id)
        # An ending session has lost its bead; only its body is not proven over.
        is_over = session.state in (SessionState.ENDING, SessionState.ENDED)
        if bead is not None and bead.status in FINAL_STATUSES and not is_over:
            yield _violation(
                FINAL_BEAD_HAS_NO_LIVE_SESSION,
                bead.bead_id,
                f"{bead.status.value}, and session {session.session_id} is {session.state.value}",
            )


def _session_has_agent(snapshot: Snapshot) -> Iterator[Violation]:
    for session in snapshot.sessions.values():
        if session.agent_id not in snapshot.agents:
            yield _violation(
                SESSION_HAS_AGENT, session.session_id, "its agent is gone or offboarded"
            )


def _progress_matches(snapshot: Snapshot) -> Iterator[Violation]:
    for convoy in snapshot.convoys.values():
        total, closed = recount(snapshot, convoy.bead_id)
        if (total, closed) != (convoy.total_beads, convoy.closed_beads):
            yield _violation(
                CONVOY_PROGRESS_MATCHES,
                convoy.bead_id,
                f"says {convoy.closed_beads} of {convoy.total_beads}, counted {closed} of {total}",
            )


def _live_convoy_not_landed(snapshot: Snapshot) -> Iterator[Violation]:
    for convoy in snapshot.convoys.values():
        bead = snapshot.beads.get(convoy.bead_id)
        if convoy.landed_at_ms is not None and bead and bead.status in LIVE_STATUSES:
            yield _violation(LIVE_CONVOY_IS_NOT_LANDED, convoy.bead_id, "landed, and still open")


def _closed_convoy_is_done(snapshot: Snapshot) -> Iterator[Violation]:
    for bead_id, convoy_id in snapshot.convoy_of.items():
        bead, convoy = snapshot.beads.get(bead_id), snapshot.beads.get(convoy_id)
        if bead is None or convoy is None or convoy.status != BeadStatus.CLOSED:
            continue
        if bead.status in LIVE_STATUSES:
            yield _violation(
                CLOSED_CONVOY_HAS_NO_LIVE_BEAD, convoy_id, f"closed, and bead {bead_id} is not"
            )


def _acyclic(snapshot: Snapshot) -> Iterator[Violation]:
    edges = (
        (edge.bead_id, edge.depends_on_bead_id)
        for edge in snapshot.dependencies
        if edge.type == DependencyType.BLOCKS
    )
    cycle = find_cycle(edges)
    if cycle is not None:
        yield _violation(DEPENDENCIES_ARE_ACYCLIC, cycle[0], f"a cycle: {' -> '.join(cycle)}")


def _running_gives_signs(
    snapshot: Snapshot, *, now_ms: int, limits: TownLimits
) -> Iterator[Violation]:
    """A running session was heard, and when it falls silent its rule comes to an end."""
    slack_ms = limits.silence_after_stop_ms + limits.probe_timeout_ms + limits.alarm_idle_ms
    for session in snapshot.sessions.values():
        if session.state != SessionState.RUNNING or snapshot.town.is_draining:
            continue
        signs = (session.last_heartbeat_at_ms, session.started_at_ms)
        heard_at = max((sign for sign in signs if sign is not None), default=None)
        if heard_at is None:
            message = "running, and never gave a sign of life"
        elif now_ms > max(heard_at, session.stop_sent_at_ms or 0) + limits.lease_ms + slack_ms:
            message = f"running, and silent for {now_ms - heard_at} ms"
        else:
            continue
        yield _violation(RUNNING_SESSION_GIVES_SIGNS, session.session_id, message)


def _inbox_is_drained(
    snapshot: Snapshot, *, now_ms: int, limits: TownLimits
) -> Iterator[Violation]:
    oldest = snapshot.inbox_oldest_at_ms
    late_ms = INBOX_LATE_PERIODS * limits.alarm_idle_ms
    if oldest is not None and now_ms - oldest > late_ms:
        yield _violation(
            INBOX_IS_DRAINED,
            snapshot.town.town_id,
            f"{snapshot.inbox_depth} events wait, the oldest for {now_ms - oldest} ms",
        )


def _repeated(values: Iterable[Value]) -> list[Value]:
    """Each value that comes more than once, in the order of its first coming."""
    return [value for value, count in Counter(values).items() if count > 1]


def _live_subjects(snapshot: Snapshot, kind: BeadKind) -> Iterator[str]:
    for bead in snapshot.beads.values():
        if bead.kind == kind and bead.status in LIVE_STATUSES and bead.subject is not None:
            yield bead.subject


def _violation(name: str, subject: str, message: str) -> Violation:
    return Violation(name=name, subject=subject, message=message)


_TIMELESS: tuple[Check, ...] = (
    _one_running_review,
    _one_session_per_agent,
    _one_session_per_bead,
    _one_landing,
    _one_rework,
    _one_name,
    _in_review_has_review,
    _review_has_source,
    _in_progress_has_session,
    _assignee_matches,
    _final_has_no_session,
    _session_has_agent,
    _progress_matches,
    _live_convoy_not_landed,
    _closed_convoy_is_done,
    _acyclic,
)
