"""plan_town and container_ends: each bound at its instant, one below and one past it."""

from __future__ import annotations

import msgspec
import pytest

from boomtown.actors.town import container_ends, reconciler
from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    ClaimWork,
    CloseBreaker,
    EndDrain,
    EscalateRestarts,
    OpenBreaker,
    SendStart,
)
from boomtown.actors.town.alarm_time import next_alarm_at
from boomtown.actors.town.container_ends import HOUR_MS
from boomtown.actors.town.model import BeadKind, BeadStatus, Breaker, SessionState
from boomtown.actors.town.plan_town import BreakerState, breaker_state, probe_at_ms
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from support.town_snapshots import (
    NOW,
    make_agent,
    make_bead,
    make_session,
    make_snapshot,
    make_town,
)

LIMITS = TownLimits()
MAX = LIMITS.breaker_failed_starts_max
PAUSE_MS = LIMITS.breaker_pause_ms
B1 = BeadId("b1")


def planned(snapshot: Snapshot, now_ms: int = NOW) -> tuple[Action, ...]:
    return reconciler.plan(snapshot, now_ms=now_ms, limits=LIMITS)


def kinds(snapshot: Snapshot, now_ms: int = NOW) -> list[type]:
    return [type(action) for action in planned(snapshot, now_ms)]


def state(breaker: Breaker, now_ms: int = NOW) -> BreakerState:
    return breaker_state(breaker, now_ms=now_ms, limits=LIMITS)


@pytest.mark.parametrize(
    ("failed", "expected"),
    [(MAX - 1, [ClaimWork]), (MAX, [OpenBreaker]), (MAX + 1, [OpenBreaker])],
    ids=["one_below", "at_the_bound", "past_it"],
)
def test_failed_starts_open_the_breaker_at_its_bound(failed: int, expected: list[type]) -> None:
    """From the plan that opens it on, nothing starts."""
    breaker = Breaker(failed_starts=failed, last_failed_at_ms=NOW)
    assert kinds(make_snapshot(beads=[make_bead("b1")], breaker=breaker)) == expected


def test_open_breaker_holds_starts_and_claims_of_work_and_reviews() -> None:
    snapshot = make_snapshot(
        beads=[
            make_bead("b1"),
            make_bead("b2"),
            make_bead("b3", BeadStatus.IN_REVIEW),
            make_bead("m3", kind=BeadKind.REVIEW, subject="b3"),
        ],
        agents=[make_agent("a1")],
        sessions=[make_session("s1", SessionState.CLAIMED)],
        breaker=Breaker(opened_at_ms=NOW, failed_starts=MAX, last_failed_at_ms=NOW),
    )
    assert planned(snapshot) == ()
    closed = msgspec.structs.replace(snapshot, breaker=Breaker())
    assert kinds(closed) == [SendStart, ClaimWork, ClaimReview]


@pytest.mark.parametrize(
    ("opened_ms", "failed_ms", "now_ms", "expected"),
    [
        (NOW, None, NOW + PAUSE_MS - 1, BreakerState.OPEN),
        (NOW, None, NOW + PAUSE_MS, BreakerState.HALF_OPEN),
        (NOW, NOW + 5, NOW + PAUSE_MS + 4, BreakerState.OPEN),
        (NOW, NOW + 5, NOW + PAUSE_MS + 5, BreakerState.HALF_OPEN),
        (None, NOW, NOW + 9 * PAUSE_MS, BreakerState.CLOSED),
    ],
    ids=["pause", "pause_over", "failed_again", "second_pause_over", "closed"],
)
def test_breaker_is_half_open_after_a_pause_without_failures(
    opened_ms: int | None, failed_ms: int | None, now_ms: int, expected: BreakerState
) -> None:
    assert state(Breaker(opened_at_ms=opened_ms, last_failed_at_ms=failed_ms), now_ms) == expected


def test_half_open_breaker_lets_one_start_through_at_a_time() -> None:
    beads = [make_bead("b1"), make_bead("b2")]
    breaker = Breaker(opened_at_ms=NOW - PAUSE_MS)
    idle = make_snapshot(beads=beads, breaker=breaker)
    assert [a.bead_id for a in planned(idle) if isinstance(a, ClaimWork)] == ["b1"]
    claimed = make_snapshot(
        beads=beads,
        agents=[make_agent("a1")],
        sessions=[make_session("s1", SessionState.CLAIMED)],
        breaker=breaker,
    )
    assert kinds(claimed) == [SendStart]
    probing = make_snapshot(
        beads=[make_bead("b1", BeadStatus.IN_PROGRESS), make_bead("b2")],
        agents=[make_agent("a1")],
        sessions=[make_session("s1", SessionState.STARTING, start_sent_at_ms=NOW)],
        breaker=breaker,
    )
    assert not any(isinstance(a, SendStart | ClaimWork) for a in planned(probing))


@pytest.mark.parametrize(
    ("started_ms", "expected"),
    [(None, []), (NOW - 1_000, []), (NOW - 999, [CloseBreaker])],
    ids=["never", "at_the_opening", "after_it"],
)
def test_a_success_since_the_opening_closes_the_breaker(
    started_ms: int | None, expected: list[type]
) -> None:
    breaker = Breaker(opened_at_ms=NOW - 1_000, last_start_at_ms=started_ms)
    assert kinds(make_snapshot(breaker=breaker)) == expected


def test_town_wakes_when_the_breaker_lets_a_start_through() -> None:
    breaker = Breaker(opened_at_ms=NOW - PAUSE_MS + 7_000)
    assert probe_at_ms(breaker, limits=LIMITS) == NOW + 7_000
    snapshot = make_snapshot(beads=[make_bead("b1")], breaker=breaker)
    assert next_alarm_at(snapshot, NOW, LIMITS) == NOW + 7_000


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [(LIMITS.drain_ms_max - 1, []), (LIMITS.drain_ms_max, [EndDrain])],
    ids=["in_time", "at_the_limit"],
)
def test_defect_55_drain_is_over_after_its_hard_limit(age_ms: int, expected: list[type]) -> None:
    town = make_town(is_draining=True, drain_started_at_ms=NOW - age_ms)
    snapshot = make_snapshot(town=town)
    assert kinds(snapshot) == expected
    if not expected:
        assert next_alarm_at(snapshot, NOW, LIMITS) == NOW + 1


@pytest.mark.parametrize(
    ("ends", "waits"),
    [
        (LIMITS.container_restarts_per_hour_max, False),
        (LIMITS.container_restarts_per_hour_max + 1, True),
    ],
    ids=["at_the_cap", "past_the_cap"],
)
def test_bead_that_loses_its_containers_waits_past_the_cap(ends: int, waits: bool) -> None:
    """Decisions 28."""
    instants = tuple(NOW - HOUR_MS // 2 + n for n in range(ends))
    snapshot = make_snapshot(beads=[make_bead("b1")], container_ends={B1: instants})
    assert kinds(snapshot) == ([EscalateRestarts] if waits else [ClaimWork])


def test_bead_past_the_cap_goes_on_when_its_oldest_ending_is_an_hour_old() -> None:
    count = LIMITS.container_restarts_per_hour_max + 1
    instants = tuple(NOW + n for n in range(count))
    snapshot = make_snapshot(
        beads=[make_bead("b1")],
        container_ends={B1: instants},
        closed_escalations=[f"restarts:b1:{instants[-1]}"],
    )
    assert container_ends.held_until_ms(snapshot, B1, limits=LIMITS) == NOW + HOUR_MS
    assert kinds(snapshot, NOW + HOUR_MS - 1) == []
    assert next_alarm_at(snapshot, NOW + HOUR_MS - 9, LIMITS) == NOW + HOUR_MS
    assert kinds(snapshot, NOW + HOUR_MS) == [ClaimWork]


def test_wait_for_containers_is_told_once_while_it_lasts() -> None:
    instants = tuple(NOW - 50 + n for n in range(11))
    key = f"restarts:b1:{instants[-1]}"
    beads = [make_bead("b1")]
    ends = {B1: instants}
    (action,) = planned(make_snapshot(beads=beads, container_ends=ends))
    assert isinstance(action, EscalateRestarts)
    assert action.key == key
    raised = make_snapshot(beads=beads, container_ends=ends, escalations=[key])
    answered = make_snapshot(beads=beads, container_ends=ends, closed_escalations=[key])
    assert planned(raised) == planned(answered) == ()


def test_review_that_loses_its_containers_waits_as_well() -> None:
    snapshot = make_snapshot(
        beads=[
            make_bead("b1", BeadStatus.IN_REVIEW),
            make_bead("m1", kind=BeadKind.REVIEW, subject="b1"),
        ],
        container_ends={BeadId("m1"): tuple(NOW - 50 + n for n in range(11))},
    )
    assert kinds(snapshot) == [EscalateRestarts]
