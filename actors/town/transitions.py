"""The one function that changes a bead's status, and what follows from a change.

Everything that follows derives from what changed, never from what was asked for (row 15): the
audit row, `closed_at_ms`, the failure's reason, the end of an escalation, and the recount of the
convoys that track the bead. A request that changes nothing writes nothing. All of it is one
transaction with the caller's other writes. What a session or an assignee has to do with a status
is not decided here: session_moves.py and the command handlers do that.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.lifecycles import is_bead_change
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    Bead,
    BeadStatus,
    BeadType,
    EventType,
    OnFailedBead,
)
from boomtown.actors.town.store_audit import record_audit
from boomtown.actors.town.store_beads import find_convoy_of, get_bead
from boomtown.actors.town.store_satellites import end_escalation, find_convoy, update_convoy
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, BeadId, SessionId

_SET_STATUS = (
    "UPDATE beads SET status = ?, updated_at_ms = ?, closed_at_ms = ?, failure_code = ?,"
    " failure_message = ? WHERE bead_id = ?"
)
# The one definition of a convoy's counts: closed_beads counts failed ones too (decisions 27).
COUNT_TRACKED = (
    "SELECT count(*), coalesce(sum(b.status IN ('closed', 'failed')), 0)"
    " FROM bead_dependencies d JOIN beads b ON b.bead_id = d.bead_id"
    " WHERE d.depends_on_bead_id = ? AND d.type = 'tracks' AND b.type = 'issue'"
)
# Resolved: closed, and no live review tracks it; failed too where the town continues.
_COUNT_UNRESOLVED = (
    "SELECT count(*) FROM bead_dependencies d JOIN beads b ON b.bead_id = d.depends_on_bead_id"
    " WHERE d.bead_id = ? AND d.type = 'blocks' AND (b.status NOT IN ('closed', ?) OR EXISTS"
    " (SELECT 1 FROM bead_dependencies t JOIN beads r ON r.bead_id = t.bead_id"
    " WHERE t.depends_on_bead_id = b.bead_id AND t.type = 'tracks' AND r.type = 'merge_request'"
    " AND r.status IN ('open', 'in_progress')))"
)


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a request did: `changed` is False where the bead was there already, or is final."""

    changed: bool
    before: BeadStatus
    after: BeadStatus
    bead: Bead  # as it is now


def change_bead_status(
    tx: TownTransaction,
    bead_id: BeadId,
    after: BeadStatus,
    *,
    agent_id: AgentId | None = None,
    session_id: SessionId | None = None,
    failure_code: str | None = None,
    failure_message: str | None = None,
) -> StatusChange:
    """Move a bead. `agent_id` and `session_id` say in the audit who did; the failure counts only
    for `failed`. Raises Conflict(ILLEGAL_TRANSITION) between live states without an edge."""
    bead = get_bead(tx, bead_id)
    if not is_bead_change(bead.type, bead.status, after):
        return StatusChange(changed=False, before=bead.status, after=bead.status, bead=bead)
    is_failure = after == BeadStatus.FAILED
    changed = msgspec.structs.replace(
        bead,
        status=after,
        updated_at_ms=tx.now_ms,
        closed_at_ms=tx.now_ms if after == BeadStatus.CLOSED else None,
        failure_code=(failure_code or "requested") if is_failure else None,
        failure_message=failure_message if is_failure else None,
    )
    tx.run(
        _SET_STATUS,
        after.value,
        tx.now_ms,
        changed.closed_at_ms,
        changed.failure_code,
        changed.failure_message,
        bead_id,
    )
    reason = {"code": changed.failure_code, "message": changed.failure_message or ""}
    record_audit(
        tx,
        EventType.STATUS_CHANGED,
        bead=changed,
        agent_id=agent_id,
        session_id=session_id,
        old_value=bead.status,
        new_value=after,
        metadata={"failure_reason": reason} if is_failure else None,
    )
    if after in FINAL_STATUSES:
        _settle(tx, changed)
    return StatusChange(changed=True, before=bead.status, after=after, bead=changed)


def recount_convoy(tx: TownTransaction, convoy_id: BeadId) -> None:
    """Make the stored counts those of the one query; writes only when they differ."""
    total, closed = count_tracked(tx, convoy_id)
    convoy = find_convoy(tx, convoy_id)
    if convoy is None or (convoy.total_beads, convoy.closed_beads) == (total, closed):
        return
    update_convoy(tx, convoy_id, total_beads=total, closed_beads=closed)


def count_tracked(tx: TownTransaction, convoy_id: BeadId) -> tuple[int, int]:
    """A convoy's (total, closed and failed) beads, counted."""
    row = tx.find_row(COUNT_TRACKED, convoy_id)
    assert row is not None
    return int(row[0]), int(row[1])


def has_open_blockers(tx: TownTransaction, bead_id: BeadId) -> bool:
    """blockers.open_blockers for one bead, from the tables."""
    continues = get_town(tx).config.on_failed_bead == OnFailedBead.CONTINUE
    row = tx.find_row(_COUNT_UNRESOLVED, bead_id, "failed" if continues else "closed")
    assert row is not None
    return int(row[0]) > 0


def _settle(tx: TownTransaction, bead: Bead) -> None:
    match bead.type:
        case BeadType.ESCALATION:
            end_escalation(tx, bead.bead_id)
        case BeadType.ISSUE:
            convoy = find_convoy_of(tx, bead.bead_id)
            if convoy is not None:
                recount_convoy(tx, convoy.bead_id)
        case _:
            pass
