"""The harness itself, without workerd: this runtime against itself, and against a planted lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.conformance_comparison import find_difference, shrink
from support.conformance_run import RECORD, SCRIPTS, make_record
from support.conformance_scripts import make_script, operations_of
from support.conformance_sides import Answer, Call, RuntimeSide, open_runtime


class LyingSide:
    """Answers as the runtime does, but for one result of each listing that is not empty."""

    def __init__(self, side: RuntimeSide) -> None:
        self._side = side

    async def run(self, name: str, calls: list[Call]) -> list[Answer]:
        answers = await self._side.run(name, calls)
        for call, answer in zip(calls, answers, strict=True):
            for operation, result in zip(
                call.get("operations", ()), answer.get("results", ()), strict=False
            ):
                if operation["op"] == "list" and result.get("value", ["dict", []])[1]:
                    result["value"][1].pop()
        return answers


async def test_the_runtime_agrees_with_itself_about_generated_scripts(tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "a") as one, open_runtime(tmp_path / "b") as other:
        for seed in range(40):
            script = make_script(seed)
            assert await find_difference(script, one, other, name=f"seed {seed}") is None


async def test_a_planted_wrong_result_is_reported_and_made_small(tmp_path: Path) -> None:
    async with open_runtime(tmp_path) as honest:
        lying = LyingSide(honest)
        for seed in range(200):
            name = f"seed {seed}"
            found = await find_difference(make_script(seed), honest, lying, name=name)
            if found is not None:
                smallest = await shrink(found, honest, lying, name=name)
                assert len(list(operations_of(smallest.script))) <= 3
                return
    pytest.fail("no script found the planted result")


def test_the_record_is_of_the_scripts_that_are_made_now() -> None:
    assert json.loads(RECORD.read_text()) == make_record(first=0, count=SCRIPTS)


def test_the_rare_operations_are_at_least_one_in_a_hundred() -> None:
    record = make_record(first=0, count=SCRIPTS)
    for name in ("abort", "rollback", "delete_all", "set_alarm"):
        assert record["operations_by_name"][name] >= record["operations"] / 100, name
