"""What the decisions of plan_town and container_ends do to the rows.

Each compares and sets, as apply_actions does, of which this is a part: the opening and closing of
the breaker, the end of a drain by time, and what people are told of them.
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.actions import CloseBreaker, EndDrain, EscalateRestarts, OpenBreaker
from boomtown.actors.town.bead_creation import create_escalation
from boomtown.actors.town.drain import end_late_drain
from boomtown.actors.town.model import BeadStatus, Priority
from boomtown.actors.town.store_beads import find_bead
from boomtown.actors.town.store_breaker import close_breaker, open_breaker, read_breaker
from boomtown.actors.town.store_town import bump_counter
from boomtown.actors.town.transaction import TownTransaction
from boomtown.wire import iso_from_ms

CATEGORY_BREAKER = "dispatch_breaker"
CATEGORY_RESTARTS = "container_restarts"
COUNTER_OPENINGS = "breaker.opened"


def apply_town_action(
    tx: TownTransaction, action: EscalateRestarts | OpenBreaker | CloseBreaker | EndDrain
) -> bool:
    """False when what the action saw does not hold any more and nothing was done."""
    match action:
        case EscalateRestarts():
            return _escalate_restarts(tx, action)
        case OpenBreaker():
            return _open_breaker(tx)
        case CloseBreaker():
            is_same = read_breaker(tx).opened_at_ms == action.opened_at_ms
            if is_same:
                close_breaker(tx)
            return is_same
        case EndDrain():
            return end_late_drain(tx, started_at_ms=action.started_at_ms)
        case _:
            assert_never(action)


def _open_breaker(tx: TownTransaction) -> bool:
    breaker = read_breaker(tx)
    is_due = breaker.failed_starts >= tx.limits.breaker_failed_starts_max
    if breaker.opened_at_ms is not None or not is_due:
        return False
    open_breaker(tx)
    bump_counter(tx, COUNTER_OPENINGS)
    create_escalation(
        tx,
        rig_id=None,
        title=f"Nothing is dispatched: {breaker.failed_starts} starts failed",
        body=(
            f"{breaker.failed_starts} agents could not be started in the last"
            f" {tx.limits.breaker_window_ms // 60_000} minutes. One start at a time is tried from"
            f" {iso_from_ms(tx.now_ms + tx.limits.breaker_pause_ms)} on; the first that succeeds"
            " lets the others go on."
        ),
        severity=Priority.HIGH,
        category=CATEGORY_BREAKER,
        key=f"breaker:{tx.now_ms}",
        metadata={"failed_starts": breaker.failed_starts},
    )
    return True


def _escalate_restarts(tx: TownTransaction, action: EscalateRestarts) -> bool:
    bead = find_bead(tx, action.bead_id)
    if bead is None or bead.status != BeadStatus.OPEN:
        return False
    raised = create_escalation(
        tx,
        rig_id=bead.rig_id,
        title=f"Loses its container again and again: {bead.title}"[:500],
        body=(
            f"More than {tx.limits.container_restarts_per_hour_max} containers ended under it"
            f" within an hour. It waits until {iso_from_ms(action.held_until_ms)}."
        ),
        severity=Priority.HIGH,
        category=CATEGORY_RESTARTS,
        key=action.key,
        metadata={"bead_id": bead.bead_id},
        about=bead,
    )
    return raised is not None
