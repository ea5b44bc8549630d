"""Ending an employment: fire a worker, remove an architect; one verb, one transaction.

Theory of operation. A dismissal releases what the agent holds and keeps what it did. In one
transaction its workers get another boss (or keep one who is gone, where that was forced), its
watches are deleted, undelivered mail to it goes to whoever takes over, its session loses its right
to the bead, which reopens by compare and set (session_moves), and the log says who did it and why.
From that commit on its repositories and its bead are free, whatever its body does; its name is
when that has ended, so that no log speaks of two at once.

The body is ended afterwards, by the effect of that session's stop, which is tried again until it
is answered. Until then the agent is `offboarding`; the end of its session makes it `offboarded`
(session_moves). A crash before the commit leaves everything as it was; one after it leaves the
row of the effect, and the next object of the town goes on from there.

Memory, gateway decisions, reviewed pull requests and history are never touched. A body that dies
is no dismissal: nothing here is called for one.
"""

from __future__ import annotations

import logging
import shlex
from typing import Any

import msgspec

from boomtown.actors.town.bosses import (
    find_reassign_target,
    move_workers,
    worker_facts,
)
from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_roster import OffboardAgent
from boomtown.actors.town.idempotency import principal_of
from boomtown.actors.town.model import Agent, BeadStatus, Employment, Session, SessionState, Watch
from boomtown.actors.town.roster_log import RosterVerb, record_roster
from boomtown.actors.town.session_moves import release_bead, request_stop
from boomtown.actors.town.store_agents import find_mayor, get_agent, update_agent
from boomtown.actors.town.store_beads import update_bead
from boomtown.actors.town.store_roster import list_workers
from boomtown.actors.town.store_satellites import list_undelivered_mail, update_mail
from boomtown.actors.town.store_sessions import find_live_session, get_session, update_session
from boomtown.actors.town.store_watches import delete_watch, list_watches
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.actors.town.views import AgentView, NothingView
from boomtown.actors.town.views_of import agent_view
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest

logger = logging.getLogger("boomtown.town")

REASON_OFFBOARDED = "offboarded"  # of the session that a dismissal ends

_FORGET_PREFERENCE = (
    "UPDATE beads SET assignee_agent_id = NULL WHERE assignee_agent_id = ? AND status = 'open'"
    " AND type != 'message'"
)


class Dismissal(msgspec.Struct, frozen=True, kw_only=True):
    """Who dismisses, why, and what becomes of the workers."""

    caller: Caller
    reason: str | None
    heir: Agent | None = None  # gets the workers, and the mail
    force: bool = False  # workers keep a boss who is gone


def handle_offboard(
    tx: TownTransaction, caller: Caller, command: OffboardAgent
) -> AgentView | NothingView:
    """Nothing when the agent has left; its view while its body is still to be ended. The same
    call again changes nothing."""
    agent = get_agent(tx, command.agent_id)
    if agent.role == AgentRole.MAYOR:
        raise InvalidRequest(ErrorCode.MAYOR_NOT_REMOVABLE)
    if command.force and command.reassign_to is not None:
        raise InvalidRequest(ErrorCode.CONFLICTING_OPTIONS)
    if agent.employment == Employment.HIRED:
        heir = None
        if command.reassign_to is not None:
            heir = find_reassign_target(tx, agent, command.reassign_to)
        dismissal = Dismissal(caller=caller, reason=command.reason, heir=heir, force=command.force)
        dismiss(tx, agent, dismissal)
    left = get_agent(tx, agent.agent_id)
    return NothingView() if left.employment == Employment.OFFBOARDED else agent_view(tx, left)


def dismiss(tx: TownTransaction, agent: Agent, dismissal: Dismissal) -> None:
    """End the employment of a hired agent. Raises AGENT_HAS_WORKERS before any write where it has
    some and nothing was said of them."""
    workers = list_workers(tx, agent.agent_id)
    if workers and dismissal.heir is None and not dismissal.force:
        raise _has_workers(tx, agent, workers)
    details: dict[str, Any] = {"name": agent.name, "forced": bool(workers) and dismissal.force}
    if workers and dismissal.heir is not None:
        moved = move_workers(tx, agent, dismissal.heir, is_leaving=True)
        details["moved"] = {"to": dismissal.heir.agent_id, "workers": moved}
    elif workers:
        details["orphans"] = [worker.agent_id for worker in workers]
        logger.warning(
            "agent_offboarded_over_workers agent=%s name=%s orphans=%d",
            agent.agent_id,
            agent.name,
            len(workers),
        )
    details["watches"] = [_release_watch(tx, watch) for watch in list_watches(tx, agent.agent_id)]
    details["mail"] = _pass_on_mail(tx, agent, dismissal.heir or find_mayor(tx))
    _let_go(tx, agent, dismissal)
    record_roster(
        tx,
        RosterVerb.OFFBOARDED,
        caller=dismissal.caller,
        agent_id=agent.agent_id,
        reason=dismissal.reason,
        details=details,
    )


def _let_go(tx: TownTransaction, agent: Agent, dismissal: Dismissal) -> None:
    """The employment, then the session: whose end, at once or later, finds an agent that leaves."""
    session = find_live_session(tx, agent.agent_id)
    update_agent(
        tx,
        agent.agent_id,
        employment=Employment.OFFBOARDED if session is None else Employment.OFFBOARDING,
        offboarded_at_ms=tx.now_ms if session is None else None,
        offboard_reason=dismissal.reason,
        offboarded_by=principal_of(dismissal.caller),
        waiting_since_ms=None,
    )
    if session is not None:
        _take_right(tx, session)
    tx.run(_FORGET_PREFERENCE, agent.agent_id)


def _take_right(tx: TownTransaction, session: Session) -> None:
    """A body that completed and might still say how it went may not any more."""
    if session.state == SessionState.ENDING and session.done_grace_until_ms is not None:
        update_session(tx, session.session_id, done_grace_until_ms=None)
        release_bead(tx, session, counts_attempt=False, is_proven=True)
    request_stop(tx, get_session(tx, session.session_id), reason=REASON_OFFBOARDED)


def _release_watch(tx: TownTransaction, watch: Watch) -> str:
    delete_watch(tx, watch.watch_id)
    return f"{watch.forge}/{watch.repo_owner}/{watch.repo_name}"


def _pass_on_mail(tx: TownTransaction, agent: Agent, to: Agent | None) -> dict[str, Any]:
    """Undelivered mail to somebody who can read it; without anybody it is closed unread."""
    letters = list_undelivered_mail(tx, agent.agent_id)
    for letter in letters:
        if to is None:
            change_bead_status(tx, letter.bead_id, BeadStatus.CLOSED)
        else:
            update_mail(tx, letter.bead_id, to_agent_id=to.agent_id)
            update_bead(tx, letter.bead_id, assignee_agent_id=to.agent_id)
    return {"count": len(letters), "to": None if to is None else to.agent_id}


def _has_workers(tx: TownTransaction, agent: Agent, workers: list[Agent]) -> Conflict:
    who = shlex.quote(agent.name)
    return Conflict(
        ErrorCode.AGENT_HAS_WORKERS,
        f"{agent.name} has {len(workers)} {'worker' if len(workers) == 1 else 'workers'}",
        details={
            "agent": {"id": agent.agent_id, "name": agent.name},
            "count": len(workers),
            "workers": [worker_facts(tx, worker) for worker in workers],
            "remedies": [
                f"boomtown offboard {who} --reassign-to mayor",
                f"boomtown offboard {who} --force",
            ],
        },
    )
