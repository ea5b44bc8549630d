"""One tick of a town: everything that its alarm does before it arms itself again.

The phases, in this order, all in one turn and without an await: drain the inbox, read a snapshot,
plan, apply the plan, patrol the forges, read again, check the invariants, take the effects that
are due. Each event and each action has a savepoint of its own; a phase that raises is logged,
counted and passed over, so that no fault of one keeps the others, or the next tick, from happening
(row 76). Invariants are reported and counted, never repaired (town.md 6.1).

Most ticks of a town at work find nothing to do but to look. They open no savepoint, and read only
what was touched since the last (table_memory.py); what is past its time is looked for once in
`prune_period_ms`, by the caller's word.

The caller (town_loop.py) starts the workers of the effects and arms the alarm in every outcome.
What a tick has to say about itself is in TickReport, kept in memory for the status; the counters
that must survive are rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from boomtown.actors.town.actions import Action
from boomtown.actors.town.alarm_time import next_alarm_at, next_due_at
from boomtown.actors.town.apply_actions import apply_action
from boomtown.actors.town.apply_events import apply_event
from boomtown.actors.town.effects import prune_effects
from boomtown.actors.town.ending_invariants import check_endings
from boomtown.actors.town.feed_invariants import check_feed
from boomtown.actors.town.feed_log import prune_feed, read_facts
from boomtown.actors.town.inbox import DrainReport, count_pending, drain, prune
from boomtown.actors.town.invariants import Violation, check
from boomtown.actors.town.model import Effect, EffectState
from boomtown.actors.town.observer_invariants import check_observer
from boomtown.actors.town.patrol_moves import run_patrol
from boomtown.actors.town.reconciler import plan
from boomtown.actors.town.snapshot import Snapshot
from boomtown.actors.town.store_breaker import prune_failed_starts
from boomtown.actors.town.store_patrol import read_patrol_facts
from boomtown.actors.town.store_roster import read_endings
from boomtown.actors.town.store_snapshot import read_snapshot
from boomtown.actors.town.store_town import bump_counter
from boomtown.actors.town.transaction import TownTransaction

logger = logging.getLogger("boomtown.town")

T = TypeVar("T")

NO_ACTIONS: tuple[Action, ...] = ()
NO_VIOLATIONS: tuple[Violation, ...] = ()
NO_EFFECTS: tuple[Effect, ...] = ()

COUNTER_TICKS = "ticks"
COUNTER_DROPPED = "actions.dropped"
COUNTER_FAILED = "actions.failed"
COUNTER_VIOLATIONS = "invariants.violated"
COUNTER_DEAD = "inbox.dead"
COUNTER_PHASES = "phases.failed"


class TickReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one tick did."""

    at_ms: int
    drained: DrainReport
    planned: tuple[str, ...]  # the tags of the actions, in their order
    applied: int
    dropped: int  # what they saw did not hold any more
    failed: int  # raised: a bug, undone
    violations: tuple[Violation, ...]
    pending_events: int
    next_alarm_at_ms: int
    failed_phases: tuple[str, ...]
    effects: tuple[Effect, ...]  # taken; their workers are to be started

    def actions_by_type(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for tag in self.planned:
            counts[tag] = counts.get(tag, 0) + 1
        return counts


class _Applied(msgspec.Struct):
    """Counts of one plan's application."""

    applied: int = 0
    dropped: int = 0
    failed: int = 0


def run_tick(
    tx: TownTransaction,
    take_effects: Callable[[TownTransaction], tuple[Effect, ...]],
    *,
    is_pruning: bool,
) -> TickReport:
    """All phases. Raises nothing that a phase raised."""
    failed_phases: list[str] = []

    def look(name: str, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except Exception:
            # The loop must go on: what this phase would have done is done by the next tick.
            logger.exception("tick_phase_failed phase=%s", name)
            failed_phases.append(name)
            return otherwise

    def phase(name: str, work: Callable[[], T], otherwise: T) -> T:
        return look(name, lambda: tx.in_savepoint(work), otherwise)

    soon_ms = tx.now_ms + tx.limits.alarm_active_ms
    drained = DrainReport()
    if look("depth", lambda: count_pending(tx)[0], 0):
        drained = phase("drain", lambda: drain(tx, apply_event), drained)
    before: Snapshot | None = look("read", lambda: read_snapshot(tx), None)
    actions = look("plan", lambda: _plan(tx, before), NO_ACTIONS)
    outcome, after = _Applied(), before
    if actions:
        outcome = phase("apply", lambda: _apply_all(tx, actions), outcome)
        after = look("read", lambda: read_snapshot(tx), None)
    is_planned = not actions and "plan" not in failed_phases  # of `after`: nothing to do now
    moved = look("patrol", lambda: _patrol(tx, after), 0)
    if moved:
        after = look("read", lambda: read_snapshot(tx), None)
    violations = look("check", lambda: _check(tx, after), NO_VIOLATIONS)
    if is_pruning:
        phase("prune", lambda: _prune(tx), None)
    effects = NO_EFFECTS
    if after is None or _has_due_effect(after, tx.now_ms):
        effects = phase("effects", lambda: take_effects(tx), effects)
    look("count", lambda: _count(tx, outcome, violations, drained, len(failed_phases)), None)
    return TickReport(
        at_ms=tx.now_ms,
        drained=drained,
        planned=tuple(map(_tag, actions)),
        applied=outcome.applied,
        dropped=outcome.dropped,
        failed=outcome.failed,
        violations=violations,
        pending_events=look("depth", lambda: count_pending(tx)[0], 0),
        next_alarm_at_ms=look(
            "arm",
            lambda: _next_alarm_at(tx, after, moved=moved, is_planned=is_planned),
            soon_ms,
        ),
        failed_phases=tuple(failed_phases),
        effects=effects,
    )


def check_town(tx: TownTransaction) -> tuple[Violation, ...]:
    """The violations at this instant, for whoever asks between two ticks."""
    return _violations(tx, read_snapshot(tx))


def _plan(tx: TownTransaction, snapshot: Snapshot | None) -> tuple[Action, ...]:
    if snapshot is None:
        return NO_ACTIONS
    return plan(snapshot, now_ms=tx.now_ms, limits=tx.limits)


def _patrol(tx: TownTransaction, snapshot: Snapshot | None) -> int:
    return 0 if snapshot is None else run_patrol(tx, snapshot)


def _apply_all(tx: TownTransaction, actions: tuple[Action, ...]) -> _Applied:
    outcome = _Applied()
    for action in actions:
        try:
            is_applied = tx.in_savepoint(partial(apply_action, tx.because(_tag(action)), action))
        except Exception:
            # One action that raises must not stop the others; its savepoint has undone it.
            logger.exception("action_failed action=%s", _tag(action))
            outcome.failed += 1
            continue
        if is_applied:
            outcome.applied += 1
        else:
            outcome.dropped += 1
    return outcome


def _check(tx: TownTransaction, snapshot: Snapshot | None) -> tuple[Violation, ...]:
    if snapshot is None:
        return ()
    violations = _violations(tx, snapshot)
    for violation in violations:
        logger.error(
            "invariant_violated name=%s subject=%s message=%s",
            violation.name,
            violation.subject,
            violation.message,
        )
    return violations


def _violations(tx: TownTransaction, snapshot: Snapshot) -> tuple[Violation, ...]:
    return (
        *check(snapshot, now_ms=tx.now_ms, limits=tx.limits),
        *_check_feed(tx),
        *check_endings(read_endings(tx)),
        *check_observer(read_patrol_facts(tx, snapshot)),
    )


def _check_feed(tx: TownTransaction) -> tuple[Violation, ...]:
    return () if tx.feed is None else check_feed(read_facts(tx))


def _has_due_effect(snapshot: Snapshot, now_ms: int) -> bool:
    return any(
        effect.state == EffectState.PENDING and effect.due_at_ms <= now_ms
        for effect in snapshot.effects
    )


def _prune(tx: TownTransaction) -> None:
    prune(tx)
    prune_effects(tx)
    prune_failed_starts(tx)
    if tx.feed is not None:
        prune_feed(tx)


def _count(
    tx: TownTransaction,
    outcome: _Applied,
    violations: tuple[Violation, ...],
    drained: DrainReport,
    failed_phases: int,
) -> None:
    counts = {
        COUNTER_TICKS: 1,
        COUNTER_PHASES: failed_phases,
        COUNTER_DROPPED: outcome.dropped,
        COUNTER_FAILED: outcome.failed,
        COUNTER_VIOLATIONS: len(violations),
        COUNTER_DEAD: drained.dead,
    }
    for name, by in counts.items():
        if by:
            bump_counter(tx, name, by=by)


def _next_alarm_at(
    tx: TownTransaction, after: Snapshot | None, *, moved: int, is_planned: bool
) -> int:
    if moved:  # what a patrol decided may let it decide more
        return tx.now_ms + tx.limits.alarm_inbox_ms
    if after is None:  # the town cannot be read: look again soon
        return tx.now_ms + tx.limits.alarm_active_ms
    next_at = next_due_at if is_planned else next_alarm_at
    return next_at(after, tx.now_ms, tx.limits)


def _tag(action: Action) -> str:
    return str(type(action).__struct_config__.tag)
