"""Faults that are called for at run time: aimed, counted, and only in their town."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.called_faults import CalledFault, CalledFaults
from boomtown.container_sim.faults import Fault, FaultKind, NoFaults, PlannedFaults
from boomtown.ids import TownId

TOWN, OTHER = TownId("t1"), TownId("t2")
POINT = "heartbeat.lost"


def lost(*, nth: int = 1, times: int = 1, fault_id: str = "f1") -> CalledFault:
    return CalledFault(
        fault_id=fault_id, point=POINT, kind=FaultKind.LOST, ms=0, nth=nth, times=times
    )


def test_it_fires_from_the_nth_time_on_and_counts(tmp_path: Path) -> None:
    faults = CalledFaults(NoFaults(), tmp_path, TOWN)
    assert faults.take(POINT) is None
    faults.call_for(lost(nth=2, times=2))
    assert [faults.take(POINT) is not None for _ in range(4)] == [False, True, True, False]
    assert (faults.reached("f1"), faults.fired("f1")) == (4, 2)


def test_every_process_of_the_town_sees_it_and_no_other_town(tmp_path: Path) -> None:
    CalledFaults(NoFaults(), tmp_path, TOWN).call_for(lost(nth=2))
    assert CalledFaults(NoFaults(), tmp_path, OTHER).take(POINT) is None
    assert CalledFaults(NoFaults(), tmp_path, TOWN).take(POINT) is None
    assert CalledFaults(NoFaults(), tmp_path, TOWN).take(POINT) is not None


def test_another_point_is_not_counted(tmp_path: Path) -> None:
    faults = CalledFaults(NoFaults(), tmp_path, TOWN)
    faults.call_for(lost())
    assert faults.take("completed.lost") is None
    assert faults.reached("f1") == 0


def test_what_was_planned_comes_first_and_both_count(tmp_path: Path) -> None:
    planned = PlannedFaults((Fault(point=POINT, kind=FaultKind.LOST),))
    faults = CalledFaults(planned, tmp_path, TOWN)
    faults.call_for(lost(nth=2))
    assert faults.take(POINT) == planned.fired[0]
    assert faults.fired("f1") == 0
    assert faults.take(POINT) is not None
    assert faults.fired("f1") == 1


def test_of_two_at_once_one_fires_and_the_other_is_not_said_to(tmp_path: Path) -> None:
    faults = CalledFaults(NoFaults(), tmp_path, TOWN)
    faults.call_for(lost(fault_id="f1"))
    faults.call_for(lost(fault_id="f2"))
    assert faults.take(POINT) is not None
    assert (faults.fired("f1"), faults.fired("f2")) == (1, 0)
    assert faults.reached("f2") == 1


def test_a_kind_that_the_point_cannot_show_is_refused(tmp_path: Path) -> None:
    faults = CalledFaults(NoFaults(), tmp_path, TOWN)
    wrong = CalledFault(fault_id="f1", point=POINT, kind=FaultKind.CRASH, ms=0, nth=1, times=1)
    with pytest.raises(ValueError, match="no fault"):
        faults.call_for(wrong)
