"""What agents' reports mean to the observer: a done is a reason to look soon, and a reviewer's done
is believed when its review stands at the forge."""

from __future__ import annotations

from boomtown.actors.town.events import AgentDone
from boomtown.actors.town.model import Bead, BeadStatus, Session
from boomtown.actors.town.observer_model import ObserverState
from boomtown.actors.town.session_moves import accept_verdict, release_bead
from boomtown.actors.town.store_prs import (
    find_observer,
    find_pr_review,
    is_reviewed,
    update_observer,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.container_sim.model import Verdict


def poke_observer(tx: TownTransaction) -> None:
    """Have all repositories looked at `patrol_poke_ms` from now; what is said meanwhile moves the
    look along, so that several that come together are one look."""
    observer = find_observer(tx)
    if observer is None or observer.state != ObserverState.ACTIVE:
        return
    update_observer(tx, next_poll_at_ms=tx.now_ms + tx.limits.patrol_poke_ms)


def finish_patrol(tx: TownTransaction, session: Session, bead: Bead, event: AgentDone) -> bool:
    """A review that the gateway has posted is done, whatever its session calls it; one that was
    never posted is asked for again, as an attempt."""
    review = find_pr_review(tx, bead.bead_id)
    if review is not None and is_reviewed(tx, review):
        change = change_bead_status(
            tx,
            bead.bead_id,
            BeadStatus.CLOSED,
            agent_id=session.agent_id,
            session_id=session.session_id,
        )
        accept_verdict(tx, session, verdict=event.verdict or Verdict.SUBMITTED)
        return not change.changed
    release_bead(tx, session, counts_attempt=True, is_proven=False)
    accept_verdict(tx, session, verdict=Verdict.ABANDONED)
    return False
