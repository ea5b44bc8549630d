"""What a bead waits for: the one definition, for planners, commands and views alike.

A blocker is resolved when it is closed and no live review tracks it, or when it is failed and the
town says `on_failed_bead = continue`. A blocker that the snapshot does not hold is live (final
blockers of live beads are always in it), hence not resolved.
"""

from __future__ import annotations

from boomtown.actors.town.model import LIVE_STATUSES, BeadStatus, OnFailedBead
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId


def live_reviews(snapshot: Snapshot, bead_id: BeadId) -> tuple[BeadId, ...]:
    """The reviews or landings of a source or convoy that have not ended, oldest first."""
    return tuple(
        review_id
        for review_id in snapshot.reviews_of.get(bead_id, ())
        if review_id in snapshot.beads and snapshot.beads[review_id].status in LIVE_STATUSES
    )


def is_resolved(snapshot: Snapshot, bead_id: BeadId) -> bool:
    """Whether dependents of the bead may go on."""
    bead = snapshot.beads.get(bead_id)
    if bead is None:
        return False
    if bead.status == BeadStatus.FAILED:
        return snapshot.town.config.on_failed_bead == OnFailedBead.CONTINUE
    return bead.status == BeadStatus.CLOSED and not live_reviews(snapshot, bead_id)


def open_blockers(snapshot: Snapshot, bead_id: BeadId) -> tuple[BeadId, ...]:
    """What the bead still waits for; failed blockers count unless the town continues."""
    return tuple(
        blocker
        for blocker in snapshot.blockers.get(bead_id, ())
        if not is_resolved(snapshot, blocker)
    )


def failed_blockers(snapshot: Snapshot, bead_id: BeadId) -> tuple[BeadId, ...]:
    """Those of the open blockers that will not resolve by themselves: the bead is held."""
    return tuple(
        blocker
        for blocker in open_blockers(snapshot, bead_id)
        if blocker in snapshot.beads and snapshot.beads[blocker].status == BeadStatus.FAILED
    )


def held_key(*, bead_id: BeadId, blocker_id: BeadId) -> str:
    """The escalation key of a dependent behind a failed blocker."""
    return f"held:{bead_id}:{blocker_id}"


def unraised_holds(snapshot: Snapshot, bead_id: BeadId) -> tuple[BeadId, ...]:
    """Failed blockers of the bead of which nobody was told yet."""
    if bead_id not in snapshot.blockers:  # as nearly all
        return ()
    return tuple(
        blocker
        for blocker in failed_blockers(snapshot, bead_id)
        if not is_hold_raised(snapshot, bead_id=bead_id, blocker_id=blocker)
    )


def is_hold_raised(snapshot: Snapshot, *, bead_id: BeadId, blocker_id: BeadId) -> bool:
    """Whether somebody was told, now or earlier, that the bead waits for that failed one."""
    key = held_key(bead_id=bead_id, blocker_id=blocker_id)
    return key in snapshot.live_escalations or key in snapshot.closed_escalation_keys
