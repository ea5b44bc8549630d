"""blockers: the one definition of what a bead waits for."""

from __future__ import annotations

import pytest

from boomtown.actors.town.blockers import failed_blockers, live_reviews, open_blockers
from boomtown.actors.town.model import BeadKind, BeadStatus, OnFailedBead, TownConfig
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from support.town_snapshots import blocks, make_bead, make_snapshot, make_town

B0, B1 = BeadId("b0"), BeadId("b1")
HOLD, CONTINUE = OnFailedBead.HOLD, OnFailedBead.CONTINUE


def blocked_by(
    status: BeadStatus, review: BeadStatus | None = None, policy: OnFailedBead = HOLD
) -> Snapshot:
    beads = [make_bead("b0", status), make_bead("b1")]
    if review is not None:
        beads.append(make_bead("m1", review, kind=BeadKind.REVIEW, subject="b0"))
    town = make_town(config=TownConfig(on_failed_bead=policy))
    return make_snapshot(town=town, beads=beads, edges=[blocks("b1", "b0")])


@pytest.mark.parametrize(
    ("snapshot", "is_open"),
    [
        pytest.param(blocked_by(BeadStatus.OPEN), True, id="open"),
        pytest.param(blocked_by(BeadStatus.IN_PROGRESS), True, id="in_progress"),
        pytest.param(blocked_by(BeadStatus.IN_REVIEW), True, id="in_review"),
        pytest.param(blocked_by(BeadStatus.CLOSED), False, id="closed"),
        pytest.param(blocked_by(BeadStatus.CLOSED, BeadStatus.OPEN), True, id="live_review"),
        pytest.param(blocked_by(BeadStatus.CLOSED, BeadStatus.FAILED), False, id="ended_review"),
        pytest.param(blocked_by(BeadStatus.FAILED), True, id="row_90_failed_holds"),
        pytest.param(
            blocked_by(BeadStatus.FAILED, policy=CONTINUE), False, id="row_90_failed_continues"
        ),
    ],
)
def test_blocker_is_open_when(snapshot: Snapshot, is_open: bool) -> None:
    assert open_blockers(snapshot, B1) == ((B0,) if is_open else ())


def test_blocker_outside_the_snapshot_is_live() -> None:
    snapshot = make_snapshot(beads=[make_bead("b1")], edges=[blocks("b1", "b0")])
    assert open_blockers(snapshot, B1) == (B0,)
    assert failed_blockers(snapshot, B1) == ()


@pytest.mark.parametrize(
    ("status", "policy", "expected"),
    [
        (BeadStatus.FAILED, HOLD, (B0,)),
        (BeadStatus.FAILED, CONTINUE, ()),
        (BeadStatus.OPEN, HOLD, ()),
    ],
)
def test_failed_blockers_hold(
    status: BeadStatus, policy: OnFailedBead, expected: tuple[BeadId, ...]
) -> None:
    assert failed_blockers(blocked_by(status, policy=policy), B1) == expected


def test_live_reviews_leave_out_the_ended_ones() -> None:
    beads = [
        make_bead("b0", BeadStatus.IN_REVIEW),
        make_bead("m1", BeadStatus.FAILED, kind=BeadKind.REVIEW, subject="b0"),
        make_bead("m2", BeadStatus.IN_PROGRESS, kind=BeadKind.REVIEW, subject="b0"),
    ]
    assert live_reviews(make_snapshot(beads=beads), B0) == (BeadId("m2"),)
