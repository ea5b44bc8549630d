"""When a schedule is due, and what follows from a run of it. Pure.

Three timings. **Once**: an instant. **Every**: a fixed span, counted from the schedule's own due
instants, so that late runs do not shift it. **Cron**: a cron expression in UTC, with five fields
(minute, hour, day of month, month, day of week) or six (a second before them), names, ranges,
steps, `L` and `#` as the cronsim library reads them. UTC has no summer time: 02:30 comes once a
day, every day.

Runs that were missed, because the machine was off or an earlier run took long, are **coalesced**:
one run makes up for all of them, and the next due instant is the first after it.

A run that fails is tried again after `backoff_ms`, doubled with each failure up to
`backoff_ms_max`. Each wait is stretched by 0 to 25 %, drawn from the schedule's name and its
object's id, so that what failed together does not return together and every replay is the same.
After `attempts` runs the occurrence is a dead letter; a repeating schedule goes on with its next.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import msgspec
from cronsim import CronSim, CronSimError

from boomtown.actors.runtime.instants import INSTANT_MS_MAX, instant_ms

INTERVAL_MS_MIN = 1_000  # what wakes an object more often is a loop, not a schedule
STRETCH_PERCENT = 25
_DOUBLINGS_MAX = 62  # more only overflow: any bound was reached long before


class Every(msgspec.Struct, frozen=True):
    """A run each `interval_ms`. ValueError under a second."""

    interval_ms: int

    def __post_init__(self) -> None:
        if not INTERVAL_MS_MIN <= self.interval_ms <= INSTANT_MS_MAX:
            raise ValueError(f"An interval is at least {INTERVAL_MS_MIN} ms")


class Cron(msgspec.Struct, frozen=True):
    """A run at each instant that `expression` matches, in UTC. ValueError where it is none, or
    never matches."""

    expression: str

    def __post_init__(self) -> None:
        if next_cron_ms(self.expression, after_ms=0) is None:
            raise ValueError(f"The cron expression {self.expression!r} never matches")


Timing = Every | Cron | None  # None: once


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a failed run is tried, and how long after. ValueError for no attempt, or waits
    that are not positive and ordered."""

    attempts: int = 7  # runs in all, the first included: as alarms (durable-actors 5.4)
    backoff_ms: int = 2_000  # after the first failure
    backoff_ms_max: int = 300_000

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("A retry policy has at least one attempt")
        if not 1 <= self.backoff_ms <= self.backoff_ms_max <= INSTANT_MS_MAX:
            raise ValueError("A retry policy has 1 <= backoff_ms <= backoff_ms_max")


class RetryAt(msgspec.Struct, frozen=True):
    """Run it again."""

    at_ms: int


class Bury(msgspec.Struct, frozen=True):
    """No more attempts: the occurrence is a dead letter."""


def first_due(at: float | datetime | Every | Cron, *, now_ms: int) -> tuple[Timing, int]:
    """The timing that `at` means, and its first due instant; one in the past is now.

    Raises TypeError for what is no instant (instants.py)."""
    match at:
        case Every() | Cron():
            due_at_ms = next_due(at, due_at_ms=now_ms, now_ms=now_ms)
            assert due_at_ms is not None, "a repeating timing goes on"
            return at, due_at_ms
        case _:
            return None, max(instant_ms(at), now_ms)


def next_due(timing: Timing, *, due_at_ms: int, now_ms: int) -> int | None:
    """The first due instant after `due_at_ms` that is in the future; None where there is none."""
    match timing:
        case None:
            return None
        case Every(interval_ms):
            missed = max(0, now_ms - due_at_ms) // interval_ms
            return due_at_ms + (missed + 1) * interval_ms
        case Cron(expression):
            return next_cron_ms(expression, after_ms=max(due_at_ms, now_ms))


def next_cron_ms(expression: str, *, after_ms: int) -> int | None:
    """The first matching instant after `after_ms`; None where none comes within 50 years.
    ValueError where it is no cron expression."""
    try:
        after = datetime.fromtimestamp(after_ms // 1000, UTC)
        return int(next(CronSim(expression, after)).timestamp()) * 1000
    except StopIteration:
        return None
    except (CronSimError, OverflowError) as error:
        raise ValueError(f"{expression!r} is no cron expression: {error}") from error


def after_failure(
    policy: RetryPolicy, *, failures: int, now_ms: int, drawn_from: str
) -> RetryAt | Bury:
    """What to do after the `failures`-th failed run of one occurrence."""
    assert failures >= 1, "asked after a failure"
    if failures >= policy.attempts:
        return Bury()
    doublings = min(failures - 1, _DOUBLINGS_MAX)
    wait_ms = min(policy.backoff_ms << doublings, policy.backoff_ms_max)
    stretch_ms = wait_ms * STRETCH_PERCENT // 100
    draw = zlib.crc32(f"{drawn_from}/{failures}".encode())
    return RetryAt(now_ms + wait_ms + draw % (stretch_ms + 1))
