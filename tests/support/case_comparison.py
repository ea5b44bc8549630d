"""What of a single case's answers must be equal on both sides, and where they are not.

As for generated scripts (conformance_comparison.py), and also the reason of an abort, which the
scripts choose. The differences that case_scripts.py knows are taken out of both sides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from support.case_operations import Script
from support.case_scripts import CASES, RESET_IS_TOLD, VALUE_ERRORS
from support.conformance_comparison import comparable
from support.conformance_sides import ROOT

RECORDED = ROOT / "tests" / "differential" / "case_results.json"
REASONS = ("stop here", "thrown on purpose")

Answer = dict[str, Any]


class CaseSide(Protocol):
    """Something that runs the scripts of single cases."""

    async def run_case(self, name: str, calls: Script) -> list[Answer]:
        """What each call of the script said; `name` is its objects', and new."""
        ...


def comparable_answer(number: int, answer: Answer) -> Any:
    if "failed" in answer and number in RESET_IS_TOLD:
        answer = {**answer, "reset": False}
    said: dict[str, Any] = comparable(answer)
    if "results" in said and number in VALUE_ERRORS:
        said["results"] = [without_range_error(each) for each in said["results"]]
    if "failed" in answer:
        message = answer["failed"]["message"]
        said["reason"] = next((reason for reason in REASONS if reason in message), None)
    return said


def without_range_error(result: Any) -> Any:
    return {**result, "error": "Error"} if result.get("error") == "RangeError" else result


async def run_case(side: CaseSide, number: int) -> list[Any]:
    """What is comparable of the answers of one case."""
    answers = await side.run_case(f"case {number}", CASES[number])
    return [comparable_answer(number, answer) for answer in answers]


async def run_cases(side: CaseSide) -> dict[str, list[Any]]:
    """What is comparable of every case, by its number of three digits."""
    return {f"{number:03}": await run_case(side, number) for number in CASES}


def different_cases(expected: dict[str, list[Any]], actual: dict[str, list[Any]]) -> list[str]:
    """The numbers of the cases that say something else, in their order."""
    return [number for number, answers in expected.items() if actual[number] != answers]


def read_recorded(path: Path = RECORDED) -> dict[str, list[Any]]:
    """What workerd said when it was asked last."""
    recorded: dict[str, list[Any]] = json.loads(path.read_text())
    return recorded


def write_recorded(said: dict[str, list[Any]]) -> None:
    """One line for each answer, so that a change shows where it is."""
    lines = [
        f"{json.dumps(number)}: [\n "
        + ",\n ".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
        + "\n]"
        for number, answers in said.items()
    ]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
