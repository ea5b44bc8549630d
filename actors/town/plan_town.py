"""What the town decides about itself: when a drain is over, and whether anything may start.

The breaker of dispatch (row 71) looks at starts that failed: rejected ones, and bodies that were
proven dead before their first sign of life. What runs, however long, is no failure. So many of
them within the window open it, and nothing more is started; one escalation says so, once per
opening. After a pause without a failed start it is half open: one start at a time is let
through, and the next sign of life of a new body closes it; a failure begins another pause.

    closed     so many failed starts in the window: open
    open       breaker_pause_ms after the opening, or after the newest failed start: half open
    half open  a start succeeds: closed, and the failures are forgotten; one fails: open

The state is a function of rows (the opening, the failures, the newest success) and the clock, so
a restart changes nothing of it. `throttle` is applied to the whole plan, whoever wanted the start.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import assert_never

from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    ClaimWork,
    CloseBreaker,
    EndDrain,
    OpenBreaker,
    SendStart,
)
from boomtown.actors.town.model import EXTERNAL_HARNESS, Breaker, SessionState
from boomtown.actors.town.snapshot import Snapshot
from boomtown.limits import TownLimits

_STARTS = SendStart | ClaimWork | ClaimReview


class BreakerState(enum.StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> Iterator[Action]:
    """At most one action on the drain and one on the breaker."""
    drain_ends_at = drain_ends_at_ms(snapshot, limits=limits)
    if drain_ends_at is not None and now_ms >= drain_ends_at:
        yield EndDrain(started_at_ms=drain_ends_at - limits.drain_ms_max)
    breaker = snapshot.breaker
    if breaker.opened_at_ms is None:
        if breaker.failed_starts >= limits.breaker_failed_starts_max:
            yield OpenBreaker(failed_starts=breaker.failed_starts)
    elif breaker.last_start_at_ms is not None and breaker.last_start_at_ms > breaker.opened_at_ms:
        yield CloseBreaker(opened_at_ms=breaker.opened_at_ms)


def throttle(
    actions: tuple[Action, ...], snapshot: Snapshot, *, now_ms: int, limits: TownLimits
) -> tuple[Action, ...]:
    """The plan without the starts, and the claims that lead to them, that the breaker holds."""
    left = _starts_left(snapshot, now_ms=now_ms, limits=limits)
    if left is None:
        return actions
    kept: list[Action] = []
    for action in actions:
        if isinstance(action, _STARTS):
            left -= 1
            if left < 0:
                continue
        kept.append(action)
    return tuple(kept)


def _starts_left(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> int | None:
    """How many starts this plan may have; None: any number."""
    state = breaker_state(snapshot.breaker, now_ms=now_ms, limits=limits)
    match state:
        case BreakerState.CLOSED:
            return None
        case BreakerState.OPEN:
            return 0
        case BreakerState.HALF_OPEN:
            return 0 if _is_probing(snapshot) else 1
        case _:
            assert_never(state)


def breaker_state(breaker: Breaker, *, now_ms: int, limits: TownLimits) -> BreakerState:
    """Which of the three it is at this instant; open from the instant that it should open."""
    if breaker.opened_at_ms is None:
        is_due = breaker.failed_starts >= limits.breaker_failed_starts_max
        return BreakerState.OPEN if is_due else BreakerState.CLOSED
    probe_at = probe_at_ms(breaker, limits=limits)
    is_open = probe_at is None or now_ms < probe_at
    return BreakerState.OPEN if is_open else BreakerState.HALF_OPEN


def probe_at_ms(breaker: Breaker, *, limits: TownLimits) -> int | None:
    """When an open breaker lets a start through; None while it is closed."""
    if breaker.opened_at_ms is None:
        return None
    return max(breaker.opened_at_ms, breaker.last_failed_at_ms or 0) + limits.breaker_pause_ms


def drain_ends_at_ms(snapshot: Snapshot, *, limits: TownLimits) -> int | None:
    """When a drain that nobody ends is over all the same; None without one."""
    town = snapshot.town
    if not town.is_draining or town.drain_started_at_ms is None:
        return None
    return town.drain_started_at_ms + limits.drain_ms_max


def due_times(snapshot: Snapshot, *, limits: TownLimits) -> Iterator[int]:
    """The instants at which time alone may make a rule of this module hold."""
    probe_at = probe_at_ms(snapshot.breaker, limits=limits)
    for at_ms in (drain_ends_at_ms(snapshot, limits=limits), probe_at):
        if at_ms is not None:
            yield at_ms


def _is_probing(snapshot: Snapshot) -> bool:
    """Whether a start of ours is under way whose end nobody knows."""
    return any(
        session.state == SessionState.STARTING and session.harness != EXTERNAL_HARNESS
        for session in snapshot.sessions.values()
    )
