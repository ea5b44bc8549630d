"""plan_convoys: counting, readiness, landings and their spacing."""

from __future__ import annotations

import msgspec
import pytest

from boomtown.actors.town import plan_convoys
from boomtown.actors.town.actions import (
    Action,
    CloseConvoy,
    CreateLanding,
    EscalateHeld,
    FailConvoy,
    MarkReadyToLand,
    UpdateConvoyProgress,
)
from boomtown.actors.town.model import (
    Bead,
    BeadKind,
    BeadStatus,
    Convoy,
    MergeMode,
    OnFailedBead,
    Rig,
    Town,
    TownConfig,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from support.town_snapshots import (
    NOW,
    make_bead,
    make_convoy,
    make_rig,
    make_snapshot,
    make_town,
    tracks,
)

LIMITS = TownLimits()
OPEN, IN_PROGRESS, IN_REVIEW, CLOSED, FAILED = BeadStatus
C1 = BeadId("c1")
READY = make_convoy("c1", is_ready_to_land=True, total=2, closed=2)
CONTINUE = make_town(config=TownConfig(on_failed_bead=OnFailedBead.CONTINUE))


def convoy_of(
    convoy: Convoy,
    *statuses: BeadStatus,
    extra: tuple[Bead, ...] = (),
    town: Town | None = None,
    rigs: tuple[Rig, ...] | None = None,
) -> Snapshot:
    """The convoy with one issue per status, b0 and on."""
    issues = [make_bead(f"b{n}", status) for n, status in enumerate(statuses)]
    return make_snapshot(
        town=town,
        rigs=rigs,
        beads=[make_bead("c1", kind=BeadKind.RECORD, rig_id=None), *issues, *extra],
        convoys=[convoy],
        edges=[tracks(issue.bead_id, "c1") for issue in issues],
    )


def planned(
    snapshot: Snapshot, now_ms: int = NOW, settling: str | None = None
) -> tuple[Action, ...]:
    moving = frozenset[BeadId]() if settling is None else frozenset({BeadId(settling)})
    return plan_convoys.plan(snapshot, now_ms=now_ms, limits=LIMITS, settling=moving)


def landing(status: BeadStatus) -> Bead:
    return make_bead("m1", status, kind=BeadKind.LANDING, subject="c1")


@pytest.mark.parametrize(
    ("statuses", "closed"),
    [((OPEN, OPEN), 0), ((CLOSED, IN_REVIEW), 1), ((FAILED, IN_PROGRESS), 1)],
)
def test_row_77_progress_is_recounted(statuses: tuple[BeadStatus, ...], closed: int) -> None:
    right = make_convoy("c1", total=2, closed=closed)
    assert planned(convoy_of(right, *statuses)) == ()
    wrong = make_convoy("c1", total=2, closed=closed + 1)
    update = UpdateConvoyProgress(convoy_id=C1, total_beads=2, closed_beads=closed)
    assert planned(convoy_of(wrong, *statuses)) == (update,)


def test_convoy_whose_bead_moves_in_this_plan_waits_for_the_next() -> None:
    wrong = make_convoy("c1", total=2, closed=0)
    assert planned(convoy_of(wrong, CLOSED, OPEN), settling="c1") == ()


def test_empty_convoy_is_never_done() -> None:
    assert planned(convoy_of(make_convoy("c1"))) == ()


def test_staged_convoy_does_not_land() -> None:
    staged = make_convoy("c1", is_staged=True, total=1, closed=1)
    assert planned(convoy_of(staged, CLOSED)) == ()


@pytest.mark.parametrize(
    "convoy",
    [
        make_convoy("c1", merge_mode=MergeMode.REVIEW_AND_MERGE, total=2, closed=2),
        make_convoy("c1", feature_branch=None, total=2, closed=2),
    ],
)
def test_review_and_merge_is_landed_when_done(convoy: Convoy) -> None:
    assert planned(convoy_of(convoy, CLOSED, CLOSED)) == (CloseConvoy(convoy_id=C1),)


def test_review_then_land_is_ready_when_done() -> None:
    done = make_convoy("c1", total=2, closed=2)
    assert planned(convoy_of(done, CLOSED, CLOSED)) == (MarkReadyToLand(convoy_id=C1),)


def test_live_review_of_a_closed_bead_keeps_it_from_being_done() -> None:
    late = make_bead("m9", kind=BeadKind.REVIEW, subject="b0")
    done = make_convoy("c1", total=2, closed=2)
    assert planned(convoy_of(done, CLOSED, CLOSED, extra=(late,))) == ()


def test_failed_bead_keeps_it_from_landing_and_says_so_once() -> None:
    held = convoy_of(READY, CLOSED, FAILED)
    assert planned(held) == (EscalateHeld(bead_id=C1, blocker_id=BeadId("b1")),)
    told = msgspec.structs.replace(held, closed_escalation_keys=frozenset({"held:c1:b1"}))
    assert planned(told) == ()


def test_town_that_continues_lands_without_its_failed_beads() -> None:
    landed = planned(convoy_of(READY, CLOSED, FAILED, town=CONTINUE))
    assert landed == (CreateLanding(convoy_id=C1, expected_attempts=0),)


def test_ready_convoy_gets_its_landing() -> None:
    created = CreateLanding(convoy_id=C1, expected_attempts=0)
    assert planned(convoy_of(READY, CLOSED, CLOSED)) == (created,)


@pytest.mark.parametrize("status", [OPEN, IN_PROGRESS])
def test_row_38_live_landing_is_waited_for(status: BeadStatus) -> None:
    assert planned(convoy_of(READY, CLOSED, CLOSED, extra=(landing(status),))) == ()


def test_merged_landing_closes_the_convoy() -> None:
    merged = convoy_of(READY, CLOSED, CLOSED, extra=(landing(CLOSED),))
    assert planned(merged) == (CloseConvoy(convoy_id=C1),)


@pytest.mark.parametrize(
    ("attempts", "wait_ms"), [(1, 60_000), (2, 120_000), (3, 240_000), (4, 480_000)]
)
def test_row_38_landings_are_spaced(attempts: int, wait_ms: int) -> None:
    convoy = msgspec.structs.replace(READY, landing_attempts=attempts, last_landing_at_ms=NOW)
    snapshot = convoy_of(convoy, CLOSED, CLOSED, extra=(landing(FAILED),))
    assert planned(snapshot, NOW + wait_ms - 1) == ()
    created = CreateLanding(convoy_id=C1, expected_attempts=attempts)
    assert planned(snapshot, NOW + wait_ms) == (created,)


def test_spacing_of_landings_is_bounded() -> None:
    limits = msgspec.structs.replace(LIMITS, landing_attempts_max=50)
    convoy = msgspec.structs.replace(READY, landing_attempts=40, last_landing_at_ms=NOW)
    expected = NOW + limits.landing_backoff_max_ms
    assert plan_convoys.next_landing_at_ms(convoy, limits=limits) == expected


def test_row_38_fifth_failed_landing_fails_the_convoy_at_once() -> None:
    convoy = msgspec.structs.replace(READY, landing_attempts=5, last_landing_at_ms=NOW)
    failed = FailConvoy(convoy_id=C1, message="Not landed in 5 attempts")
    snapshot = convoy_of(convoy, CLOSED, CLOSED, extra=(landing(FAILED),))
    assert planned(snapshot) == (failed,)


def test_fifth_landing_is_waited_for() -> None:
    convoy = msgspec.structs.replace(READY, landing_attempts=5, last_landing_at_ms=NOW)
    assert planned(convoy_of(convoy, CLOSED, CLOSED, extra=(landing(OPEN),))) == ()


def test_convoy_of_a_deleted_rig_fails() -> None:
    failed = FailConvoy(convoy_id=C1, message="Its rig was deleted")
    assert planned(convoy_of(READY, CLOSED, CLOSED, rigs=())) == (failed,)


@pytest.mark.parametrize(
    ("town", "rig"),
    [
        pytest.param(make_town(is_paused=True), make_rig(), id="town_paused"),
        pytest.param(make_town(is_draining=True), make_rig(), id="draining"),
        pytest.param(make_town(), make_rig(is_paused=True), id="rig_paused"),
    ],
)
def test_no_landing_is_made_while(town: Town, rig: Rig) -> None:
    assert planned(convoy_of(READY, CLOSED, CLOSED, town=town, rigs=(rig,))) == ()


def test_failed_beads_are_named_for_the_view() -> None:
    held = convoy_of(READY, FAILED, CLOSED)
    assert plan_convoys.failed_beads(held, C1) == (BeadId("b0"),)


def test_deleted_or_final_convoy_is_not_looked_at() -> None:
    wrong = make_convoy("c1", total=9)
    snapshot = convoy_of(wrong, OPEN)
    for beads in (
        {key: bead for key, bead in snapshot.beads.items() if key != C1},
        {**snapshot.beads, C1: make_bead("c1", CLOSED, kind=BeadKind.RECORD)},
    ):
        assert planned(msgspec.structs.replace(snapshot, beads=beads)) == ()


@pytest.mark.parametrize(
    ("snapshot", "is_waiting"),
    [
        pytest.param(convoy_of(READY, CLOSED, CLOSED), True, id="cooling_down"),
        pytest.param(convoy_of(READY, CLOSED, OPEN), False, id="not_done"),
        pytest.param(convoy_of(make_convoy("c1"), CLOSED), False, id="not_ready"),
        pytest.param(
            convoy_of(msgspec.structs.replace(READY, is_staged=True), CLOSED), False, id="staged"
        ),
        pytest.param(convoy_of(READY, CLOSED, FAILED), False, id="held_by_a_failure"),
        pytest.param(convoy_of(READY, CLOSED, CLOSED, extra=(landing(OPEN),)), False, id="landing"),
    ],
)
def test_convoy_waits_for_time_alone(snapshot: Snapshot, is_waiting: bool) -> None:
    convoy = snapshot.convoys[C1]
    assert plan_convoys.is_waiting_to_land(snapshot, convoy) == is_waiting
