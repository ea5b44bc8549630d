"""The audit: what changed, in the order in which it did. Append only."""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.actors.town.model import Bead, EventType
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId, BeadId, RigId, SessionId
from boomtown.wire import decode_json, encode_json_text

_COLUMNS = (
    "seq, bead_event_id, bead_id, rig_id, agent_id, session_id, event_type, old_value, new_value,"
    " metadata, created_at_ms"
)
_INSERT = (
    "INSERT INTO bead_events (bead_event_id, bead_id, rig_id, agent_id, session_id, event_type,"
    " old_value, new_value, metadata, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LIST = (
    f"SELECT {_COLUMNS} FROM bead_events WHERE (? IS NULL OR rig_id = ?)"
    " AND (? IS NULL OR agent_id = ?) AND created_at_ms >= ? AND seq > ? ORDER BY seq LIMIT ?"
)
_LIST_NEWEST = f"SELECT {_COLUMNS} FROM bead_events ORDER BY seq DESC LIMIT ?"


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    bead_event_id: str
    bead_id: BeadId | None
    rig_id: RigId | None
    agent_id: AgentId | None
    session_id: SessionId | None
    event_type: EventType
    old_value: str | None
    new_value: str | None
    metadata: dict[str, Any]
    created_at_ms: int


def record_audit(
    tx: TownTransaction,
    event_type: EventType,
    *,
    bead: Bead | None = None,
    rig_id: RigId | None = None,
    agent_id: AgentId | None = None,
    session_id: SessionId | None = None,
    old_value: str | None = None,
    new_value: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """One row. The rig is the bead's unless given, the session the transaction's speaker."""
    tx.run(
        _INSERT,
        tx.new_id(),
        None if bead is None else bead.bead_id,
        rig_id if rig_id is not None or bead is None else bead.rig_id,
        agent_id,
        session_id or tx.speaker,
        event_type.value,
        old_value,
        new_value,
        encode_json_text(metadata or {}),
        tx.now_ms,
    )


def list_audit(
    tx: TownTransaction,
    *,
    rig_id: RigId | None = None,
    agent_id: AgentId | None = None,
    since_ms: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[AuditEvent]:
    """Oldest first, those with a `seq` past `after`."""
    since, seq = since_ms or 0, after or 0
    rows = tx.rows(_LIST, rig_id, rig_id, agent_id, agent_id, since, seq, limit)
    return [_event(row) for row in rows]


def list_newest_audit(tx: TownTransaction, *, limit: int) -> list[AuditEvent]:
    """The newest rows, oldest of them first."""
    return [_event(row) for row in reversed(tx.rows(_LIST_NEWEST, limit))]


def _event(row: tuple[Any, ...]) -> AuditEvent:
    return AuditEvent(
        seq=row[0],
        bead_event_id=row[1],
        bead_id=row[2],
        rig_id=row[3],
        agent_id=row[4],
        session_id=row[5],
        event_type=EventType(row[6]),
        old_value=row[7],
        new_value=row[8],
        metadata=decode_json(row[9]),
        created_at_ms=row[10],
    )
