"""Whether what a caller says about an agent counts: the fence, for synchronous calls.

A session's call, and a container's for a session, counts while that session may speak. An
operator speaks for an agent only while its session is an attached one, or while it has none
(decisions 31): an agent that the town started speaks for itself. What does not count is answered
`stale: true` on the routes that say so, and changes nothing; every other route refuses a session
that is over with SESSION_ENDED (decisions 55).
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.model import EXTERNAL_HARNESS, Agent, Session, SessionState
from boomtown.actors.town.session_moves import can_speak
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_sessions import find_live_session, find_session
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound
from boomtown.ids import AgentId, BeadId, RigId

AGENT_CALLERS = frozenset({CallerKind.SESSION, CallerKind.CONTAINER})


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """Who is spoken of, through which session, and whether it counts."""

    agent: Agent
    session: Session | None
    is_stale: bool


def check_fence(tx: TownTransaction, caller: Caller, *, rig_id: RigId, agent_id: AgentId) -> Fence:
    """Raises AGENT_NOT_FOUND for an agent that is not of this rig, FORBIDDEN_AGENT for one that
    is not the caller."""
    agent = get_agent(tx, agent_id)
    if agent.rig_id not in (None, rig_id):
        raise NotFound(ErrorCode.AGENT_NOT_FOUND)
    if caller.kind in AGENT_CALLERS:
        if caller.agent_id not in (None, agent_id):
            raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
        session = _session_of(tx, caller)
        is_own = session is not None and session.agent_id == agent_id
        counts = is_own and session is not None and can_speak(session, now_ms=tx.now_ms)
        return Fence(agent=agent, session=session if is_own else None, is_stale=not counts)
    session = find_live_session(tx, agent_id)
    if session is None:
        return Fence(agent=agent, session=None, is_stale=False)
    is_attached = session.harness == EXTERNAL_HARNESS and can_speak(session, now_ms=tx.now_ms)
    return Fence(agent=agent, session=session, is_stale=not is_attached)


def check_session_lives(tx: TownTransaction, caller: Caller) -> None:
    """Refuse a caller whose session is over; for every command that has no `stale` answer."""
    if caller.kind not in AGENT_CALLERS or caller.session_id is None:
        return
    session = _session_of(tx, caller)
    if session is None or session.state == SessionState.ENDED:
        raise AccessDenied(ErrorCode.SESSION_ENDED)


def check_own_bead(tx: TownTransaction, caller: Caller, bead_id: BeadId) -> None:
    """An agent moves no bead but its own session's; the mayor's session speaks for the town."""
    if caller.kind not in AGENT_CALLERS or caller.session_id is None:
        return
    session = _session_of(tx, caller)
    if session is not None and can_speak(session, now_ms=tx.now_ms):
        if session.bead_id == bead_id:
            return
        if get_agent(tx, session.agent_id).role == AgentRole.MAYOR:
            return
    raise AccessDenied(
        ErrorCode.SESSION_ENDED, "The session does not work on this bead", details={"bead": bead_id}
    )


def actor_of(caller: Caller) -> str:
    """Who it is, for `created_by`: the agent, else the user."""
    return caller.agent_id or caller.user_id


def _session_of(tx: TownTransaction, caller: Caller) -> Session | None:
    return None if caller.session_id is None else find_session(tx, caller.session_id)
