"""Runs scripts on two sides, compares what they say, and makes a difference smaller.

Compared are every result, the class of every error with SQLite's code, and what the caller of a
failed call sees: whether the object was reset, and the reason where the script chose it. Messages
of the platforms' own are not compared.
"""

from __future__ import annotations

from typing import Any

import msgspec

from support.conformance_scripts import Script, smaller_scripts
from support.conformance_sides import Side
from support.conformance_values import canonical, is_list


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A script on which the sides disagree."""

    script: Script
    call: int  # the first call that differs
    expected: Any
    actual: Any


def comparable(answer: dict[str, Any]) -> Any:
    """What of an answer must be equal on both sides."""
    if "results" in answer:
        return {"results": [comparable_result(each) for each in answer["results"]]}
    failed = answer["failed"]
    if answer["reset"]:
        return {"reset": True, "overloaded": answer["overloaded"]}
    return {"failed": failed["error"], "code": failed["code"]}


def comparable_result(result: dict[str, Any]) -> Any:
    if "error" in result:
        return {"error": result["error"], "code": result["code"]}
    return {"value": comparable_value(result["value"])}


def comparable_value(value: Any) -> Any:
    if not is_list(value):
        return value
    if value and value[0] == "results":
        return ["results", [comparable_result(each) for each in value[1]]]
    if len(value) == 2 and value[0] in ("dict", "set"):
        return canonical(value)
    return [comparable_value(each) for each in value]


async def find_difference(
    script: Script, expected: Side, actual: Side, *, name: str
) -> Difference | None:
    """Where the sides disagree on the script, if they do."""
    answers = zip(await expected.run(name, script), await actual.run(name, script), strict=True)
    for index, (wanted, got) in enumerate(answers):
        if comparable(wanted) != comparable(got):
            return Difference(script=script, call=index, expected=wanted, actual=got)
    return None


async def shrink(difference: Difference, expected: Side, actual: Side, *, name: str) -> Difference:
    """The same disagreement, or another, with as few operations as can be left."""
    tries = 0
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for script in smaller_scripts(difference.script):
            tries += 1
            found = await find_difference(script, expected, actual, name=f"{name}-{tries}")
            if found is not None:
                difference, is_smaller = found, True
                break
    return difference
