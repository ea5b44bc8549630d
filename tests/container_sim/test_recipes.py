"""Recipes: every verb, and every mistake named by its line."""

from __future__ import annotations

import pytest

from boomtown.container_sim.recipes import (
    Judgement,
    Recipe,
    RecipeError,
    ReviewStep,
    Step,
    Verb,
    parse_recipe,
)


def block(*lines: str) -> str:
    return "Before.\n\n```recipe\n" + "\n".join(lines) + "\n```\n\nAfter.\n"


def test_body_without_a_recipe_is_empty() -> None:
    assert parse_recipe("") == Recipe()
    assert parse_recipe("```python\ncreate a b\n```") == Recipe()


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("create a/b.txt x\\ny\\\\n", Step(verb=Verb.CREATE, path="a/b.txt", text="x\ny\\n")),
        ("create empty", Step(verb=Verb.CREATE, path="empty")),
        ("append a one two", Step(verb=Verb.APPEND, path="a", text="one two")),
        ("edit a b c => d e", Step(verb=Verb.EDIT, path="a", old="b c", text="d e")),
        ("edit a b =>", Step(verb=Verb.EDIT, path="a", old="b", text="")),
        ("run sh -c 'a b'", Step(verb=Verb.RUN, argv=("sh", "-c", "a b"))),
        ("sleep 0.5", Step(verb=Verb.SLEEP, seconds=0.5)),
        ("status half way", Step(verb=Verb.STATUS, text="half way")),
        ("ask why?", Step(verb=Verb.ASK, text="why?")),
        ("commit", Step(verb=Verb.COMMIT)),
        ("commit Add it", Step(verb=Verb.COMMIT, text="Add it")),
        ("fail no", Step(verb=Verb.FAIL, text="no")),
        ("hang", Step(verb=Verb.HANG)),
        ("done", Step(verb=Verb.DONE)),
        ("done abandoned", Step(verb=Verb.DONE, text="abandoned")),
        ("done-twice", Step(verb=Verb.DONE_TWICE)),
        ("done-late 3", Step(verb=Verb.DONE_LATE, seconds=3.0)),
        ("forget-done", Step(verb=Verb.FORGET_DONE)),
        ("request-changes rename", Step(verb=Verb.REQUEST_CHANGES, text="rename")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_line_becomes_its_step(line: str, step: Step) -> None:
    assert parse_recipe(block("# first", "", line)) == Recipe(work=(step,))
    assert parse_recipe(block(f"rework {line}")) == Recipe(rework=(step,))


def test_reviews_are_counted_from_one_and_merge_when_none_is_left() -> None:
    recipe = parse_recipe(block("review changes Rename", "create a b", "review hang"))
    assert [recipe.review_of_number(number) for number in (1, 2, 3, 0)] == [
        ReviewStep(judgement=Judgement.CHANGES, text="Rename"),
        ReviewStep(judgement=Judgement.HANG),
        ReviewStep(judgement=Judgement.MERGE),
        ReviewStep(judgement=Judgement.MERGE),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "dance",
        "create",
        "create /abs x",
        "create ../up x",
        "create .git/config x",
        "edit a b",
        "edit a => b",
        "run",
        "run 'open",
        "sleep",
        "sleep soon",
        "sleep -1",
        "sleep nan",
        "status",
        "ask",
        "hang now",
        "done-late",
        "request-changes",
        "review",
        "review dance",
        "review changes",
        "rework",
        "rework dance",
    ],
)
def test_mistake_is_named_by_its_line(line: str) -> None:
    with pytest.raises(RecipeError, match="recipe line 2: "):
        parse_recipe(block("create a b", line))


def test_only_one_recipe_of_bounded_length_is_taken() -> None:
    with pytest.raises(RecipeError, match="more than one"):
        parse_recipe(block("hang") + block("hang"))
    with pytest.raises(RecipeError, match="more than 200 lines"):
        parse_recipe(block(*["commit"] * 201))
