"""The alarm event: from the scheduler's delivery to an outcome that it can act on.

A handler that raised, that ran too long or that broke its object is a counted failure; an object
that broke because the disk failed or the host is ending is not the handler's fault, and is tried
again for ever (durable-actors 5.4). `abort(retry_alarm=False)` drops the alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boomtown.actors.runtime.alarms import AlarmOutcome
from boomtown.actors.runtime.durable_object import AlarmInfo
from boomtown.actors.runtime.instance import LiveObject
from boomtown.actors.runtime.runtime_errors import DurableObjectError, reset_error
from boomtown.actors.runtime.waiting_frames import waiting_frames
from boomtown.clock import Clock


async def deliver(
    live: LiveObject, *, scheduled_at_ms: int, retry_count: int, clock: Clock, limit_ms: int
) -> AlarmOutcome:
    """Run the handler; returns when what it wrote is durable. An object whose alarm runs for
    longer than `limit_ms` is reset."""
    info = AlarmInfo(scheduled_time=scheduled_at_ms, retry_count=retry_count)
    return await _deliver(live, lambda: live.invoke_alarm(info), clock=clock, limit_ms=limit_ms)


async def deliver_schedules(
    live: LiveObject, *, scheduled_at_ms: int, clock: Clock, limit_ms: int
) -> AlarmOutcome:
    """Run what the object has scheduled and is due; otherwise as `deliver`. A delivery is never
    dropped: `abort(retry_alarm=False)` is about alarms."""
    outcome = await _deliver(
        live, lambda: live.invoke_schedules(scheduled_at_ms), clock=clock, limit_ms=limit_ms
    )
    return AlarmOutcome.FAILED if outcome is AlarmOutcome.DROPPED else outcome


async def _deliver(
    live: LiveObject, invoke: Callable[[], tuple[bool, Any]], *, clock: Clock, limit_ms: int
) -> AlarmOutcome:

    reply: object = None

    def time_out() -> None:
        # Without a task it has not begun, or what it wrote is not durable yet.
        task = next((task for task in live.gates.tasks if task.reply is reply), None)
        live.reset(
            reset_error(
                f"The alarm exceeded its allowed time of {limit_ms} ms, waiting in "
                f"{waiting_frames(task)}; the object was reset",
                overloaded=True,
            )
        )

    timer = clock.call_at_ms(clock.now_ms() + limit_ms, time_out)
    try:
        is_done, value = invoke()
        reply = value
        outcome: AlarmOutcome = value if is_done else await value
    except DurableObjectError as error:
        if not live.is_alarm_retried:
            return AlarmOutcome.DROPPED
        is_counted = error.overloaded or not (
            error.retryable or isinstance(error.__cause__, OSError)
        )
        return AlarmOutcome.FAILED if is_counted else AlarmOutcome.FAILED_UNCOUNTED
    finally:
        timer.cancel()
    return outcome


async def abandon_schedules(live: LiveObject, scheduled_at_ms: int) -> None:
    """Have the object put its schedules off; returns when that is durable."""
    is_done, value = live.invoke_abandon_schedules(scheduled_at_ms)
    if not is_done:
        await value


async def abandon(live: LiveObject, scheduled_at_ms: int) -> None:
    """Have the object clear an alarm that is given up; returns when that is durable."""
    is_done, value = live.invoke_abandon_alarm(scheduled_at_ms)
    if not is_done:
        await value
