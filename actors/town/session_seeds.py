"""Sessions of which nothing was ever asked of the outside: the only ones that can be deleted.

A seed is claimed, its phase says that no start was sent, and it has no worktree and no handle
(decisions 30). Deleting one undoes the claim: its bead is as it was, or gone when the spawn made
it. Readers of the feed saw the session come; a tombstone tells them that it never was.
"""

from __future__ import annotations

from boomtown.actors.town.feed_log import append_tombstone, forget_session_rows
from boomtown.actors.town.model import Session, SessionPhase, SessionState
from boomtown.actors.town.session_moves import release_bead
from boomtown.actors.town.store_beads import delete_bead, find_bead, update_bead
from boomtown.actors.town.store_sessions import find_session
from boomtown.actors.town.transaction import TownTransaction

_FORGET_EVENTS = "DELETE FROM inbox WHERE session_id = ? AND applied_at_ms IS NULL"
_FORGET_AUDIT = "DELETE FROM bead_events WHERE session_id = ?"
# The predicates of `is_seed` again: what is not a seed by now is not deleted.
_DELETE = (
    "DELETE FROM sessions WHERE session_id = ? AND state = 'claimed' AND phase = 'seed'"
    " AND worktree IS NULL AND instance_id IS NULL AND pid IS NULL"
)
ROLLED_BACK_TOPIC = "session.rolled_back"


def is_seed(session: Session) -> bool:
    return (
        session.state == SessionState.CLAIMED
        and session.phase == SessionPhase.SEED
        and session.worktree is None
        and session.instance_id is None
        and session.pid is None
    )


def delete_seed(tx: TownTransaction, session: Session) -> bool:
    """Undo a claim. False, with nothing changed, for a session that is no seed by now."""
    if not is_seed(session):
        return False
    release_bead(tx, session, counts_attempt=False, is_proven=True)
    tx.run(_FORGET_EVENTS, session.session_id)
    tx.run(_FORGET_AUDIT, session.session_id)
    forget_session_rows(tx, session.session_id)
    tx.run(_DELETE, session.session_id)
    assert find_session(tx, session.session_id) is None, "a seed by its row is one by its predicate"
    bead = find_bead(tx, session.bead_id)
    if bead is not None and session.made_bead:
        delete_bead(tx, bead.bead_id)
    elif bead is not None and bead.assignee_agent_id == session.agent_id:
        update_bead(tx, bead.bead_id, assignee_agent_id=None)
    append_tombstone(
        tx,
        topic=ROLLED_BACK_TOPIC,
        entity="session",
        entity_id=session.session_id,
        rig_id=session.rig_id,
        payload={"session_id": session.session_id},
    )
    return True
