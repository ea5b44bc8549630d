"""Delivers alarms: never early, at least once, not two of one object at a time.

Theory of operation. `start` reads the indexes; an entry per object with an alarm is kept in
memory, and one timer waits for the earliest. A due entry is delivered by a task, so many at once
as the limit says, the earliest first; what the delivery answers decides (alarms.py): the row goes
only after success, or when the alarm was given up, so a crash at any point before that delivers
again after the restart, at once when overdue.

Objects change their alarms through `register`, also while theirs is being delivered: then the new
instant waits in `queued`, beats any retry of the old one, and starts with fresh counters. A
cancelled delivery has registered the truth before it answers. An alarm that is given up is
cleared by the object, if it still is that one; where telling it fails the alarm stays.

Two instants per entry: `scheduled_at_ms`, which the object's database has and the handler is
told, and `due_at_ms`, when to deliver, later while a retry waits. Only the first is durable.

Does not judge whether a delivery is stale (object_alarm.py does), and has no idea of gates.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

import msgspec

from boomtown.actors.runtime.alarm_index import AlarmIndex
from boomtown.actors.runtime.alarms import AlarmOutcome, GiveUp, Retry, RetryState, plan_retry
from boomtown.actors.runtime.ports import Instrument, ObjectKey
from boomtown.actors.runtime.promises import Promise
from boomtown.clock import Clock, Timer
from boomtown.entropy import Entropy
from boomtown.limits import RuntimeLimits

Deliver = Callable[[ObjectKey, str | None, int, int], Awaitable[AlarmOutcome]]
Abandon = Callable[[ObjectKey, str | None, int], Awaitable[None]]


class _Queued(msgspec.Struct, frozen=True):
    """What an object registered while its alarm was being delivered."""

    at_ms: int | None


class _Entry(msgspec.Struct):
    key: ObjectKey
    name: str | None
    scheduled_at_ms: int
    due_at_ms: int
    retries: RetryState = RetryState()
    is_running: bool = False
    queued: _Queued | None = None

    def is_known(self, at_ms: int | None, name: str | None) -> bool:
        """Whether it is being delivered, and the row has this very instant and name."""
        is_alone = self.is_running and self.queued is None
        return is_alone and at_ms == self.scheduled_at_ms and name in (None, self.name)


class AlarmScheduler:
    """The alarms of one host (satisfies ports.AlarmRegistry). Used on the loop thread."""

    def __init__(
        self,
        *,
        indexes: Mapping[str, AlarmIndex],
        deliver: Deliver,
        abandon: Abandon,
        clock: Clock,
        entropy: Entropy,
        limits: RuntimeLimits,
        instrument: Instrument,
    ) -> None:
        """`deliver(key, name, scheduled_at_ms, retry_count)` runs the handler and returns when
        what it wrote is durable; what it raises is an uncounted failure. `abandon(key, name,
        scheduled_at_ms)` has the object clear that alarm."""
        self._indexes = indexes
        self._deliver = deliver
        self._abandon = abandon
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._instrument = instrument
        self._entries: dict[ObjectKey, _Entry] = {}
        # (due, class, id): the order in which equal ones are delivered; stale ones are skipped.
        self._heap: list[tuple[int, str, str]] = []
        self._timer: Timer | None = None
        self._timer_at_ms = 0
        self._running: dict[asyncio.Task[None], None] = {}
        self._is_stopped = False

    def start(self) -> None:
        """Load the rows; what is overdue is delivered in the next passes of the loop."""
        for class_name in sorted(self._indexes):
            for row in self._indexes[class_name].rows():
                self._add(row.key, row.name, row.scheduled_at_ms)
        self._arm()

    def find_next_at_ms(self) -> int | None:
        """When the next alarm is due; None where there is none."""
        due = [entry.due_at_ms for entry in self._entries.values() if not entry.is_running]
        return min(due, default=None)

    def register(self, key: ObjectKey, name: str | None, at_ms: int | None) -> Promise | None:
        entry = self._entries.get(key)
        if entry is not None and entry.is_known(at_ms, name):
            # The row says so already; it is to stay when the delivery has ended.
            entry.queued = _Queued(at_ms)
            return None
        index, durable = self._indexes[key.class_name], None
        if at_ms is None:
            index.remove(key.object_id)
        else:
            durable = index.set(key.object_id, name, at_ms)
        if entry is not None and entry.is_running:
            entry.queued = _Queued(at_ms)
            entry.name = name if name is not None else entry.name
        elif at_ms is None:
            self._entries.pop(key, None)
        else:
            self._add(key, name if name is not None or entry is None else entry.name, at_ms)
            self._arm()
        return durable

    def _add(self, key: ObjectKey, name: str | None, at_ms: int) -> None:
        self._put(_Entry(key, name, at_ms, at_ms))

    def _put(self, entry: _Entry) -> None:
        self._entries[entry.key] = entry
        heapq.heappush(self._heap, (entry.due_at_ms, entry.key.class_name, entry.key.object_id))

    def _find_first(self) -> _Entry | None:
        """The entry that is due first, of those not under way."""
        while self._heap:
            due_at_ms, class_name, object_id = self._heap[0]
            entry = self._entries.get(ObjectKey(class_name, object_id))
            if entry is not None and not entry.is_running and entry.due_at_ms == due_at_ms:
                return entry
            heapq.heappop(self._heap)
        return None

    def _arm(self) -> None:
        first = self._find_first()
        is_full = len(self._running) >= self._limits.alarm_deliveries_max
        if first is None or is_full or self._is_stopped:
            return
        if self._timer is not None:
            if self._timer_at_ms <= first.due_at_ms:
                return
            self._timer.cancel()
        self._timer_at_ms = first.due_at_ms
        # In a later pass, and outside of any object's turn, even when it is due already.
        self._timer = self._clock.call_at_ms(first.due_at_ms, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._is_stopped:
            return
        now_ms = self._clock.now_ms()
        while len(self._running) < self._limits.alarm_deliveries_max:
            entry = self._find_first()
            if entry is None or entry.due_at_ms > now_ms:
                break
            heapq.heappop(self._heap)
            entry.is_running = True
            task = asyncio.get_running_loop().create_task(
                self._run(entry), name=f"alarm {entry.key.class_name} {entry.key.object_id[:8]}"
            )
            self._running[task] = None
            task.add_done_callback(self._ended)
        self._arm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._arm()

    async def _run(self, entry: _Entry) -> None:
        late_ms = self._clock.now_ms() - entry.scheduled_at_ms
        try:
            outcome = await self._deliver(
                entry.key, entry.name, entry.scheduled_at_ms, entry.retries.counted_failures
            )
        except Exception:
            # The handler's own errors come as outcomes; this is the host's failure.
            outcome = AlarmOutcome.FAILED_UNCOUNTED
        self._instrument.alarm_ran(entry.key, late_ms, outcome.value)
        match outcome:
            case _ if entry.queued is not None:
                self._settle(entry)  # a newer alarm is before any retry
            case AlarmOutcome.SUCCEEDED | AlarmOutcome.CANCELLED:
                self._settle(entry)
            case AlarmOutcome.DROPPED:
                await self._settle_by(entry, GiveUp())
            case AlarmOutcome.FAILED | AlarmOutcome.FAILED_UNCOUNTED:
                is_counted = outcome is AlarmOutcome.FAILED
                await self._settle_by(entry, self._plan(entry.retries, is_counted=is_counted))
            case _:
                assert_never(outcome)

    def _plan(self, retries: RetryState, *, is_counted: bool) -> Retry | GiveUp:
        return plan_retry(
            retries, is_counted=is_counted, entropy=self._entropy, limits=self._limits
        )

    async def _settle_by(self, entry: _Entry, plan: Retry | GiveUp) -> None:
        if isinstance(plan, GiveUp):
            try:
                await self._abandon(entry.key, entry.name, entry.scheduled_at_ms)
            except Exception:
                # It stays scheduled; the world's failure, which does not count.
                retries = msgspec.structs.replace(entry.retries, counted_failures=0)
                plan = self._plan(retries, is_counted=False)
        if entry.queued is not None or isinstance(plan, GiveUp):
            self._settle(entry)
            return
        entry.is_running = False
        entry.retries = plan.state
        entry.due_at_ms = self._clock.now_ms() + plan.wait_ms
        self._put(entry)

    def _settle(self, entry: _Entry) -> None:
        """That instant is over: go on with what the object has registered meanwhile."""
        del self._entries[entry.key]
        queued = entry.queued
        if queued is None:
            # The object did not change its alarm: the row is the one that was delivered.
            self._indexes[entry.key.class_name].remove(entry.key.object_id)
        elif queued.at_ms is not None:
            self._add(entry.key, entry.name, queued.at_ms)

    async def aclose(self) -> None:
        """Deliver no more; those under way are cancelled, and run again after the next start."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
