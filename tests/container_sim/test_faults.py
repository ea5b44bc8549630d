"""The plan of faults: what may be planned, and who counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim import faults
from boomtown.container_sim.faults import (
    POINTS,
    Fault,
    FaultKind,
    FaultPlan,
    NoFaults,
    PlannedFaults,
    SharedFaults,
)
from boomtown.wire import decode_json_as, encode_json

LOST = Fault(point="start.reply", nth=2, kind=FaultKind.LOST)
SLOW = Fault(point="stop.slow", nth=1, kind=FaultKind.SLOW, ms=500)


@pytest.mark.parametrize(
    ("point", "nth", "kind", "ms"),
    [
        ("start.nowhere", 1, FaultKind.LOST, 0),
        ("start.reply", 1, FaultKind.CRASH, 0),
        ("start.reply", 0, FaultKind.LOST, 0),
        ("stop.slow", 1, FaultKind.SLOW, -1),
    ],
)
def test_fault_that_cannot_be_is_refused(point: str, nth: int, kind: FaultKind, ms: int) -> None:
    with pytest.raises(ValueError, match="fault"):
        Fault(point=point, nth=nth, kind=kind, ms=ms)


def test_planned_fault_fires_at_its_use_and_once() -> None:
    planned = PlannedFaults((LOST, SLOW))
    taken = [planned.take("start.reply") for _ in range(3)]
    assert taken == [None, LOST, None]
    assert planned.take("stop.slow") == SLOW
    assert planned.fired == [LOST, SLOW]
    assert planned.reached == {"start.reply": 3, "stop.slow": 1}


def test_two_faults_at_one_use_are_refused() -> None:
    with pytest.raises(ValueError, match="two faults"):
        PlannedFaults((SLOW, SLOW))


def test_shared_faults_count_across_lives(tmp_path: Path) -> None:
    folder = tmp_path / "faults"
    assert SharedFaults(folder, (LOST,)).take("start.reply") is None
    second = SharedFaults(folder, (LOST,))
    assert second.take("start.reply") == LOST
    assert second.take("start.reply") is None
    assert (second.reached("start.reply"), second.fired("start.reply")) == (3, 1)


def test_points_without_a_fault_cost_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "faults"
    shared = SharedFaults(folder, (LOST,))
    assert shared.take("stop.slow") is None
    assert shared.reached("stop.slow") == 0
    assert not folder.exists()
    assert NoFaults().take("stop.slow") is None


def test_point_that_is_not_in_the_table_is_a_bug(tmp_path: Path) -> None:
    for given in (NoFaults(), PlannedFaults(), SharedFaults(tmp_path, ())):
        with pytest.raises(AssertionError, match="no point"):
            given.take("start.nowhere")


def test_plan_survives_the_wire() -> None:
    plan: FaultPlan = (LOST, SLOW)
    assert decode_json_as(encode_json(plan), tuple[Fault, ...]) == plan


def test_documentation_names_every_point() -> None:
    text = faults.__doc__ or ""
    for point in POINTS:
        assert point.partition("@")[0] in text
