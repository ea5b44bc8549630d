"""The log of employments and endings: who did what to whom, and why. Append only, kept for ever.

Every ending that a person or an agent asked for has a row here (roster.md I19), written in the
transaction that did it.
"""

from __future__ import annotations

import enum
from typing import Any

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.idempotency import principal_of
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, SessionId
from boomtown.wire import encode_json_text

_INSERT = (
    "INSERT INTO roster_log (entry_id, agent_id, session_id, verb, actor, reason, details,"
    " created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class RosterVerb(enum.StrEnum):
    HIRED = "hired"
    OFFBOARDED = "offboarded"
    REASSIGNED = "reassigned"
    KILLED = "killed"
    ROLLED_BACK = "rolled_back"
    RESTORED = "restored"
    ENDED = "ended"


def record_roster(
    tx: TownTransaction,
    verb: RosterVerb,
    *,
    caller: Caller,
    agent_id: AgentId,
    session_id: SessionId | None = None,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """One row; the actor is the caller's principal."""
    record_ending(
        tx,
        verb,
        actor=principal_of(caller),
        agent_id=agent_id,
        session_id=session_id,
        reason=reason,
        details=details or {},
    )


def record_ending(
    tx: TownTransaction,
    verb: RosterVerb,
    *,
    actor: str,
    agent_id: AgentId,
    session_id: SessionId | None,
    reason: str | None,
    details: dict[str, Any],
) -> None:
    """One row for what nobody called for: a part of the town did it."""
    tx.run(
        _INSERT,
        tx.new_id(),
        agent_id,
        session_id,
        verb.value,
        actor,
        reason,
        encode_json_text(details),
        tx.now_ms,
    )
