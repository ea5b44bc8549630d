"""Sessions, the fence, and the effects that the town wants done for them."""

from __future__ import annotations

from boomtown.actors.town.model import Effect, Session
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import AgentId, BeadId, RigId, SessionId

SESSIONS = Table("sessions", Session, key="session_id")
EFFECTS = Table("effects", Effect, key="effect_id")

_FIND_LIVE_OF_AGENT = f"{SESSIONS.select} WHERE agent_id = ? AND state != 'ended'"
_FIND_LIVE_OF_BEAD = f"{SESSIONS.select} WHERE bead_id = ? AND state != 'ended'"
_FIND_LAST_OF_AGENT = f"{SESSIONS.select} WHERE agent_id = ? ORDER BY generation DESC LIMIT 1"
_LIST_LIVE = f"{SESSIONS.select} WHERE state != 'ended' ORDER BY claimed_at_ms, session_id"
_LIST_LIVE_OF_RIG = (
    f"{SESSIONS.select} WHERE rig_id = ? AND state != 'ended' ORDER BY claimed_at_ms, session_id"
)
_LIST_SESSIONS = (
    f"{SESSIONS.select} WHERE bead_id = coalesce(?, bead_id)"
    " ORDER BY claimed_at_ms, session_id LIMIT ?"
)
_LIST_KEPT = f"{SESSIONS.select} WHERE kept_worktree IS NOT NULL ORDER BY claimed_at_ms, session_id"
_LAST_GENERATION = "SELECT coalesce(max(generation), 0) FROM sessions WHERE agent_id = ?"
_FIND_EFFECT_BY_KEY = f"{EFFECTS.select} WHERE key = ?"
_LIST_UNANSWERED = (
    f"{EFFECTS.select} WHERE state != 'answered' ORDER BY due_at_ms, created_at_ms, effect_id"
)
_RESET_RUNNING = "UPDATE effects SET state = 'pending' WHERE state = 'running'"


def find_session(tx: TownTransaction, session_id: SessionId) -> Session | None:
    return SESSIONS.find(tx, session_id)


def get_session(tx: TownTransaction, session_id: SessionId) -> Session:
    session = find_session(tx, session_id)
    if session is None:
        raise NotFound(ErrorCode.SESSION_NOT_FOUND)
    return session


def find_live_session(tx: TownTransaction, agent_id: AgentId) -> Session | None:
    """The agent's session that is not ended: its bead is the agent's hook."""
    return SESSIONS.find_where(tx, _FIND_LIVE_OF_AGENT, agent_id)


def find_live_session_of_bead(tx: TownTransaction, bead_id: BeadId) -> Session | None:
    return SESSIONS.find_where(tx, _FIND_LIVE_OF_BEAD, bead_id)


def find_last_session(tx: TownTransaction, agent_id: AgentId) -> Session | None:
    """The agent's newest session, ended or not."""
    return SESSIONS.find_where(tx, _FIND_LAST_OF_AGENT, agent_id)


def list_live_sessions(tx: TownTransaction) -> list[Session]:
    """Oldest first."""
    return SESSIONS.list_where(tx, _LIST_LIVE)


def list_live_sessions_of_rig(tx: TownTransaction, rig_id: RigId) -> list[Session]:
    return SESSIONS.list_where(tx, _LIST_LIVE_OF_RIG, rig_id)


def list_sessions(tx: TownTransaction, *, bead_id: BeadId | None, limit: int) -> list[Session]:
    """Oldest first; of one bead, or of the town."""
    return SESSIONS.list_where(tx, _LIST_SESSIONS, bead_id, limit)


def list_kept_sessions(tx: TownTransaction) -> list[Session]:
    """Ended ones whose uncommitted work was put aside, oldest first."""
    return SESSIONS.list_where(tx, _LIST_KEPT)


def next_generation(tx: TownTransaction, agent_id: AgentId) -> int:
    """From 1, one more than the agent's last session."""
    row = tx.find_row(_LAST_GENERATION, agent_id)
    assert row is not None
    return int(row[0]) + 1


def insert_session(tx: TownTransaction, session: Session) -> None:
    SESSIONS.insert(tx, session)


def update_session(tx: TownTransaction, session_id: SessionId, **columns: object) -> None:
    SESSIONS.update(tx, session_id, columns)


def find_effect(tx: TownTransaction, effect_id: str) -> Effect | None:
    return EFFECTS.find(tx, effect_id)


def find_effect_by_key(tx: TownTransaction, key: str) -> Effect | None:
    return EFFECTS.find_where(tx, _FIND_EFFECT_BY_KEY, key)


def list_unanswered_effects(tx: TownTransaction) -> tuple[Effect, ...]:
    """Pending and running, the earliest due first."""
    return tx.recall(Part.EFFECTS, lambda: tuple(EFFECTS.list_where(tx, _LIST_UNANSWERED)))


def insert_effect(tx: TownTransaction, effect: Effect) -> None:
    EFFECTS.insert(tx, effect)


def update_effect(tx: TownTransaction, effect_id: str, **columns: object) -> None:
    EFFECTS.update(tx, effect_id, columns)


def reset_running_effects(tx: TownTransaction) -> None:
    """What was being done when the server ended is to be done again."""
    tx.run(_RESET_RUNNING)
