"""What the breaker of dispatch rests on: failed starts, the newest success, the opening."""

from __future__ import annotations

from boomtown.actors.town.model import Breaker
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import SessionId

_FIND = "SELECT opened_at_ms, last_start_at_ms FROM breaker WHERE only_row = 1"
_LIST_FAILED = "SELECT failed_at_ms FROM failed_starts WHERE failed_at_ms > ? ORDER BY failed_at_ms"
_NOTE_START = (
    "INSERT INTO breaker (only_row, last_start_at_ms) VALUES (1, ?)"
    " ON CONFLICT (only_row) DO UPDATE SET last_start_at_ms = excluded.last_start_at_ms"
)
_SET_OPENED = (
    "INSERT INTO breaker (only_row, opened_at_ms) VALUES (1, ?)"
    " ON CONFLICT (only_row) DO UPDATE SET opened_at_ms = excluded.opened_at_ms"
)
_NOTE_FAILED = "INSERT OR IGNORE INTO failed_starts (session_id, failed_at_ms) VALUES (?, ?)"
_FORGET_ALL = "DELETE FROM failed_starts"
_FORGET_OLD = "DELETE FROM failed_starts WHERE failed_at_ms <= ?"


def read_breaker(tx: TownTransaction) -> Breaker:
    """The facts at this instant; those of a town that never started anything are empty."""
    begin_ms = _window_begin_ms(tx)
    # What is remembered may go further back than the window.
    (opened_at_ms, last_start_at_ms), rows = tx.recall(Part.BREAKER, lambda: _read(tx, begin_ms))
    failed = [at_ms for at_ms in rows if at_ms > begin_ms]
    return Breaker(
        opened_at_ms=opened_at_ms,
        last_start_at_ms=last_start_at_ms,
        failed_starts=len(failed),
        last_failed_at_ms=failed[-1] if failed else None,
    )


def note_start(tx: TownTransaction) -> None:
    """A new body gave its first sign of life."""
    tx.run(_NOTE_START, tx.now_ms)


def note_failed_start(tx: TownTransaction, session_id: SessionId) -> None:
    """A start failed; told twice, it counts once."""
    tx.run(_NOTE_FAILED, session_id, tx.now_ms)


def open_breaker(tx: TownTransaction) -> None:
    tx.run(_SET_OPENED, tx.now_ms)


def close_breaker(tx: TownTransaction) -> None:
    """Closed, with a clean slate: what failed before does not open it again."""
    tx.run(_SET_OPENED, None)
    tx.run(_FORGET_ALL)


def prune_failed_starts(tx: TownTransaction) -> None:
    """Forget what is out of the window."""
    tx.run(_FORGET_OLD, _window_begin_ms(tx))


def _window_begin_ms(tx: TownTransaction) -> int:
    begin_ms: int = tx.now_ms - tx.limits.breaker_window_ms
    return begin_ms


def _read(
    tx: TownTransaction, begin_ms: int
) -> tuple[tuple[int | None, int | None], tuple[int, ...]]:
    opened_at_ms, last_start_at_ms = tx.find_row(_FIND) or (None, None)
    failed = tuple(int(at_ms) for (at_ms,) in tx.rows(_LIST_FAILED, begin_ms))
    return (opened_at_ms, last_start_at_ms), failed
