"""JSON and instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.wire import encode_json_text, iso_from_ms, ms_from_iso


def test_instants_have_milliseconds_and_z() -> None:
    assert iso_from_ms(0) == "1970-01-01T00:00:00.000Z"
    assert iso_from_ms(1_800_000_000_007) == "2027-01-15T08:00:00.007Z"


@given(st.integers(0, 250_000_000_000_000))
def test_an_instant_survives_the_wire(at_ms: int) -> None:
    assert ms_from_iso(iso_from_ms(at_ms)) == at_ms


def test_text_without_a_zone_is_utc() -> None:
    assert ms_from_iso("1970-01-01T00:00:01") == 1_000


def test_what_is_no_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        ms_from_iso("yesterday")


def test_equal_values_give_equal_text() -> None:
    assert encode_json_text({"b": 1, "a": 2}) == encode_json_text({"a": 2, "b": 1})
