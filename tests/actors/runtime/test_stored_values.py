"""Values keep their type, or are refused by their path."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.runtime_errors import DataCloneError
from boomtown.actors.runtime.stored_values import decode_value, encode_value


class Colour(IntEnum):
    RED = 1


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(SCALARS, inner, max_size=3)
        | st.sets(SCALARS, max_size=3)
        | st.frozensets(SCALARS, max_size=3)
    ),
    max_leaves=10,
)


def shape(value: Any) -> Any:
    """`value` with the type of each part beside it: `1 == True == 1.0` would hide a loss."""
    kind = cast("type[object]", type(value))
    if kind in (list, tuple):
        return kind, [shape(item) for item in value]
    if kind is dict:
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if kind in (set, frozenset):
        return kind, sorted(repr(shape(item)) for item in value)
    return kind, f"{value:x}" if kind is int else repr(value)


@given(VALUES)
def test_values_come_back_with_their_types(value: Any) -> None:
    assert shape(decode_value(encode_value(value))) == shape(value)


@pytest.mark.parametrize(
    "value",
    [
        1 << 100,
        -(1 << 64),
        10**5000,
        float("inf"),
        datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        bytearray(b"x"),
        {(1, "a"): None, None: 2, 1: 3, "1": 4},
        Decimal("1.10"),
        UUID(int=7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_corner_values_come_back(value: Any) -> None:
    assert shape(decode_value(encode_value(value))) == shape(value)


def test_equal_sets_give_equal_bytes() -> None:
    assert encode_value({8, 0, "a"}) == encode_value({"a", 0, 8})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "value: "),
        ({"a": [1, print]}, "value['a'][1]: "),
        ({"a": OrderedDict[str, int]()}, "value['a']: "),
        ((1, Colour.RED), "value[1]: "),
        ([datetime(2026, 1, 1)], "value[0]: "),  # noqa: DTZ001 - the case
        ({frozenset({1}): 2}, "value[frozenset({1})]: "),
        (["\ud800"], "value[0]: "),
        ({1: {2: int}}, "value[1][2]: "),
    ],
)
def test_what_cannot_be_kept_is_named_by_its_path(value: object, path: str) -> None:
    with pytest.raises(DataCloneError) as refused:
        encode_value(value)
    assert str(refused.value).startswith(path)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(DataCloneError, match="itself"):
        encode_value(value)
