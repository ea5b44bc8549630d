"""The scripts of single cases, without workerd: this runtime says what workerd said."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from support.case_comparison import different_cases, read_recorded, run_case
from support.case_scripts import CASES
from support.case_sides import open_runtime_cases
from support.conformance_sides import ROOT

RECORDED = read_recorded()


@pytest.mark.parametrize("number", CASES, ids=lambda number: f"case_{number:03}")
async def test_workerd_said_the_same(number: int, tmp_path: Path) -> None:
    async with open_runtime_cases(tmp_path) as side:
        assert await run_case(side, number) == RECORDED[f"{number:03}"]


def test_a_hundred_cases_were_run_on_workerd_at_least() -> None:
    assert list(RECORDED) == [f"{number:03}" for number in CASES]
    assert len(RECORDED) >= 100
    page = (ROOT / "docs" / "conformance.md").read_text()
    assert f"{len(RECORDED)} of the cases have a script of their own" in page


def test_every_case_answers_something() -> None:
    for number, answers in RECORDED.items():
        assert answers, number
        assert any(answer != {"results": []} for answer in answers), number


def test_a_planted_wrong_answer_is_found() -> None:
    planted: dict[str, Any] = copy.deepcopy(RECORDED)
    planted["076"][0]["results"][2]["value"] = ["float", "0000000000000000"]
    assert different_cases(RECORDED, planted) == ["076"]
    assert different_cases(RECORDED, RECORDED) == []
