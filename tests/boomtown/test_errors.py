"""Codes, classes and statuses fit together."""

from __future__ import annotations

import pytest

from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.errors import Conflict, InvalidRequest, Unavailable, error_for, error_from_refusal


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_a_status_and_one_line(code: ErrorCode) -> None:
    spec = REGISTRY[code]
    assert 400 <= spec.status <= 599
    assert spec.message
    assert "\n" not in spec.message


@pytest.mark.parametrize("code", list(ErrorCode))
def test_an_error_survives_as_a_value(code: ErrorCode) -> None:
    error = error_for(code, "said", details={"n": 1})
    again = error_from_refusal(error.refusal())
    assert (type(again), again.code, again.message, again.details) == (
        type(error),
        code,
        "said",
        {"n": 1},
    )


def test_blame_follows_from_the_kind() -> None:
    assert isinstance(error_for(ErrorCode.INVALID_BODY), InvalidRequest)
    assert isinstance(error_for(ErrorCode.RIG_BUSY), Conflict)
    assert isinstance(error_for(ErrorCode.OVERLOADED), Unavailable)
    assert error_for(ErrorCode.OVERLOADED).http_status == 429
    assert error_for(ErrorCode.OVERLOADED).retryable
