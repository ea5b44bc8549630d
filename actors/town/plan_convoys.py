"""How convoys count, become ready, land, and give up.

A convoy is done when it has beads, all of them are closed or failed, and no live review tracks
one of them. A failed bead then keeps it from landing, unless the town continues (decisions 27);
its view says which, and so does one escalation for each. In review-and-merge, done is landed. In
review-then-land it becomes ready, and a later tick makes the landing: a review of the convoy
itself, whose merge closes the convoy in one transaction. Landings are spaced by min(2^n x base,
max) after the n-th, and the cap fails the convoy (row 38).
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.actions import (
    Action,
    CloseConvoy,
    CreateLanding,
    EscalateHeld,
    FailConvoy,
    MarkReadyToLand,
    UpdateConvoyProgress,
)
from boomtown.actors.town.blockers import is_hold_raised, live_reviews
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    Bead,
    BeadStatus,
    Convoy,
    MergeMode,
    OnFailedBead,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from boomtown.limits import TownLimits


def plan(
    snapshot: Snapshot, *, now_ms: int, limits: TownLimits, settling: frozenset[BeadId]
) -> tuple[Action, ...]:
    """`settling` are convoys with a bead that an earlier action of the same plan moves; they are
    looked at in the next tick, when the bead has moved and was counted."""
    actions: list[Action] = []
    for convoy_id, convoy in snapshot.convoys.items():
        bead = snapshot.beads.get(convoy_id)
        if bead is None or bead.status in FINAL_STATUSES or convoy_id in settling:
            continue
        total, closed = recount(snapshot, convoy_id)
        if (total, closed) != (convoy.total_beads, convoy.closed_beads):
            actions.append(
                UpdateConvoyProgress(convoy_id=convoy_id, total_beads=total, closed_beads=closed)
            )
        if not convoy.is_staged and is_done(snapshot, convoy_id):
            actions.extend(_plan_done(snapshot, convoy, now_ms=now_ms, limits=limits))
    return tuple(actions)


def recount(snapshot: Snapshot, convoy_id: BeadId) -> tuple[int, int]:
    """(beads, closed or failed beads) of a convoy: the only formula for both (row 77)."""
    issues = snapshot.tracked.get(convoy_id, ())
    return len(issues), sum(_is_final(snapshot.beads.get(issue)) for issue in issues)


def is_done(snapshot: Snapshot, convoy_id: BeadId) -> bool:
    total, closed = recount(snapshot, convoy_id)
    issues = snapshot.tracked.get(convoy_id, ())
    return 0 < total <= closed and not any(live_reviews(snapshot, issue) for issue in issues)


def failed_beads(snapshot: Snapshot, convoy_id: BeadId) -> tuple[BeadId, ...]:
    """The failed beads that keep a convoy from landing; none where the town continues."""
    if snapshot.town.config.on_failed_bead == OnFailedBead.CONTINUE:
        return ()
    return tuple(
        issue
        for issue in snapshot.tracked.get(convoy_id, ())
        if issue in snapshot.beads and snapshot.beads[issue].status == BeadStatus.FAILED
    )


def next_landing_at_ms(convoy: Convoy, *, limits: TownLimits) -> int:
    """When the next landing may be made; 0 for the first."""
    if convoy.last_landing_at_ms is None:
        return 0
    attempts = min(convoy.landing_attempts, limits.landing_attempts_max)
    wait_ms = min(limits.landing_backoff_base_ms << attempts, limits.landing_backoff_max_ms)
    return convoy.last_landing_at_ms + wait_ms


def is_waiting_to_land(snapshot: Snapshot, convoy: Convoy) -> bool:
    """Whether only time, or the town's own pause, keeps the next landing from being made."""
    return (
        is_done(snapshot, convoy.bead_id)
        and convoy.is_ready_to_land
        and not convoy.is_staged
        and not failed_beads(snapshot, convoy.bead_id)
        and not live_reviews(snapshot, convoy.bead_id)
    )


def _plan_done(
    snapshot: Snapshot, convoy: Convoy, *, now_ms: int, limits: TownLimits
) -> Iterator[Action]:
    convoy_id = convoy.bead_id
    if failed := failed_beads(snapshot, convoy_id):
        for blocker_id in failed:
            if not is_hold_raised(snapshot, bead_id=convoy_id, blocker_id=blocker_id):
                yield EscalateHeld(bead_id=convoy_id, blocker_id=blocker_id)
        return
    if convoy.merge_mode == MergeMode.REVIEW_AND_MERGE or convoy.feature_branch is None:
        yield CloseConvoy(convoy_id=convoy_id)
    elif not convoy.is_ready_to_land:
        yield MarkReadyToLand(convoy_id=convoy_id)
    elif _has_landed(snapshot, convoy_id):
        yield CloseConvoy(convoy_id=convoy_id)
    elif not live_reviews(snapshot, convoy_id):
        yield from _plan_landing(snapshot, convoy, now_ms=now_ms, limits=limits)


def _plan_landing(
    snapshot: Snapshot, convoy: Convoy, *, now_ms: int, limits: TownLimits
) -> Iterator[Action]:
    rig = snapshot.rigs.get(convoy.rig_id)
    if rig is None:
        yield FailConvoy(convoy_id=convoy.bead_id, message="Its rig was deleted")
    elif convoy.landing_attempts >= limits.landing_attempts_max:
        message = f"Not landed in {convoy.landing_attempts} attempts"
        yield FailConvoy(convoy_id=convoy.bead_id, message=message)
    elif snapshot.town.is_paused or snapshot.town.is_draining or rig.is_paused:
        return
    elif now_ms >= next_landing_at_ms(convoy, limits=limits):
        yield CreateLanding(convoy_id=convoy.bead_id, expected_attempts=convoy.landing_attempts)


def _has_landed(snapshot: Snapshot, convoy_id: BeadId) -> bool:
    return any(
        review_id in snapshot.beads and snapshot.beads[review_id].status == BeadStatus.CLOSED
        for review_id in snapshot.reviews_of.get(convoy_id, ())
    )


def _is_final(bead: Bead | None) -> bool:
    return bead is not None and bead.status in FINAL_STATUSES
