"""Which review its rig's refinery takes, and which reviews are over without one.

One refinery per rig judges and merges one thing at a time: reviews and landings share it, oldest
first. A review that waits for its rework, for a person's approval, for its backoff, or with a
pull request for the world, is passed over and blocks nobody (rows 4 and 28). A review's attempts
are its own, and at the cap it fails and its source is worked on again (row 30). With code_review
off the refinery merges without a judgement (decisions 37), in convoys too (row 92).
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    EscalateHeld,
    FailBead,
    ReleaseBead,
    SettleSource,
)
from boomtown.actors.town.blockers import live_reviews, open_blockers, unraised_holds
from boomtown.actors.town.container_ends import claimable_at_ms
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    LABEL_HELD,
    Agent,
    Approval,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    Rig,
    effective,
)
from boomtown.actors.town.plan_issues import CODE_ATTEMPTS, CODE_NO_RIG
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import BeadId, RigId
from boomtown.limits import TownLimits

CODE_SUPERSEDED = "superseded"

_REVIEW_KINDS = (BeadKind.REVIEW, BeadKind.LANDING)


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> tuple[Action, ...]:
    """Repairs and failures in the order of creation, then one claim per rig at most."""
    actions: list[Action] = []
    failing: set[BeadId | None] = set()  # reviews, and what they are about
    for bead in snapshot.beads.values():
        for action in _plan_bead(snapshot, bead, limits=limits):
            if isinstance(action, FailBead):
                if bead.subject in failing:
                    continue  # one end moves a source; the next tick sees what it left
                failing |= {bead.bead_id, bead.subject} - {None}
            actions.append(action)
    for rig in snapshot.rigs.values():
        due = (
            bead
            for bead in snapshot.beads.values()
            if bead.rig_id == rig.rig_id
            and bead.bead_id not in failing
            and is_reviewable(snapshot, bead)
            and claimable_at_ms(snapshot, bead, limits=limits) <= now_ms
        )
        actions.extend(_plan_claim(snapshot, rig, sorted(due, key=_order)))
    return tuple(actions)


def is_reviewable(snapshot: Snapshot, bead: Bead) -> bool:
    """Whether the review waits for nothing but time, the refinery and the town's own pause."""
    review = snapshot.reviews.get(bead.bead_id)
    if review is None or review.pr_url is not None:
        return False
    return (
        bead.kind in _REVIEW_KINDS
        and bead.status == BeadStatus.OPEN
        and bead.bead_id not in snapshot.session_of_bead
        and LABEL_HELD not in bead.labels
        and (review.is_approved or not _needs_approval(snapshot, bead))
        and not open_blockers(snapshot, bead.bead_id)
    )


def _needs_approval(snapshot: Snapshot, bead: Bead) -> bool:
    approval = snapshot.town.config.approval
    if bead.kind == BeadKind.LANDING:
        return approval != Approval.NONE
    return approval == Approval.EVERY


def _plan_bead(snapshot: Snapshot, bead: Bead, *, limits: TownLimits) -> Iterator[Action]:
    if bead.kind == BeadKind.WORK and bead.status == BeadStatus.IN_REVIEW:
        yield from _plan_source(snapshot, bead)
    elif (
        bead.kind in _REVIEW_KINDS
        and bead.status not in FINAL_STATUSES
        and bead.bead_id not in snapshot.session_of_bead
    ):
        yield from _plan_idle_review(snapshot, bead, limits=limits)


def _plan_source(snapshot: Snapshot, source: Bead) -> Iterator[SettleSource]:
    """Rule B4: a source whose reviews have all ended, or were deleted."""
    if live_reviews(snapshot, source.bead_id):
        return
    is_merged = any(
        review_id in snapshot.beads and snapshot.beads[review_id].status == BeadStatus.CLOSED
        for review_id in snapshot.reviews_of.get(source.bead_id, ())
    )
    after = BeadStatus.CLOSED if is_merged else BeadStatus.OPEN
    yield SettleSource(bead_id=source.bead_id, after=after)


def _plan_idle_review(snapshot: Snapshot, bead: Bead, *, limits: TownLimits) -> Iterator[Action]:
    review = snapshot.reviews.get(bead.bead_id)
    has_pull_request = review is not None and review.pr_url is not None
    if bead.rig_id is None or bead.rig_id not in snapshot.rigs:
        yield _fail(bead, CODE_NO_RIG, "It has no rig, or its rig was deleted")
    elif not _is_subject_waiting(snapshot, bead):
        yield _fail(bead, CODE_SUPERSEDED, "What it was about no longer waits for it")
    elif bead.status == BeadStatus.IN_PROGRESS:
        if not has_pull_request:
            yield ReleaseBead(bead_id=bead.bead_id)
    elif bead.dispatch_attempts >= limits.review_attempts_max and not has_pull_request:
        yield _fail(bead, CODE_ATTEMPTS, f"No verdict in {bead.dispatch_attempts} attempts")
    else:
        for blocker_id in unraised_holds(snapshot, bead.bead_id):
            yield EscalateHeld(bead_id=bead.bead_id, blocker_id=blocker_id)


def _is_subject_waiting(snapshot: Snapshot, bead: Bead) -> bool:
    """A source waits in review, a convoy open; a review about nothing waits for itself."""
    if bead.subject is None:
        return True
    subject = snapshot.beads.get(bead.subject)
    if subject is None:
        return False
    awaited = BeadStatus.OPEN if bead.kind == BeadKind.LANDING else BeadStatus.IN_REVIEW
    return subject.status == awaited


def _plan_claim(snapshot: Snapshot, rig: Rig, due: list[Bead]) -> Iterator[ClaimReview]:
    if not due or snapshot.town.is_paused or snapshot.town.is_draining or rig.is_paused:
        return
    refinery = _find_refinery(snapshot, rig.rig_id)
    is_taken = refinery is not None and (
        refinery.agent_id in snapshot.session_of_agent
        or refinery.employment != Employment.HIRED
        or refinery.stalled_at_ms is not None
    )
    is_reviewing = any(
        session.rig_id == rig.rig_id and session.kind in (SessionKind.REVIEW, SessionKind.LANDING)
        for session in snapshot.sessions.values()
    )
    if is_taken or is_reviewing:
        return
    bead = due[0]
    config = effective(snapshot.town.config, rig.config)
    yield ClaimReview(
        bead_id=bead.bead_id,
        rig_id=rig.rig_id,
        agent_id=None if refinery is None else refinery.agent_id,
        merge_only=bead.kind == BeadKind.LANDING or not config.refinery.code_review,
    )


def _find_refinery(snapshot: Snapshot, rig_id: RigId) -> Agent | None:
    return next(
        (
            agent
            for agent in snapshot.agents.values()
            if agent.rig_id == rig_id and agent.role == AgentRole.REFINERY
        ),
        None,
    )


def _order(bead: Bead) -> tuple[int, str]:
    return (bead.created_at_ms, bead.bead_id)


def _fail(bead: Bead, code: str, message: str) -> FailBead:
    return FailBead(bead_id=bead.bead_id, expected_status=bead.status, code=code, message=message)
