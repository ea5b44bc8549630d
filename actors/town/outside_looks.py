"""What has to be seen of the outside before a command or a question can be judged.

No transaction awaits, so the town looks first: it reads the rows to know where, asks the port, and
then judges in one transaction with what was seen as a value. The rows may have changed meanwhile:
they are read again there. Only here does a command await anything before its transaction, and
nothing is written here.
"""

from __future__ import annotations

import logging

from boomtown.actors.town.commands import Command
from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    RestoreSession,
    SpawnSession,
)
from boomtown.actors.town.model import SessionState
from boomtown.actors.town.ports import Containers
from boomtown.actors.town.questions import PreflightSpawn, Question
from boomtown.actors.town.sightings import Seen
from boomtown.actors.town.spawn_facts import look_order, look_order_of, preflight_order
from boomtown.actors.town.store_sessions import find_session, list_kept_sessions, list_live_sessions
from boomtown.actors.town.store_town import find_rig, find_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import LookOrder, LookOutcome, Unknown
from boomtown.ids import RigId, SessionId

logger = logging.getLogger("boomtown.town")

LOOKING = (SpawnSession, PreflightSpawn, RestoreSession, CleanUpSessions)
UNSEEN = Seen()


async def look_first(
    tx: TownTransaction, containers: Containers, request: Command | Question
) -> Seen:
    """What the request needs to know; empty, at the cost of a comparison, for nearly all. Raises
    nothing: a port that fails has seen nothing."""
    if not isinstance(request, LOOKING) or find_town(tx) is None:
        return UNSEEN
    match request:
        case SpawnSession(wish=wish):
            return Seen(looked=await _look(containers, look_order(tx, wish), tx))
        case PreflightSpawn(wish=wish):
            return Seen(looked=await _look(containers, preflight_order(tx, wish), tx))
        case RestoreSession(session_id=session_id):
            return Seen(looked=await _look(containers, _restore_order(tx, session_id), tx))
        case CleanUpSessions(rig_id=rig_id):
            return Seen(swept_rigs=await _sweep(tx, containers, rig_id))
        case _:
            return UNSEEN


def spared_worktrees(tx: TownTransaction) -> tuple[str, ...]:
    """What a living session that restores another may still go on in."""
    before = [
        find_session(tx, session.restored_from)
        for session in list_live_sessions(tx)
        if session.restored_from is not None
    ]
    return tuple(
        session.kept_worktree
        for session in before
        if session is not None and session.kept_worktree is not None
    )


async def _look(
    containers: Containers, order: LookOrder | None, tx: TownTransaction
) -> LookOutcome | None:
    if order is None:
        return None
    try:
        return await containers.look(order, timeout_ms=tx.limits.look_timeout_ms)
    except Exception as error:
        logger.warning("look_failed error=%s", type(error).__name__)
        return Unknown(reason=type(error).__name__)


def _restore_order(tx: TownTransaction, session_id: SessionId) -> LookOrder | None:
    session = find_session(tx, session_id)
    if session is None or session.state != SessionState.ENDED:
        return None
    rig = find_rig(tx, session.rig_id)
    if rig is None:
        return None
    return look_order_of(tx, rig, harness=session.harness, branch=session.branch)


async def _sweep(
    tx: TownTransaction, containers: Containers, rig_id: RigId | None
) -> tuple[RigId, ...]:
    """The rigs of which the kept worktrees are gone, but the spared ones; a rig that could not be
    swept is left to the next call."""
    spared = spared_worktrees(tx)
    kept = {session.rig_id for session in list_kept_sessions(tx)}
    swept: list[RigId] = []
    for rig in sorted(kept):
        if rig_id not in (None, rig):
            continue
        try:
            await containers.discard_kept(rig, spared=spared, timeout_ms=tx.limits.look_timeout_ms)
        except Exception as error:
            logger.warning("sweep_failed rig=%s error=%s", rig, type(error).__name__)
        else:
            swept.append(rig)
    return tuple(swept)
