"""Recipes: what the scripted harness is to do, written into a bead's body (decisions 51).

A recipe is the fenced block marked `recipe`; each of its lines is a verb and its argument. Blank
lines and lines that begin with `#` are passed over. In texts `\\n`, `\\t` and `\\\\` are escapes.

    create PATH TEXT         write a file               append PATH TEXT    add a line to it
    edit PATH OLD => NEW     replace the first OLD      run CMD…            argv, no shell
    sleep SECONDS            a decimal number           status TEXT         tell the town
    commit [MESSAGE]         commit everything          ask TEXT            an escalation
    fail [TEXT]              exit with 1                hang                until it is stopped
    done [VERDICT]           push and report            done-twice          report it twice
    done-late SECONDS        push, wait, report         forget-done         push, end in silence
    request-changes TEXT     ask for a rework of what is reviewed

A worker whose recipe names no ending (fail, hang, any form of done) ends with `done`. Lines
`rework VERB…` are what it does in a rework session; with none, it appends the feedback to a file.
Lines for the refinery: the n-th review of the work obeys the n-th of these, later ones merge.

    review merge             review changes TEXT        review conflict [TEXT]
    review fail [TEXT]       review forget              review hang
"""

from __future__ import annotations

import enum
import re
import shlex

import msgspec

STEPS_MAX = 200  # a recipe is a test or a demonstration, not a program
SLEEP_S_MAX = 86_400.0

_BLOCK = re.compile(r"^```+[ \t]*recipe[ \t]*\n(.*?)^```+[ \t]*$", re.MULTILINE | re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


class RecipeError(ValueError):
    """The recipe's author made a mistake; the message names the line."""


class Verb(enum.StrEnum):
    """What a step does."""

    CREATE = "create"
    APPEND = "append"
    EDIT = "edit"
    RUN = "run"
    SLEEP = "sleep"
    STATUS = "status"
    ASK = "ask"
    COMMIT = "commit"
    FAIL = "fail"
    HANG = "hang"
    DONE = "done"
    DONE_TWICE = "done-twice"
    DONE_LATE = "done-late"
    FORGET_DONE = "forget-done"
    REQUEST_CHANGES = "request-changes"


ENDINGS = (
    Verb.FAIL,
    Verb.HANG,
    Verb.DONE,
    Verb.DONE_TWICE,
    Verb.DONE_LATE,
    Verb.FORGET_DONE,
    Verb.REQUEST_CHANGES,
)


class Judgement(enum.StrEnum):
    """What the refinery does with a review."""

    MERGE = "merge"
    CHANGES = "changes"
    CONFLICT = "conflict"
    FAIL = "fail"
    FORGET = "forget"  # merge, and say nothing
    HANG = "hang"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Which fields are used follows from the verb."""

    verb: Verb
    path: str = ""
    text: str = ""  # the text, message, verdict or new part
    old: str = ""
    argv: tuple[str, ...] = ()
    seconds: float = 0.0


class ReviewStep(msgspec.Struct, frozen=True, kw_only=True):
    """One review's judgement."""

    judgement: Judgement
    text: str = ""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed recipe; all empty for a body without one."""

    work: tuple[Step, ...] = ()
    rework: tuple[Step, ...] = ()
    reviews: tuple[ReviewStep, ...] = ()

    def review_of_number(self, number: int) -> ReviewStep:
        """The judgement for the number-th review, counted from 1; past the last one: merge."""
        if 1 <= number <= len(self.reviews):
            return self.reviews[number - 1]
        return ReviewStep(judgement=Judgement.MERGE)


def parse_recipe(body: str) -> Recipe:
    """Read the recipe of a bead's body. Raises RecipeError."""
    blocks = [str(block) for block in _BLOCK.findall(body)]
    if len(blocks) > 1:
        raise RecipeError("the body has more than one recipe")
    work: list[Step] = []
    rework: list[Step] = []
    reviews: list[ReviewStep] = []
    lines = blocks[0].splitlines() if blocks else []
    if len(lines) > STEPS_MAX:
        raise RecipeError(f"the recipe has more than {STEPS_MAX} lines")
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        try:
            match word:
                case "review":
                    reviews.append(_parse_review(rest.strip()))
                case "rework":
                    rework.append(_parse_step(rest.strip()))
                case _:
                    work.append(_parse_step(line))
        except RecipeError as error:
            raise RecipeError(f"recipe line {number}: {error}") from error
    return Recipe(work=tuple(work), rework=tuple(rework), reviews=tuple(reviews))


def _parse_step(line: str) -> Step:
    word, _, rest = line.partition(" ")
    rest = rest.strip()
    try:
        verb = Verb(word)
    except ValueError as error:
        raise RecipeError(f"unknown verb {word!r}") from error
    match verb:
        case Verb.CREATE | Verb.APPEND:
            path, _, text = rest.partition(" ")
            return Step(verb=verb, path=_path(path), text=_unescape(text.strip()))
        case Verb.EDIT:
            path, _, change = rest.partition(" ")
            old, arrow, new = change.partition("=>")
            if not arrow or not old.strip():
                raise RecipeError("edit needs PATH OLD => NEW")
            old, new = _unescape(old.strip()), _unescape(new.strip())
            return Step(verb=verb, path=_path(path), old=old, text=new)
        case Verb.RUN:
            return Step(verb=verb, argv=_argv(rest))
        case Verb.SLEEP | Verb.DONE_LATE:
            return Step(verb=verb, seconds=_seconds(rest))
        case Verb.STATUS | Verb.ASK | Verb.REQUEST_CHANGES:
            if not rest:
                raise RecipeError(f"{word} needs a text")
            return Step(verb=verb, text=_unescape(rest))
        case Verb.COMMIT | Verb.FAIL | Verb.DONE:
            return Step(verb=verb, text=_unescape(rest))
        case Verb.HANG | Verb.DONE_TWICE | Verb.FORGET_DONE:
            if rest:
                raise RecipeError(f"{word} takes nothing after it")
            return Step(verb=verb)


def _parse_review(line: str) -> ReviewStep:
    word, _, rest = line.partition(" ")
    try:
        judgement = Judgement(word)
    except ValueError as error:
        raise RecipeError(f"unknown review {word!r}") from error
    text = _unescape(rest.strip())
    if judgement is Judgement.CHANGES and not text:
        raise RecipeError("review changes needs a text")
    return ReviewStep(judgement=judgement, text=text)


def _path(text: str) -> str:
    parts = text.split("/")
    if not text or text.startswith("/") or ".." in parts or parts[0] == ".git":
        raise RecipeError(f"{text!r} is not a path inside the worktree")
    return text


def _argv(text: str) -> tuple[str, ...]:
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise RecipeError(f"the command cannot be split: {error}") from error
    if not argv:
        raise RecipeError("run needs a command")
    return argv


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise RecipeError(f"{text!r} is not a number of seconds") from error
    if not 0 <= seconds <= SLEEP_S_MAX:
        raise RecipeError(f"{text!r} seconds is out of range")
    return seconds


def _unescape(text: str) -> str:
    return re.sub(r"\\([nt\\])", lambda found: _ESCAPES[found.group(1)], text)
