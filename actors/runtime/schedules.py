"""`ctx.schedule`: any number of named schedules in one object (design 4.8).

Theory of operation. Schedules are rows of the object's database (schedule_table.py), written in
the transactions of the code that schedules, and rolled back with them. The object's own alarm is
not touched: beside it there is a second one, the **wake**, an ObjectAlarm with a row and a host
index of its own, which is set to the instant of the first living row. So the rules that join an
alarm to the commits (object_alarm.py) hold for schedules word for word, and the counters and
retries of the two are apart.

A delivery of the wake runs what is due, one after the other, the earliest first; then sets the
wake to the next instant, in the transaction that ended the last run. Past `schedule_pass_ms_max`
the rest is left to the next delivery. Runs of one object never overlap each other; other events
come between at their awaits, as with alarms.

**At least once.** Before a run its row counts one start, committed by itself; its end (the row
removed, moved to the next instant, or to a retry) is written in the turn in which the method
returns, so what a method wrote after its last wait and the end of its run are one commit. A crash
before that, or a reset, runs it again: after the restart at once, after a reset with the pauses of
a failed alarm. `schedule_starts_max` starts without an end make a dead letter of it: what kills its
object each time must not keep the others from their turn. An exception is a failure, and goes by
the schedule's own policy (schedule_rules.py); what the method wrote stays.

A schedule that its own run replaces or cancels is not touched when that run ends.

Deliveries whose object cannot even start are tried again for ever, by the scheduler of alarms.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import assert_never

import msgspec

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.object_alarm import AlarmStart, ObjectAlarm
from boomtown.actors.runtime.runtime_errors import describe
from boomtown.actors.runtime.schedule_rules import (
    Bury,
    Cron,
    Every,
    RetryAt,
    RetryPolicy,
    after_failure,
    first_due,
    next_due,
)
from boomtown.actors.runtime.schedule_table import Schedule, ScheduleTable
from boomtown.actors.runtime.stored_values import encode_value
from boomtown.actors.runtime.transactions import Transactions
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

RunSchedule = Callable[[Schedule], Awaitable[None]]  # calls the object's method


class _State(msgspec.Struct, frozen=True):
    """What a rollback takes back."""

    has_table: bool | None  # None: nobody has looked
    was_changed: bool  # the schedule whose run is under way was replaced or cancelled


class ObjectSchedules:
    """The schedules of one live object (a Participant of its transactions)."""

    def __init__(
        self,
        *,
        database: Database,
        transactions: Transactions,
        wake: ObjectAlarm,
        object_id: str,
        clock: Clock,
        limits: RuntimeLimits,
    ) -> None:
        self._transactions = transactions
        self._table = ScheduleTable(database, transactions)
        self._wake = wake
        self._object_id = object_id
        self._clock = clock
        self._limits = limits
        self._is_delivering = False
        self._running: Schedule | None = None
        self._was_changed = False

    # What the object's code asks for, through `ctx`.

    def schedule(
        self,
        name: str,
        at: float | datetime | Every | Cron,
        *,
        payload: object,
        method: str | None,
        retry: RetryPolicy,
    ) -> Schedule:
        """Put a schedule in place of any of that name (durable_object.py)."""
        self._transactions.check("ctx.schedule")
        name_bytes_max = self._limits.schedule_name_bytes_max
        if not 1 <= len(name.encode()) <= name_bytes_max:
            raise ValueError(f"A schedule's name has 1 to {name_bytes_max} bytes")
        timing, due_at_ms = first_due(at, now_ms=self._clock.now_ms())
        schedule = Schedule(
            name=name,
            timing=timing,
            due_at_ms=due_at_ms,
            run_at_ms=due_at_ms,
            method=method,
            encoded_payload=encode_value(payload),
            retry=retry,
        )
        self._note_change(schedule)
        self._table.put(schedule)
        self._set_wake()
        return schedule

    def list_living(self) -> list[Schedule]:
        """The living ones, by name."""
        self._transactions.check("ctx.schedules")
        return self._table.rows(is_dead=False)

    def cancel(self, name: str) -> bool:
        """Remove a schedule; False where there is none. Its dead letters stay."""
        self._transactions.check("ctx.cancel_schedule")
        schedule = self._table.find(name, None)
        if schedule is not None:
            self._note_change(schedule)
            self._table.delete(name, None)
            self._set_wake()
        return schedule is not None

    def list_dead(self) -> list[Schedule]:
        """The dead letters, by name and age."""
        self._transactions.check("ctx.dead_schedules")
        return self._table.rows(is_dead=True)

    def retry_dead(self, letter_id: int) -> Schedule:
        """Run a dead letter again, now, with all its attempts. KeyError where there is none."""
        self._transactions.check("ctx.retry_dead_schedule")
        letter = self._get_dead(letter_id)
        now_ms = self._clock.now_ms()
        revived = msgspec.structs.replace(
            letter, is_dead=False, run_at_ms=now_ms, failures=0, starts=0
        )
        self._table.put(revived)
        self._set_wake()
        return revived

    def drop_dead(self, letter_id: int) -> None:
        """Forget a dead letter. KeyError where there is none."""
        self._transactions.check("ctx.drop_dead_schedule")
        letter = self._get_dead(letter_id)
        self._table.delete(letter.name, letter_id)

    def _get_dead(self, letter_id: int) -> Schedule:
        letter = self._table.find_letter(letter_id)
        if letter is None or not letter.is_dead:
            raise KeyError(letter_id)
        return letter

    def _note_change(self, schedule: Schedule) -> None:
        running = self._running
        if running is not None and running.letter_id is None and running.name == schedule.name:
            self._was_changed = True

    def _set_wake(self) -> None:
        """Have the wake at the first living row. A delivery does it once, at its end: till then
        the delivered instant stays in the database, which a crash needs."""
        if not self._is_delivering:
            first = self._table.find_first()
            self._wake.set(first.run_at_ms if first is not None else None, is_confirmed=True)

    # What the runtime asks for.

    def begin(self, scheduled_at_ms: int) -> AlarmStart:
        """Judge a delivery of the wake (ObjectAlarm.begin); RUN is followed by `run`."""
        return self._wake.begin(scheduled_at_ms)

    async def run(self, call: RunSchedule) -> None:
        """Run what is due, in the turns of one event. Raises only what breaks the object."""
        until_ms = self._clock.now_ms() + self._limits.schedule_pass_ms_max
        self._is_delivering = True
        try:
            while (now_ms := self._clock.now_ms()) < until_ms:
                first = self._table.find_first()
                if first is None or first.run_at_ms > now_ms:
                    break
                await self._run_one(first, call)
        finally:
            self._is_delivering = False
        self._set_wake()

    async def _run_one(self, schedule: Schedule, call: RunSchedule) -> None:
        if schedule.starts >= self._limits.schedule_starts_max:
            self._bury(schedule, f"{schedule.starts} runs began and did not end")
            return
        self._table.put(msgspec.structs.replace(schedule, starts=schedule.starts + 1))
        # By itself, before the method runs: what resets the object must not take it back.
        self._transactions.commit()
        self._running, self._was_changed = schedule, False
        error: Exception | None = None
        try:
            await call(schedule)
        except Exception as raised:
            error = raised
        finally:
            self._running = None
        if self._was_changed:
            return
        if error is None:
            self._end(schedule)
        else:
            self._fail(schedule, error)

    def _end(self, schedule: Schedule) -> None:
        """The occurrence is over: go to the next, or remove the schedule."""
        due_at_ms = next_due(
            schedule.timing, due_at_ms=schedule.due_at_ms, now_ms=self._clock.now_ms()
        )
        if due_at_ms is None:
            self._table.delete(schedule.name, schedule.letter_id)
            return
        self._table.put(
            msgspec.structs.replace(
                schedule,
                due_at_ms=due_at_ms,
                run_at_ms=due_at_ms,
                failures=0,
                starts=0,
                last_error=None,
            )
        )

    def _fail(self, schedule: Schedule, error: Exception) -> None:
        failed = msgspec.structs.replace(schedule, failures=schedule.failures + 1, starts=0)
        plan = after_failure(
            schedule.retry,
            failures=failed.failures,
            now_ms=self._clock.now_ms(),
            drawn_from=f"{self._object_id}/{schedule.name}",
        )
        match plan:
            case RetryAt(at_ms):
                self._table.put(
                    msgspec.structs.replace(
                        failed, run_at_ms=at_ms, last_error=self._cut(describe(error))
                    )
                )
            case Bury():
                self._bury(failed, describe(error))
            case _:
                assert_never(plan)

    def _bury(self, schedule: Schedule, why: str) -> None:
        """Keep the occurrence as a dead letter, and let the schedule go on without it."""
        self._end(schedule)
        self._table.put(
            msgspec.structs.replace(
                schedule,
                timing=None,
                letter_id=schedule.letter_id or self._table.next_letter_id(),
                is_dead=True,
                starts=0,
                last_error=self._cut(why),
            )
        )
        self._table.drop_old_letters(kept_max=self._limits.schedule_dead_letters_max)

    def _cut(self, text: str) -> str:
        # An error may quote what SQLite refuses: a lone surrogate.
        return text.encode(errors="replace")[: self._limits.schedule_error_bytes_max].decode(
            errors="replace"
        )

    def give_up(self, scheduled_at_ms: int) -> None:
        """The scheduler gives this delivery up, after runs that each broke the object: come back
        later, with fresh counters; nothing is dropped."""
        if self._wake.get() == scheduled_at_ms:
            pause_until_ms = self._clock.now_ms() + self._limits.schedule_pause_ms
            self._wake.set(pause_until_ms, is_confirmed=True)

    def remember(self) -> object:
        return _State(self._table.exists, self._was_changed)

    def restore(self, memento: object) -> None:
        assert isinstance(memento, _State)
        self._table.exists = memento.has_table
        self._was_changed = memento.was_changed

    def erased(self) -> None:
        self._table.exists = False
        self._was_changed = True

    def shut(self) -> None:
        """It has no cursor."""
