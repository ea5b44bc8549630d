"""What a town does next: one pure function of what it is, the clock and the bounds.

The planners see the same snapshot, and their rules are disjoint by their predicates:
plan_sessions acts on sessions and their beads, plan_issues and plan_reviews on beads without a
session, plan_convoys on convoys of which no bead moves in this plan, plan_town on the town's own
flags; container_ends only tells people. So no two actions of a plan
touch the same field of the same thing, in any order. When a plan is longer than a tick may be, its
tail is planned again by the next one; sessions come early, because ending them frees places. What
the breaker of dispatch holds back is taken out at the end, whoever wanted it.
"""

from __future__ import annotations

from boomtown.actors.town.actions import Action, FailBead, SettleSource
from boomtown.actors.town.container_ends import plan as plan_container_ends
from boomtown.actors.town.plan_convoys import plan as plan_convoys
from boomtown.actors.town.plan_issues import plan as plan_issues
from boomtown.actors.town.plan_reviews import plan as plan_reviews
from boomtown.actors.town.plan_sessions import plan as plan_sessions
from boomtown.actors.town.plan_town import plan as plan_town
from boomtown.actors.town.plan_town import throttle
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from boomtown.limits import TownLimits


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> tuple[Action, ...]:
    """At most `actions_per_tick_max` actions, in an order that depends on the snapshot only."""
    actions: tuple[Action, ...] = (
        *plan_sessions(snapshot, now_ms=now_ms, limits=limits),
        *plan_issues(snapshot, now_ms=now_ms, limits=limits),
        *plan_reviews(snapshot, now_ms=now_ms, limits=limits),
    )
    settling = frozenset(
        convoy_id for action in actions for convoy_id in _moved_convoys(snapshot, action)
    )
    convoys = plan_convoys(snapshot, now_ms=now_ms, limits=limits, settling=settling)
    town = plan_town(snapshot, now_ms=now_ms, limits=limits)
    ends = plan_container_ends(snapshot, now_ms=now_ms, limits=limits)
    wanted = throttle(actions, snapshot, now_ms=now_ms, limits=limits)
    return (*town, *wanted, *ends, *convoys)[: limits.actions_per_tick_max]


def _moved_convoys(snapshot: Snapshot, action: Action) -> tuple[BeadId, ...]:
    """The convoys whose counts or whose landing the action may change."""
    if not isinstance(action, FailBead | SettleSource):
        return ()
    bead = snapshot.beads[action.bead_id]
    near = (bead.bead_id, bead.subject)  # a review's end moves what it was about
    counted = (snapshot.convoy_of.get(bead_id) for bead_id in near if bead_id is not None)
    landed = bead.subject if bead.subject in snapshot.convoys else None
    return tuple(convoy_id for convoy_id in (*counted, landed) if convoy_id is not None)
