"""Values that cross between objects: every row of the table of what is kept, and what is not."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from boomtown.actors import DataCloneError
from boomtown.actors.runtime.rpc_values import RpcMethod, copy_value
from boomtown.actors.runtime.stored_values import decode_value, encode_value
from boomtown.limits import RuntimeLimits


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Point(msgspec.Struct):
    x: int
    tags: list[str] = []


class Frozen(msgspec.Struct, frozen=True):
    parts: tuple[int, ...]


@dataclasses.dataclass
class Line:
    points: list[int]


class Pair(NamedTuple):
    left: int
    right: int


def _function() -> None:
    """No value."""


KEPT: list[Any] = [
    *(None, True, 0, -(2**63), 2**64 - 1, 2**200, 1.5, math.inf, "", "text", b"", b"\xff"),
    *([], [1, [2]], {}, {"a": {1: None}, (1, "b"): 2, b"k": 3, 4: 5}, (), (1, (2,)), ([1],)),
    *(set(), {1, 2}, frozenset({"a"}), {(1, 2)}),
    *(datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7), Decimal("1.10")),
    *(Colour.RED, Size.LARGE, Point(1, ["a"]), Frozen((1, 2)), Line([1]), [Point(2)]),
]
REFUSED: list[tuple[Any, str]] = [
    (datetime(2026, 1, 2), "value"),  # noqa: DTZ001 - without a zone: the case
    ({"day": [date(2026, 1, 2)]}, r"value\['day'\]\[0\]"),
    ([timedelta(1)], r"value\[0\]"),
    (bytearray(b"x"), "value"),
    ((memoryview(b"x"),), r"value\[0\]"),
    (Pair(1, 2), "value"),
    (OrderedDict(a=1), "value"),
    (defaultdict(int), "value"),
    (1j, "value"),
    (deque([1]), "value"),
    (ValueError("x"), "value"),
    (Point, "value"),
    (Point(1, [_function]), r"value\.tags\[0\]"),  # type: ignore[list-item]
    (Line([_function]), r"value\.points\[0\]"),  # type: ignore[list-item]
    ((number for number in range(3)), "value"),
    ({object(): 1}, "value"),
    ({datetime(2026, 1, 2): 1}, "value"),  # noqa: DTZ001 - the case
    (msgspec.UNSET, "value"),
]


@pytest.mark.parametrize("value", KEPT, ids=repr)
def test_gate_40_a_value_keeps_its_type(value: Any) -> None:
    copied = copy_value(value)
    assert copied == value
    assert type(copied) is type(value)


def test_gate_40_not_a_number_stays_one() -> None:
    assert math.isnan(copy_value([math.nan])[0])


@pytest.mark.parametrize(("value", "path"), REFUSED, ids=lambda part: type(part).__name__)
def test_gate_40_what_cannot_cross_is_refused_by_its_path(value: Any, path: str) -> None:
    with pytest.raises(DataCloneError, match=rf"^{path}: "):
        copy_value(value)


def test_gate_40_a_cycle_and_a_depth_without_end_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(DataCloneError, match="nested deeper"):
            copy_value(value)


ZONED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("key", [UUID(int=7), Decimal("1.10"), ZONED, (ZONED, UUID(int=7))])
def test_what_may_be_a_key_in_storage_may_be_one_between_objects(key: Any) -> None:
    assert copy_value({key: 1}) == decode_value(encode_value({key: 1})) == {key: 1}


def test_what_may_be_nested_in_storage_may_be_between_objects() -> None:
    def nested(depth: int) -> list[Any]:
        return [] if depth == 1 else [nested(depth - 1)]

    deepest = nested(RuntimeLimits().value_depth_max)
    assert copy_value(deepest) == decode_value(encode_value(deepest)) == deepest
    for keep in (copy_value, encode_value):
        with pytest.raises(DataCloneError, match="nested"):
            keep([deepest])


def test_gate_40_nothing_mutable_is_shared_and_shared_parts_become_two() -> None:
    part = [1]
    value = {"a": part, "b": (part,), "c": Point(1, ["x"]), "d": Line(part), "e": {1}}
    copied = copy_value(value)
    part.append(2)
    value["c"].tags.append("y")  # type: ignore[attr-defined]
    value["e"].add(2)  # type: ignore[attr-defined]
    assert copied == {"a": [1], "b": ([1],), "c": Point(1, ["x"]), "d": Line([1]), "e": {1}}
    assert copied["a"] is not copied["b"][0]


class Methods:
    def plain(self, whole: int, text: str = "t", *rest: Any, **named: Any) -> None: ...

    def typed(self, items: list[int], found: dict[str, float] | None = None) -> None: ...

    def untyped(self, anything, other: Any = None):  # type: ignore[no-untyped-def]
        ...

    def record(self, point: Point) -> None: ...


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("plain", (1, "x", object), {}),
        ("plain", ("1",), {}),
        ("plain", (True,), {}),
        ("plain", (1,), {"text": b"x"}),
        ("plain", (), {}),
        ("typed", (["a"],), {}),
        ("typed", ([1], {"a": "b"}), {}),
        ("untyped", (object(),), {}),
    ],
)
def test_gate_40_an_argument_that_does_not_fit_is_the_callers_type_error(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    method = RpcMethod(name, getattr(Methods, name))
    with pytest.raises(TypeError):
        method.copy_arguments(args, kwargs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("plain", (1, "x", [2], None), {"more": {3}}),
        ("typed", ([1], {"a": 1.5}), {}),
        ("untyped", ((1,), {2}), {}),
        ("record", (Point(1),), {}),
    ],
)
def test_gate_40_arguments_arrive_as_they_were_sent(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    method = RpcMethod(name, getattr(Methods, name))
    assert method.copy_arguments(args, kwargs) == (args, kwargs)
