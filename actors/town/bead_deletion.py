"""Deleting beads, alone and in bulk: all of the named, or none.

A bead with a live session is busy. What is deleted takes its edges, its satellite, its live
reviews and the pending inbox rows of its sessions along (row 37); its audit and its ended
sessions stay, as history.
"""

from __future__ import annotations

from boomtown.actors.town.bead_endings import end_reviews_of
from boomtown.actors.town.commands import Caller, DeleteBeads, DeleteBeadsByStatus
from boomtown.actors.town.model import Bead
from boomtown.actors.town.store_beads import (
    delete_bead,
    find_bead,
    find_convoy_of,
    get_rig_bead,
    list_rig_beads,
)
from boomtown.actors.town.store_sessions import find_live_session_of_bead
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import recount_convoy
from boomtown.actors.town.views import FactsView
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict

_FORGET_EVENTS = (
    "DELETE FROM inbox WHERE applied_at_ms IS NULL AND session_id IN"
    " (SELECT session_id FROM sessions WHERE bead_id = ?)"
)


def handle_delete_beads(tx: TownTransaction, caller: Caller, command: DeleteBeads) -> FactsView:
    """Missing ids, and those of other rigs, are skipped unless one id is named alone."""
    if len(command.bead_ids) == 1:
        return _delete(tx, [get_rig_bead(tx, command.rig_id, command.bead_ids[0])])
    found = [find_bead(tx, bead_id) for bead_id in dict.fromkeys(command.bead_ids)]
    own = [bead for bead in found if bead is not None and bead.rig_id == command.rig_id]
    return _delete(tx, own)


def handle_delete_by_status(
    tx: TownTransaction, caller: Caller, command: DeleteBeadsByStatus
) -> FactsView:
    """At most `bulk_delete_max` of them, the oldest first."""
    beads = list_rig_beads(
        tx,
        command.rig_id,
        status=command.status,
        bead_type=command.type,
        limit=tx.limits.bulk_delete_max,
    )
    return _delete(tx, beads)


def _delete(tx: TownTransaction, beads: list[Bead]) -> FactsView:
    busy = [bead.bead_id for bead in beads if find_live_session_of_bead(tx, bead.bead_id)]
    if busy:
        raise Conflict(ErrorCode.BEAD_BUSY, details={"beads": busy})
    for bead in beads:
        end_reviews_of(tx, bead.bead_id, code="source_deleted")
        convoy = find_convoy_of(tx, bead.bead_id)
        tx.run(_FORGET_EVENTS, bead.bead_id)
        delete_bead(tx, bead.bead_id)
        if convoy is not None:
            recount_convoy(tx, convoy.bead_id)
    return FactsView(facts={"deleted": len(beads)})
