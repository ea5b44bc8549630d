"""The inbox: what has happened, in the order in which the town learned of it.

Theory of operation. `record_event` inserts a row and nothing else; `drain` (the tick's first
phase) applies the pending rows in the order of `seq`, each in a savepoint of its own together
with its mark, so a crash or an error leaves an event applied and marked, or neither. A row that
cannot be decoded, or whose application raises, stays pending with its error and is tried at the
next tick; after `inbox_attempts_max` tries it goes to the dead letters and an escalation says so.
One bad row never blocks those behind it.

An event of a session that is over is recorded too, marked stale at once: it was said, and changes
nothing (design 5.1). Whether an event is stale is asked again when it is applied, because the
session may have ended between the two.

Called by the commands that post (record_event), by the effect workers, and by tick.py (drain,
prune). It does not know what an event does: apply_events.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from boomtown.actors.town.bead_creation import create_escalation
from boomtown.actors.town.events import (
    AgentCompleted,
    AgentDone,
    AgentWaiting,
    ContainerGone,
    ContainerNoted,
    EvictionNoted,
    ProbeAnswered,
    ProofAnswered,
    ReviewEnded,
    StartAnswered,
    StopAnswered,
    TownEvent,
)
from boomtown.actors.town.model import Priority, SessionState
from boomtown.actors.town.observer_events import ForgesChecked, RepositoryPolled
from boomtown.actors.town.session_moves import can_speak
from boomtown.actors.town.store_sessions import find_session
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import InstanceId, SessionId

_INSERT = (
    "INSERT INTO inbox (kind, session_id, payload, idempotency_key, created_at_ms, applied_at_ms,"
    " outcome) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FIND_BY_KEY = "SELECT outcome FROM inbox WHERE idempotency_key = ?"
_LIST_PENDING = (
    "SELECT seq, kind, payload, attempts, created_at_ms FROM inbox"
    " WHERE applied_at_ms IS NULL ORDER BY seq LIMIT ?"
)
_MARK = "UPDATE inbox SET applied_at_ms = ?, outcome = ?, attempts = attempts + 1 WHERE seq = ?"
_MARK_FAILED = "UPDATE inbox SET attempts = ?, last_error = ? WHERE seq = ?"
_INSERT_DEAD = (
    "INSERT INTO dead_letters (seq, kind, payload, attempts, error, created_at_ms, died_at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
# From the oldest up to the first that is kept: so only what goes is looked at, and one more.
_PRUNE = (
    "DELETE FROM inbox WHERE seq < coalesce((SELECT seq FROM inbox WHERE applied_at_ms IS NULL"
    " OR applied_at_ms >= ? ORDER BY seq LIMIT 1), 9223372036854775807)"
)
_FORGET_SESSION = "DELETE FROM inbox WHERE session_id = ? AND applied_at_ms IS NULL"
_COUNT_PENDING = "SELECT count(*), min(created_at_ms) FROM inbox WHERE applied_at_ms IS NULL"

ERROR_CHARACTERS_MAX = 500  # of an error kept with its row: enough to find it


class DrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one drain did."""

    applied: int = 0
    stale: int = 0
    failed: int = 0  # still pending, with their errors
    dead: int = 0


class PendingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A row that waits; `payload` is not decoded yet."""

    seq: int
    kind: str
    payload: str
    attempts: int
    created_at_ms: int


def record_event(tx: TownTransaction, event: TownEvent, *, idempotency_key: str | None) -> bool:
    """Put an event into the inbox; True when it is stale. The same key again records nothing and
    answers as the first time. Arming the alarm is the caller's."""
    if idempotency_key is not None:
        known = tx.find_row(_FIND_BY_KEY, idempotency_key)
        if known is not None:
            return bool(known[0] == "stale")
    stale = is_stale(tx, event)
    tx.run(
        _INSERT,
        str(type(event).__struct_config__.tag),
        _session_of(event),
        msgspec.json.encode(event).decode(),
        idempotency_key,
        tx.now_ms,
        tx.now_ms if stale else None,
        "stale" if stale else None,
    )
    return stale


def gone_key(instance_id: InstanceId) -> str:
    """The idempotency key under which the end of an instance is told."""
    return f"gone:{instance_id}"


def is_known_gone(tx: TownTransaction, instance_id: InstanceId) -> bool:
    """Whether the end of an instance was told, applied or not; known as long as the inbox keeps
    what was applied."""
    return tx.find_row(_FIND_BY_KEY, gone_key(instance_id)) is not None


def is_stale(tx: TownTransaction, event: TownEvent) -> bool:
    """Whether an agent's word comes from a session that may not say it any more. What the
    town's own effects and the manager report is never stale as a whole."""
    match event:
        case AgentDone() | ReviewEnded():
            session = find_session(tx, event.session_id)
            return session is None or not can_speak(session, now_ms=tx.now_ms)
        case AgentCompleted() | EvictionNoted() | AgentWaiting():
            session = find_session(tx, event.session_id)
            return session is None or session.state == SessionState.ENDED
        case _:
            return False


def drain(tx: TownTransaction, apply: Callable[[TownTransaction, TownEvent], bool]) -> DrainReport:
    """Apply what is pending, at most `inbox_events_per_tick_max`. `apply` answers whether the
    event was stale; what it raises costs the event one of its attempts."""
    counts = {"applied": 0, "stale": 0, "failed": 0, "dead": 0}
    for row in tx.rows(_LIST_PENDING, tx.limits.inbox_events_per_tick_max):
        pending = PendingEvent(
            seq=row[0], kind=row[1], payload=row[2], attempts=row[3], created_at_ms=row[4]
        )
        counts[_apply_one(tx, pending, apply)] += 1
    return DrainReport(**counts)


def prune(tx: TownTransaction) -> None:
    """Forget what was applied long ago, once everything older is forgotten."""
    tx.run(_PRUNE, tx.now_ms - tx.limits.processed_inbox_kept_ms)


def forget_pending_of(tx: TownTransaction, session_id: SessionId) -> None:
    """Drop what a session said and nobody applied: its bead or agent was deleted (row 37)."""
    tx.run(_FORGET_SESSION, session_id)


def count_pending(tx: TownTransaction) -> tuple[int, int | None]:
    """(how many wait, since when the oldest does)."""
    row = tx.recall(Part.INBOX, lambda: tx.find_row(_COUNT_PENDING))
    assert row is not None
    return int(row[0]), row[1]


def _apply_one(
    tx: TownTransaction,
    pending: PendingEvent,
    apply: Callable[[TownTransaction, TownEvent], bool],
) -> str:
    def work() -> str:
        event: Any = msgspec.json.decode(pending.payload, type=TownEvent)
        session_id = _session_of(event)
        speaking = msgspec.structs.replace(
            tx,
            speaker=session_id,
            actor=tx.actor if session_id is None else f"session:{session_id}",
            reason=pending.kind,
        )
        outcome = "stale" if apply(speaking, event) else "applied"
        tx.run(_MARK, tx.now_ms, outcome, pending.seq)
        return outcome

    try:
        return tx.in_savepoint(work)
    except Exception as error:  # whatever is wrong with one event must not stop the others
        message = f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX]
    attempts = pending.attempts + 1
    if attempts < tx.limits.inbox_attempts_max:
        tx.run(_MARK_FAILED, attempts, message, pending.seq)
        return "failed"
    _bury(tx, pending, attempts=attempts, message=message)
    return "dead"


def _bury(tx: TownTransaction, pending: PendingEvent, *, attempts: int, message: str) -> None:
    tx.run(
        _INSERT_DEAD,
        pending.seq,
        pending.kind,
        pending.payload,
        attempts,
        message,
        pending.created_at_ms,
        tx.now_ms,
    )
    tx.run(_MARK, tx.now_ms, "dead", pending.seq)
    create_escalation(
        tx,
        rig_id=None,
        title=f"An event could not be applied: {pending.kind}",
        body=message,
        severity=Priority.HIGH,
        category="dead_letter",
        key=f"dead-letter:{pending.seq}",
        metadata={"seq": pending.seq, "kind": pending.kind, "attempts": attempts},
    )


def _session_of(event: TownEvent) -> SessionId | None:
    match event:
        case ContainerGone() | ContainerNoted() | ForgesChecked() | RepositoryPolled():
            return None
        case (
            AgentDone()
            | AgentCompleted()
            | ReviewEnded()
            | EvictionNoted()
            | AgentWaiting()
            | StartAnswered()
            | ProbeAnswered()
            | StopAnswered()
            | ProofAnswered()
        ):
            return event.session_id
