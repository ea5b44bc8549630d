"""Values that cross between objects: copied, with their types kept, or refused by path.

A value is copied where it leaves its owner, so that no two objects share anything mutable. What
crosses (decisions 6): None, bool, int of any size, float, str, bytes, list, tuple, dict with
scalar keys, set, frozenset, aware datetimes, UUID, Decimal, enum members, msgspec Structs and
dataclasses. Everything else, cycles included, is a DataCloneError that names the path. Within one
process this is a structural copy: it keeps the type without asking the annotations, and hands an
immutable value through untouched. References shared within a value become separate copies.

A method's annotations are compiled once into checks: an argument that does not fit them is a
TypeError at the caller. An annotation that msgspec cannot check is not checked.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec

from boomtown.actors.runtime.runtime_errors import DataCloneError
from boomtown.actors.runtime.stored_values import SCALAR_KEYS
from boomtown.limits import RuntimeLimits

_DEPTH_MAX = RuntimeLimits().value_depth_max  # a cycle is found by it
_ATOMS: frozenset[type] = frozenset({type(None), bool, int, float, str, bytes, UUID, Decimal})


def copy_value(value: Any, path: str = "value", depth: int = 0) -> Any:
    """A copy that shares nothing mutable with `value`; the value itself where it is immutable."""
    kind: Any = cast("object", value).__class__
    if kind in _ATOMS:
        return value
    if depth >= _DEPTH_MAX:
        raise DataCloneError(f"{path}: nested deeper than {_DEPTH_MAX}, or refers to itself")
    if kind is list:
        return [copy_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if kind is dict:
        return {
            _copy_key(key, path, depth): copy_value(item, f"{path}[{key!r}]", depth + 1)
            for key, item in value.items()
        }
    if kind is tuple:
        parts = [
            copy_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)
        ]
        return value if _all_same(parts, value) else tuple(parts)
    if kind in (set, frozenset):
        members: list[Any] = [copy_value(item, f"{path}{{}}", depth + 1) for item in value]
        return set(members) if kind is set else frozenset(members)
    if kind is datetime:
        if value.tzinfo is None:
            raise DataCloneError(f"{path}: a datetime without a zone cannot cross")
        return value
    return _copy_record(value, kind, path, depth)


def _copy_key(key: Any, path: str, depth: int) -> Any:
    kind: Any = key.__class__
    if kind is datetime:
        return copy_value(key, f"{path}: the key {key!r}", depth)
    if kind in SCALAR_KEYS or isinstance(key, enum.Enum):
        return key
    if kind is tuple:
        return tuple(_copy_key(part, path, depth) for part in key)
    raise DataCloneError(f"{path}: a key of type {type(key).__name__} cannot cross")


def _copy_record(value: Any, kind: Any, path: str, depth: int) -> Any:
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        before: list[Any] = [getattr(value, name) for name in names]
        parts = [
            copy_value(part, f"{path}.{name}", depth + 1)
            for name, part in zip(names, before, strict=True)
        ]
        if value.__struct_config__.frozen and _all_same(parts, before):
            return cast("Any", value)
        return kind(**dict(zip(names, parts, strict=True)))
    if dataclasses.is_dataclass(value):
        twin: Any = object.__new__(kind)
        for field in dataclasses.fields(kind):
            part: Any = copy_value(getattr(value, field.name), f"{path}.{field.name}", depth + 1)
            object.__setattr__(twin, field.name, part)
        return twin
    raise DataCloneError(f"{path}: a value of type {kind.__name__} cannot cross")


def _all_same(parts: list[Any], before: Any) -> bool:
    old: list[Any] = list(before)
    return all(part is was for part, was in zip(parts, old, strict=True))


Check = Callable[[Any], Any]


class RpcMethod:
    """One public method of a class, with what its annotations ask of arguments. Those are looked
    at when it is called first: a start need not wait for methods that nobody calls."""

    __slots__ = ("_checks", "_signature", "function", "is_coroutine", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name: str = name
        self.function: Callable[..., Any] = function
        self.is_coroutine: bool = inspect.iscoroutinefunction(function)
        self._signature: inspect.Signature | None = None  # until it was called
        self._checks: dict[str, Check] = {}

    def copy_arguments(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments for the object; TypeError where they do not fit the method."""
        copied = tuple(
            copy_value(value, f"argument {index}") for index, value in enumerate(args, 1)
        )
        named = {key: copy_value(value, f"argument {key}") for key, value in kwargs.items()}
        if self._signature is None:
            self._checks = _compile_checks(self.function)
            self._signature = inspect.signature(self.function)
        if not self._checks:
            return copied, named
        bound = self._signature.bind(None, *copied, **named)
        for name, value in bound.arguments.items():
            check = self._checks.get(name)
            if check is not None:
                bound.arguments[name] = self._checked(check, name, value)
        return bound.args[1:], bound.kwargs

    def _checked(self, check: Check, name: str, value: Any) -> Any:
        try:
            return check(value)
        except msgspec.ValidationError as error:
            raise TypeError(f"{self.name}(): argument {name}: {error}") from None


def _compile_checks(function: Callable[..., Any]) -> dict[str, Check]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        return {}  # annotations that cannot be read here are not checked
    checks: dict[str, Check] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        is_single = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_single and name in hints and (check := _compile_check(hints[name])) is not None:
            checks[name] = check
    return checks


def _compile_check(annotation: Any) -> Check | None:
    if annotation is Any or annotation is object:
        return None
    if annotation in (bool, int, str, bytes):
        return _exact_check(annotation)
    try:
        msgspec.msgpack.Decoder(annotation)
    except TypeError:
        return None
    if _names_records(annotation):
        return None  # a record of another class is found by the handler
    return lambda value: msgspec.convert(value, annotation)


def _exact_check(annotation: type) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, annotation) and (annotation is bool or type(value) is not bool):
            return value
        raise msgspec.ValidationError(
            f"Expected `{annotation.__name__}`, got `{type(value).__name__}`"
        )

    return check


def _names_records(annotation: Any) -> bool:
    """Whether a Struct, a dataclass or an enum is part of the annotation."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        kind = cast("type[Any]", annotation)
        is_record = issubclass(kind, msgspec.Struct | enum.Enum)
        return is_record or dataclasses.is_dataclass(kind)
    return any(_names_records(part) for part in typing.get_args(annotation))
