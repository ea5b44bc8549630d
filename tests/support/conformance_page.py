"""The table of cases in docs/conformance.md: written by `make conformance-page`, never by hand.

A case passes when tests/conformance has a test with its number in the name (`test_case_017_…`,
`test_case_021_022_…`), or does not apply, for a reason. Everything around the two marks in the
page is hand-written and left as it is.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from support.conformance_cases import CHAPTERS, DOES_NOT_APPLY, Chapter

TESTS = Path(__file__).resolve().parent.parent
PAGE = TESTS.parent / "docs" / "conformance.md"
BEGIN = "<!-- The cases: written by make conformance-page. -->\n"
END = "<!-- End of the cases. -->\n"

_NUMBERS = re.compile(r"case((?:_\d{3})+)(?=_)")


def numbers_of(test_name: str) -> list[int]:
    """The cases that a test's name gives; none where it gives none."""
    found = _NUMBERS.search(test_name)
    return [] if found is None else [int(digits) for digits in found[1].split("_")[1:]]


def cases_tested_in(source: str) -> list[tuple[int, str]]:
    """Case and name of each test in a module that has a number, in the order of the module."""
    return [
        (number, node.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        for number in numbers_of(node.name)
    ]


def render_cases() -> str:
    """The chapters, a table each."""
    count = sum(len(chapter.cases) for chapter in CHAPTERS)
    left_out = len(DOES_NOT_APPLY)
    head = f"{count} cases: {count - left_out} pass, {left_out} do not apply.\n"
    return "\n".join((head, *(_render_chapter(chapter) for chapter in CHAPTERS)))


def _render_chapter(chapter: Chapter) -> str:
    rows = "".join(
        f"| {number} | {text} | {_verdict(number)} |\n" for number, text in chapter.cases.items()
    )
    title = f"### {chapter.letter}. {chapter.title}"
    return f"{title}\n\n| Number | Case | Here |\n|---|---|---|\n{rows}"


def _verdict(number: int) -> str:
    reason = DOES_NOT_APPLY.get(number)
    return "passes" if reason is None else f"does not apply: {reason}"


def with_cases(page: str) -> str:
    """The page with its cases written anew. ValueError where it lacks a mark."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page lacks a mark of its generated part")
    return f"{before}{BEGIN}\n{render_cases()}\n{END}{after}"


def main() -> None:
    """Write docs/conformance.md anew."""
    PAGE.write_text(with_cases(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
