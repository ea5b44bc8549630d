"""The names of boomtown.testing are loaded when they are asked for."""

from __future__ import annotations

import pytest

import boomtown.testing


@pytest.mark.parametrize("name", boomtown.testing.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(boomtown.testing, name).__name__ == name


def test_any_other_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = boomtown.testing.nothing
