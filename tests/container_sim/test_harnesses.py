"""Command templates: how they are split, filled and refused."""

from __future__ import annotations

import sys

import pytest

from boomtown.container_sim.harnesses import (
    HarnessSpec,
    fill_command,
    find_program,
    get_harness,
    validate_command,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

VALUES = {
    "prompt": 'a "b" {branch} $c',
    "prompt_file": "/p",
    "bead_id": "b1",
    "branch": "x",
    "worktree": "/w",
}


def test_prompt_stays_one_word_and_is_not_filled_again() -> None:
    words = validate_command("tool -p {prompt} --in={worktree}")
    assert fill_command(words, VALUES) == ["tool", "-p", 'a "b" {branch} $c', "--in=/w"]


def test_other_braces_are_left_alone() -> None:
    words = validate_command("""tool '{"a": 1}' 'f() { true; }'""")
    assert fill_command(words, VALUES) == ["tool", '{"a": 1}', "f() { true; }"]


@pytest.mark.parametrize("template", ["", "  ", "tool 'open", "tool {promt}"])
def test_bad_template_is_refused(template: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate_command(template)
    assert caught.value.code is ErrorCode.AGENT_COMMAND_NOT_FOUND


def test_harness_is_found_by_name_with_its_program() -> None:
    real = HarnessSpec(argv=(sys.executable,))
    gone = HarnessSpec(argv=("no-such-program-here",))
    known = {"real": real, "gone": gone}
    assert get_harness(known, "scripted", find_program) == HarnessSpec()
    assert get_harness(known, "real", find_program) == real
    for name, code in (
        ("gone", ErrorCode.AGENT_BINARY_NOT_FOUND),
        ("other", ErrorCode.UNKNOWN_HARNESS),
    ):
        with pytest.raises(InvalidRequest) as caught:
            get_harness(known, name, find_program)
        assert caught.value.code is code
