"""When a town must look at itself again (decisions 35).

The earliest instant at which a rule may begin to hold: at once (alarm_inbox_ms) while the plan of
the snapshot is not empty or the inbox is not drained; alarm_active_ms while a body may be alive;
else the nearest of the backoffs, cooldowns, graces and leases, and alarm_idle_ms at the latest.
What waits for a person or for another bead (held, staged, blocked, paused) is no reason to wake
(row 91): the command or the event that frees it brings the alarm forward.
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.container_ends import claimable_at_ms
from boomtown.actors.town.model import EXTERNAL_HARNESS, EffectState, Session, SessionState
from boomtown.actors.town.plan_convoys import is_waiting_to_land, next_landing_at_ms
from boomtown.actors.town.plan_issues import is_dispatchable
from boomtown.actors.town.plan_reviews import is_reviewable
from boomtown.actors.town.plan_sessions import due_times
from boomtown.actors.town.plan_town import due_times as due_times_of_town
from boomtown.actors.town.reconciler import plan
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole
from boomtown.limits import TownLimits


def next_alarm_at(snapshot: Snapshot, now_ms: int, limits: TownLimits) -> int:
    """An instant after `now_ms`; to be asked with the snapshot that the tick leaves."""
    if plan(snapshot, now_ms=now_ms, limits=limits):
        return now_ms + limits.alarm_inbox_ms
    return next_due_at(snapshot, now_ms, limits)


def next_due_at(snapshot: Snapshot, now_ms: int, limits: TownLimits) -> int:
    """The same for a snapshot of which it is known that nothing is planned now: planning a large
    town twice in a tick is a third of the tick."""
    if snapshot.inbox_depth > 0:
        return now_ms + limits.alarm_inbox_ms
    latest = now_ms + limits.alarm_idle_ms
    if any(is_watched(snapshot, session) for session in snapshot.sessions.values()):
        latest = now_ms + limits.alarm_active_ms
    due = (at_ms for at_ms in _due_times(snapshot, now_ms, limits) if at_ms > now_ms)
    return min((latest, *due))


def is_watched(snapshot: Snapshot, session: Session) -> bool:
    """Whether the session keeps the town at its active cadence: all do, but a waiting mayor's
    and that of an attached agent that has not begun."""
    if session.harness == EXTERNAL_HARNESS and session.state == SessionState.CLAIMED:
        return False
    agent = snapshot.agents.get(session.agent_id)
    is_waiting_mayor = (
        agent is not None and agent.role == AgentRole.MAYOR and agent.waiting_since_ms is not None
    )
    return not is_waiting_mayor


def _due_times(snapshot: Snapshot, now_ms: int, limits: TownLimits) -> Iterator[int]:
    yield from due_times_of_town(snapshot, limits=limits)
    for session in snapshot.sessions.values():
        yield from due_times(session, limits=limits)
    for bead in snapshot.beads.values():
        # Of nearly all that is past, and found so sooner than what else the bead waits for.
        at_ms = claimable_at_ms(snapshot, bead, limits=limits)
        if at_ms > now_ms and (is_dispatchable(snapshot, bead) or is_reviewable(snapshot, bead)):
            yield at_ms
    for convoy in snapshot.convoys.values():
        if is_waiting_to_land(snapshot, convoy):
            yield next_landing_at_ms(convoy, limits=limits)
    for effect in snapshot.effects:
        if effect.state == EffectState.PENDING:
            # One that is due already waits for a free worker, whose outcome wakes the town.
            is_due = effect.due_at_ms <= now_ms
            yield now_ms + limits.alarm_active_ms if is_due else effect.due_at_ms
