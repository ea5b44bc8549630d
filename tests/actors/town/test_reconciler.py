"""reconciler: what holds of every plan, whatever the town looks like."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given, settings

from boomtown.actors.town import invariants, reconciler
from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    ClaimWork,
    EndSession,
    EscalateHeld,
    FailBead,
    SendProbe,
    SendStart,
    SendStop,
    UpdateConvoyProgress,
)
from boomtown.actors.town.alarm_time import next_alarm_at
from boomtown.actors.town.model import (
    BeadKind,
    BeadStatus,
    MergeMode,
    SessionState,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from support.plan_model import apply_plan, touched
from support.snapshot_strategies import snapshots
from support.town_snapshots import (
    NOW,
    make_agent,
    make_bead,
    make_convoy,
    make_session,
    make_snapshot,
    tracks,
)

LIMITS = TownLimits()
ROUNDS_MAX = 16  # the longest chain known, from a lost session to a started landing, has 9


def planned(snapshot: Snapshot, now_ms: int = NOW) -> tuple[Action, ...]:
    return reconciler.plan(snapshot, now_ms=now_ms, limits=LIMITS)


def reordered(snapshot: Snapshot) -> Snapshot:
    """The same town, with hash-ordered things built the other way round."""
    return msgspec.structs.replace(
        snapshot,
        effects=tuple(reversed(snapshot.effects)),
        live_escalations=dict(reversed(list(snapshot.live_escalations.items()))),
        session_of_bead=dict(reversed(list(snapshot.session_of_bead.items()))),
    )


@given(snapshots())
@settings(max_examples=200, deadline=None)
def test_no_two_actions_of_a_plan_touch_the_same_field(snapshot: Snapshot) -> None:
    fields = Counter(field for action in planned(snapshot) for field in touched(snapshot, action))
    assert [field for field, count in fields.items() if count > 1] == []


@given(snapshots())
@settings(max_examples=200, deadline=None)
def test_plan_reaches_a_fixed_point_when_nothing_comes_from_outside(snapshot: Snapshot) -> None:
    for _ in range(ROUNDS_MAX):
        actions = planned(snapshot)
        if not actions:
            return
        snapshot = apply_plan(snapshot, actions, now_ms=NOW, limits=LIMITS)
    assert planned(snapshot) == ()


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_plan_is_the_same_for_the_same_town(snapshot: Snapshot) -> None:
    assert planned(snapshot) == planned(reordered(snapshot))


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_alarm_is_after_now_and_never_later_than_idle(snapshot: Snapshot) -> None:
    assert NOW < next_alarm_at(snapshot, NOW, LIMITS) <= NOW + LIMITS.alarm_idle_ms


@given(snapshots())
@settings(max_examples=100, deadline=None)
def test_plan_keeps_sessions_one_per_agent_and_bead(snapshot: Snapshot) -> None:
    """Claims of one plan never collide, in the model without unique indexes too."""
    after = apply_plan(snapshot, planned(snapshot), now_ms=NOW, limits=LIMITS)
    names = {v.name for v in invariants.check(after, now_ms=NOW, limits=LIMITS)}
    assert names.isdisjoint(
        {
            invariants.ONE_LIVE_SESSION_PER_AGENT,
            invariants.ONE_LIVE_SESSION_PER_BEAD,
            invariants.ONE_RUNNING_REVIEW_PER_RIG,
        }
    )


def test_plan_is_bounded_and_its_tail_comes_later() -> None:
    limits = msgspec.structs.replace(LIMITS, actions_per_tick_max=2)
    snapshot = make_snapshot(beads=[make_bead(f"b{n}") for n in range(4)])
    first = reconciler.plan(snapshot, now_ms=NOW, limits=limits)
    assert [a.bead_id for a in first if isinstance(a, ClaimWork)] == ["b0", "b1"]
    after = apply_plan(snapshot, first, now_ms=NOW, limits=limits)
    second = reconciler.plan(after, now_ms=NOW, limits=limits)
    assert len(second) == 2
    assert all(isinstance(action, SendStart) for action in second)


def test_sessions_come_first_then_issues_reviews_and_convoys() -> None:
    snapshot = make_snapshot(
        beads=[
            make_bead("b1"),
            make_bead("b2"),
            make_bead("b3", BeadStatus.IN_REVIEW),
            make_bead("m3", kind=BeadKind.REVIEW, subject="b3"),
            make_bead("c1", kind=BeadKind.RECORD, rig_id=None),
        ],
        convoys=[make_convoy("c1", total=0)],
        edges=[tracks("b2", "c1")],
        agents=[make_agent("a1")],
        sessions=[make_session("s1", SessionState.CLAIMED)],
    )
    kinds = [type(action) for action in planned(snapshot)]
    assert kinds == [SendStart, ClaimWork, ClaimReview, UpdateConvoyProgress]


def test_row_60_silent_refinery_is_probed_and_its_review_left_alone() -> None:
    """One rule for a silent session: nothing reopens or restarts its review in the same plan."""
    session = make_session(
        "s1",
        agent_id="r1",
        bead_id="m1",
        kind=SessionKind.REVIEW,
        last_heartbeat_at_ms=NOW - LIMITS.lease_ms,
        lease_until_ms=NOW,
    )
    snapshot = make_snapshot(
        beads=[
            make_bead("b1", BeadStatus.IN_REVIEW),
            make_bead("m1", BeadStatus.IN_PROGRESS, kind=BeadKind.REVIEW, subject="b1"),
        ],
        agents=[make_agent("r1", AgentRole.REFINERY)],
        sessions=[session],
    )
    probe = SendProbe(session_id=session.session_id, expected_state=SessionState.RUNNING)
    assert planned(snapshot) == (probe,)


def test_convoy_is_recounted_after_its_bead_has_failed() -> None:
    snapshot = make_snapshot(
        beads=[
            make_bead("b1", attempts=5),
            make_bead("c1", kind=BeadKind.RECORD, rig_id=None),
        ],
        convoys=[make_convoy("c1", merge_mode=MergeMode.REVIEW_AND_MERGE)],
        edges=[tracks("b1", "c1")],
    )
    first = planned(snapshot)
    assert [type(action) for action in first] == [FailBead]
    after = apply_plan(snapshot, first, now_ms=NOW, limits=LIMITS)
    update = UpdateConvoyProgress(convoy_id=BeadId("c1"), total_beads=1, closed_beads=1)
    held = EscalateHeld(bead_id=BeadId("c1"), blocker_id=BeadId("b1"))
    assert planned(after) == (update, held)


def test_case_2_world_that_never_answers_gets_five_starts_and_no_second_body() -> None:
    """Each start is unknown, probed in vain, stopped in vain and lost; then the bead is given up
    and the town goes idle. No start is sent while another may have a body."""
    snapshot, now_ms = make_snapshot(beads=[make_bead("b1")]), NOW
    seen: list[Action] = []
    for _ in range(1_000):
        actions = planned(snapshot, now_ms)
        seen.extend(actions)
        snapshot = apply_plan(snapshot, actions, now_ms=now_ms, limits=LIMITS)
        snapshot = msgspec.structs.replace(snapshot, effects=())  # each is answered: unknown
        wake_ms = next_alarm_at(snapshot, now_ms, LIMITS)
        if wake_ms == now_ms + LIMITS.alarm_idle_ms:
            break
        now_ms = wake_ms
    steps = [type(action) for action in seen if not isinstance(action, SendProbe)]
    assert steps == [ClaimWork, SendStart, SendStop, EndSession] * 5 + [FailBead]
    assert snapshot.beads[BeadId("b1")].status == BeadStatus.FAILED
    assert not snapshot.sessions
