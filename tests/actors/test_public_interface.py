"""What users import: documented, typed, named in one way, and shown by `help`."""

from __future__ import annotations

import importlib
import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import boomtown.actors
from support.public_types import PUBLIC_MODULES, Diagnostic, Symbol, incomplete, public_names

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "actors.md"
_SNAKE = re.compile(r"[a-z][a-z0-9_]*")
_CAMEL = re.compile(r"[A-Z][A-Za-z0-9]*")


def exported() -> Iterator[tuple[str, Any]]:
    """(name, value) of everything that a public module exports."""
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            yield f"{module_name}.{name}", getattr(module, name)


def members(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class that are ours, those of its bases too."""
    for base in kind.__mro__:
        if not base.__module__.startswith("boomtown"):
            continue
        for name, value in vars(base).items():
            is_wrapped = isinstance(value, staticmethod | classmethod)
            member: Any = cast("Any", value).__func__ if is_wrapped else value
            is_told = inspect.isfunction(member) or isinstance(member, property)
            if is_told and not name.startswith("_"):
                yield name, member


def documented() -> Iterator[tuple[str, Any]]:
    for name, value in exported():
        yield name, value
        if inspect.isclass(value):
            for member, function in members(value):
                yield f"{name}.{member}", function


def own_doc(value: Any) -> str:
    """Its docstring, not one that it inherits."""
    return (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_a_module_exports_its_names_in_order(module_name: str) -> None:
    names = importlib.import_module(module_name).__all__
    assert names == sorted(set(names))


def test_every_public_name_is_documented() -> None:
    silent = [name for name, value in documented() if not own_doc(value).strip()]
    assert silent == []


def test_classes_are_in_camel_case_and_everything_else_in_snake_case() -> None:
    strange = [
        name
        for name, value in documented()
        if not (_CAMEL if inspect.isclass(value) else _SNAKE).fullmatch(name.rsplit(".", 1)[1])
    ]
    assert strange == []


def test_every_parameter_and_result_has_a_type() -> None:
    bare = [
        name
        for name, value in documented()
        if inspect.isfunction(value) and not is_annotated(value)
    ]
    assert bare == []


def is_annotated(function: Callable[..., Any]) -> bool:
    signature = inspect.signature(function)
    parameters = [each for name, each in signature.parameters.items() if name != "self"]
    return signature.return_annotation is not inspect.Signature.empty and all(
        each.annotation is not inspect.Parameter.empty for each in parameters
    )


def test_help_names_every_export() -> None:
    shown = pydoc.plain(pydoc.render_doc(boomtown.actors))
    assert [name for name in boomtown.actors.__all__ if name not in shown] == []


def test_the_guide_names_every_export_of_the_runtime() -> None:
    guide = GUIDE.read_text()
    assert [name for name in boomtown.actors.__all__ if f"`{name}" not in guide] == []


def test_a_type_that_is_guessed_or_unknown_is_told_and_a_private_one_is_not() -> None:
    guessed = Symbol("m.A.x", True, True, (Diagnostic("could be\n\xa0 inferred"),))
    unknown = Symbol("m.f", False, False, ())
    private = Symbol("m.Aside", False, True, ())
    whole = Symbol("m.A", True, False, ())
    assert incomplete([guessed, unknown, private, whole], ["m.A", "m.f", "m.gone"]) == [
        "m.gone: not in the report",
        "m.A.x: could be inferred",
        "m.f: by what it refers to",
    ]


def test_public_names_are_those_of_their_definitions() -> None:
    names = list(public_names())
    assert "boomtown.actors.runtime.durable_object.DurableObject" in names
    assert all(name.startswith("boomtown.") for name in names)
