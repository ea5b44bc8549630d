"""What a run writes, and what it keeps of an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest

from side_by_side.figures import Row, Sample, at_least
from side_by_side.program import Kept, Run, read_kept
from side_by_side.requests_rows import SHORT, Measured

SAMPLE = Sample(rate=9, p50_ms=1, p99_ms=2, cpu_us=3, errors=0, others_cores=0)


def row(name: str, ours: float) -> Row:
    return Row(name=name, unit="x", ours=ours, theirs=1, target=at_least(3))


def test_rows_that_are_not_measured_again_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    assert read_kept(result) == Kept()
    measured = Measured(cell=SHORT[0], server="workerd", median=SAMPLE, takes=1)
    Run(result=result, has_workerd=True, kept=Kept()).add([row("a", 1), row("b", 2)], [measured])
    again = Run(result=result, has_workerd=True, kept=read_kept(result))
    again.add([row("b", 4)])
    kept = read_kept(result)
    assert [(each.name, each.ours, each.verdict) for each in kept.rows] == [
        ("a", 1, "under"),
        ("b", 4, "ok"),
    ]
    assert kept.cells == [measured]
    assert all(each.at for each in kept.rows)
    assert "under" in capsys.readouterr().out
