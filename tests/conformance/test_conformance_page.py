"""docs/conformance.md says what the tests say: each case passes, or does not apply."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.conformance_cases import CHAPTERS, DOES_NOT_APPLY
from support.conformance_page import (
    BEGIN,
    END,
    PAGE,
    TESTS,
    cases_tested_in,
    numbers_of,
    render_cases,
    with_cases,
)

HERE = Path(__file__).resolve().parent
NOT_APPLYING_MAX = 25
LAST = 196


def test_every_case_is_listed_once_and_in_order() -> None:
    listed = [number for chapter in CHAPTERS for number in chapter.cases]
    assert listed == list(range(1, LAST + 1))
    assert "".join(chapter.letter for chapter in CHAPTERS) == "ABCDEFGHIJ"


def test_a_case_has_a_test_here_if_and_only_if_it_applies() -> None:
    tested = {
        number for file in HERE.glob("test_*.py") for number, _ in cases_tested_in(file.read_text())
    }
    applying = {number for number in range(1, LAST + 1) if number not in DOES_NOT_APPLY}
    assert sorted(applying - tested) == []
    assert sorted(tested - applying) == []


def test_tests_with_the_number_of_a_case_are_all_here() -> None:
    elsewhere = [
        f"{file.relative_to(TESTS)}: {name}"
        for file in sorted(TESTS.rglob("test_*.py"))
        if file.parent != HERE
        for _, name in cases_tested_in(file.read_text("utf-8"))
    ]
    assert elsewhere == []


def test_few_cases_do_not_apply() -> None:
    assert len(DOES_NOT_APPLY) <= NOT_APPLYING_MAX
    assert all(DOES_NOT_APPLY.values())


def test_the_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert with_cases(page) == page, "run: make conformance-page"


def test_only_what_is_between_the_marks_is_written() -> None:
    page = with_cases(f"before\n{BEGIN}old\n{END}after\n")
    assert page == f"before\n{BEGIN}\n{render_cases()}\n{END}after\n"
    for broken in (page.replace(BEGIN, ""), page.replace(END, ""), END + BEGIN):
        with pytest.raises(ValueError, match="lacks a mark"):
            with_cases(broken)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_case_017_calls", [17]),
        ("test_case_021_022_025_abort", [21, 22, 25]),
        ("test_gate_36_case_075_a_call", [75]),
        ("test_in_case_2_of_us_fail", []),
        ("test_every_case_has_a_number", []),
    ],
)
def test_numbers_are_read_from_names(name: str, numbers: list[int]) -> None:
    assert numbers_of(name) == numbers
    source = f"class TestIt:\n    async def {name}(self): ...\ndef helper_{name}(): ...\n"
    assert cases_tested_in(source) == [(number, name) for number in numbers]
