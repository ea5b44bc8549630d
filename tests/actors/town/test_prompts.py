"""prompts: what a command agent reads is enough to work and to report."""

from __future__ import annotations

import shlex

import msgspec
import pytest

from boomtown.actors.town.prompts import (
    landing_prompt,
    review_prompt,
    rework_prompt,
    work_prompt,
)
from boomtown.container_sim.model import Verdict

GATES = (("make", "test"), ("sh", "-c", "echo 'two words'"))
PROMPTS = {
    "work": work_prompt(
        title="Fix it", body="The body.", branch="gt/a/1", target_branch="main", gates=GATES
    ),
    "rework": rework_prompt(
        title="Fix it",
        body="The body.",
        feedback="Too long.",
        branch="gt/a/1",
        target_branch="main",
        gates=GATES,
    ),
    "review": review_prompt(
        title="Fix it",
        body="The body.",
        branch="gt/a/1",
        target_branch="main",
        gates=GATES,
        review_number=1,
    ),
    "landing": landing_prompt(title="Fix it", branch="gt/a/1", target_branch="main", gates=GATES),
}


def bodies(prompt: str) -> list[dict[str, object]]:
    """The JSON bodies of the calls, as a shell would pass them."""
    lines = (line.strip() for line in prompt.splitlines())
    words = (shlex.split(line) for line in lines if line.startswith("-d "))
    return [msgspec.json.decode(body, type=dict[str, object]) for _, body in words]


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_names_task_branch_and_gates(name: str) -> None:
    prompt = PROMPTS[name]
    assert "Fix it" in prompt
    assert "`gt/a/1`" in prompt
    assert "`main`" in prompt
    assert "    make test\n" in prompt
    assert """    sh -c 'echo '"'"'two words'"'"''\n""" in prompt
    assert "never with force" in prompt


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("work", ["submitted", "abandoned"]),
        ("rework", ["submitted"]),
        ("review", ["merged"]),
        ("landing", ["merged"]),
    ],
)
def test_prompt_offers_verdicts_that_exist(name: str, verdicts: list[str]) -> None:
    offered = [body["verdict"] for body in bodies(PROMPTS[name]) if "verdict" in body]
    assert offered == verdicts
    assert all(verdict in list(Verdict) for verdict in offered)


@pytest.mark.parametrize("name", PROMPTS)
def test_credential_is_named_and_never_shown(name: str) -> None:
    assert '-H "Authorization: Bearer $BOOMTOWN_SESSION_TOKEN"' in PROMPTS[name]


def test_review_can_ask_for_changes_and_a_landing_cannot() -> None:
    assert "$BOOMTOWN_AGENT_ID/request-changes" in PROMPTS["review"]
    assert "request-changes" not in PROMPTS["landing"]


def test_rework_shows_what_the_review_said() -> None:
    assert "Too long." in PROMPTS["rework"]
    assert "The body." in PROMPTS["rework"]


def test_second_review_says_that_it_is_one() -> None:
    second = review_prompt(
        title="t", body="b", branch="x", target_branch="main", gates=(), review_number=2
    )
    assert "review 2" in second
    assert "This is review" not in PROMPTS["review"]


def test_prompt_without_gates_says_nothing_of_them() -> None:
    prompt = work_prompt(title="t", body="", branch="x", target_branch="main", gates=())
    assert "make these pass" not in prompt


def test_branch_with_quotes_stays_one_shell_word() -> None:
    prompt = work_prompt(title="t", body="", branch="it's", target_branch="main", gates=())
    assert bodies(prompt)[0] == {"branch": "it's", "verdict": "submitted"}
