"""What follows from an alarm's delivery: retry when, or give up (durable-actors 5.3, 5.4). Pure.

A **counted** failure is the handler's own (it raised, it ran too long, it broke its object); the
waits after failures 1 to 6 are 2, 4, 8, 16, 32 and 64 s, and the seventh gives up. An
**uncounted** one is the world's (the disk failed, the process is ending): it is tried again for
ever, the wait doubling up to 1,024 s. A counted failure after an uncounted one starts again from
2 s. Each wait is stretched by a random 0 to 25 %, so that what failed together does not return
together. The counters live in memory: a new process starts at 0.
"""

from __future__ import annotations

import enum

import msgspec

from boomtown.entropy import Entropy
from boomtown.limits import RuntimeLimits


class AlarmOutcome(enum.StrEnum):
    """How one delivery ended."""

    SUCCEEDED = "succeeded"  # the handler returned, and what it wrote is durable
    CANCELLED = "cancelled"  # the object had another alarm, or none; it has told the scheduler
    DROPPED = "dropped"  # the class has no handler, or the object asked for no retry
    FAILED = "failed"  # counted
    FAILED_UNCOUNTED = "failed_uncounted"


class RetryState(msgspec.Struct, frozen=True):
    """What was, for one scheduled instant."""

    counted_failures: int = 0  # what the handler is told as retry_count
    doublings: int = 0  # of the next wait
    was_counted: bool = True  # the last failure


class Retry(msgspec.Struct, frozen=True):
    """Deliver again."""

    wait_ms: int
    state: RetryState


class GiveUp(msgspec.Struct, frozen=True):
    """Tell the object to clear its alarm."""


def plan_retry(
    state: RetryState, *, is_counted: bool, entropy: Entropy, limits: RuntimeLimits
) -> Retry | GiveUp:
    """What to do after a failure."""
    counted_failures = state.counted_failures + is_counted
    if counted_failures > limits.alarm_retries_max:
        return GiveUp()
    doublings = 0 if is_counted and not state.was_counted else state.doublings
    wait_ms = min(limits.alarm_retry_base_ms << doublings, limits.alarm_uncounted_retry_ms_max)
    # Bounded, so that the shift stays small over years of failures.
    next_doublings = doublings + (wait_ms < limits.alarm_uncounted_retry_ms_max)
    stretch_ms = wait_ms * limits.alarm_retry_jitter_percent // 100
    wait_ms += entropy.below(stretch_ms + 1, label="alarm.jitter")
    return Retry(wait_ms, RetryState(counted_failures, next_doublings, is_counted))
