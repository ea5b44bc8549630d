"""The loop of one live town object: its alarm, its workers, and when it looks at itself again.

Theory of operation. The alarm is the only thing that moves a town by itself. It runs one tick
(tick.py), starts a worker for every effect that the tick took, and arms itself for the earliest
instant at which something may have to be done; it is armed in every outcome, a raising one
included, so a town that exists always has an alarm (decisions 35). Commands and workers only ever
bring the alarm forward.

A new object (after a crash, an eviction, or the first call) takes back the effects that were
being done, and looks at itself soon if there are any to be done. Else its alarm stands as the last
commit left it, and with it the instant at which something may have to be done: whoever only asks
an idle town anything does not make it tick. The reports of ticks live in memory only. A town that
was destroyed has no rows: its alarm finds that and is not armed again (row 93).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from boomtown.actors.town.effects import EffectWorkers
from boomtown.actors.town.ports import Containers, Forges, SessionTokens
from boomtown.actors.town.store_sessions import list_unanswered_effects, reset_running_effects
from boomtown.actors.town.store_town import find_town, list_counters
from boomtown.actors.town.tick import TickReport, run_tick
from boomtown.actors.town.transaction import TownTransaction


class AlarmStorage(Protocol):
    """`ctx.storage`, as far as the loop needs it. These awaitables complete without yielding."""

    def get_alarm(self) -> Awaitable[int | None]:
        """The instant that is set; None while none is, and while the alarm runs."""
        ...

    def set_alarm(self, scheduled_time: int, /) -> Awaitable[None]:
        """Move the alarm, in the present transaction."""
        ...


class TownLoop:
    """Belongs to one live Town object."""

    def __init__(
        self,
        *,
        storage: AlarmStorage,
        begin: Callable[[], TownTransaction],
        wait_until: Callable[[Coroutine[Any, Any, None]], None],
        containers: Containers,
        tokens: SessionTokens,
        forges: Forges,
    ) -> None:
        self._storage = storage
        self._begin = begin
        self._wait_until = wait_until
        self._workers = EffectWorkers(
            containers=containers,
            tokens=tokens,
            forges=forges,
            begin=begin,
            arm=self.bring_forward,
        )
        self._last: TickReport | None = None
        self._prune_at_ms = 0  # a new object looks once

    @property
    def last_tick(self) -> TickReport | None:
        """The newest report; None before this object's first tick."""
        return self._last

    async def restore(self) -> None:
        """Take up where an earlier object of this town ended; for the constructor."""
        tx = self._begin()
        if find_town(tx) is None:
            return
        if list_unanswered_effects(tx):  # its workers are free, whatever those before it did
            tx.in_savepoint(lambda: reset_running_effects(tx))
            await self.bring_forward(tx.now_ms + tx.limits.alarm_inbox_ms)
        elif await self._storage.get_alarm() is None:
            await self._storage.set_alarm(tx.now_ms + tx.limits.alarm_inbox_ms)

    async def run_alarm(self) -> None:
        """One tick, its workers started, the alarm armed."""
        tx = self._begin()
        if find_town(tx) is None:
            return
        next_alarm_at_ms = tx.now_ms + tx.limits.alarm_active_ms
        try:
            is_pruning = tx.now_ms >= self._prune_at_ms
            if is_pruning:
                self._prune_at_ms = tx.now_ms + tx.limits.prune_period_ms
            self._last = run_tick(tx, self._workers.take_due, is_pruning=is_pruning)
            next_alarm_at_ms = self._last.next_alarm_at_ms
            for effect in self._last.effects:
                self._wait_until(self._workers.perform(effect))
        finally:
            await self.bring_forward(next_alarm_at_ms)

    async def bring_forward(self, at_ms: int) -> None:
        """Arm the alarm for `at_ms`, unless it is set for an earlier instant."""
        current_ms = await self._storage.get_alarm()
        if current_ms is None or at_ms < current_ms:
            await self._storage.set_alarm(at_ms)

    def facts(self) -> dict[str, Any]:
        """What the status says of the reconciler (town.md 6): the last tick, and the counters."""
        tx = self._begin()
        facts: dict[str, Any] = {
            "counters": list_counters(tx),
            "in_flight": self._workers.in_flight,
        }
        report = self._last
        if report is None:
            return facts
        return {
            **facts,
            "at": report.at_ms,
            "eventsDrained": report.drained.applied + report.drained.stale,
            "eventsFailed": report.drained.failed,
            "deadLetters": report.drained.dead,
            "actionsEmitted": len(report.planned),
            "actionsByType": report.actions_by_type(),
            "actionsDropped": report.dropped,
            "actionsFailed": report.failed,
            "effectsStarted": len(report.effects),
            "invariantViolations": [
                {"name": found.name, "subject": found.subject, "message": found.message}
                for found in report.violations
            ],
            "pendingEventCount": report.pending_events,
            "failedPhases": list(report.failed_phases),
        }
