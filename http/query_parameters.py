"""Query parameters as values. What is not valid is 400 INVALID_QUERY and names the parameter."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest, Issue
from boomtown.limits import TownLimits
from boomtown.wire import ms_from_iso

Choice = TypeVar("Choice", bound=enum.StrEnum)
_LIMITS = TownLimits()  # page sizes are the contract's, not a setting
_DIGITS_MAX = 15  # what fits into a double, and surely into SQLite's 64 bits


def find_count(query: Mapping[str, str], name: str) -> int | None:
    """A non-negative integer (http.md 1); None where the parameter is absent."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise _invalid(name, f"{name}: only non-negative integers are allowed")
    return int(text)


def page_size(query: Mapping[str, str]) -> int:
    """`limit`: the default where it is absent, and never more than the most."""
    limit = find_count(query, "limit")
    return _LIMITS.list_limit_default if limit is None else min(limit, _LIMITS.list_limit_max)


def find_flag(query: Mapping[str, str], name: str) -> bool:
    """`true` or `false`; absent is false."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise _invalid(name, f"{name} must be true or false")
    return text == "true"


def find_choice(query: Mapping[str, str], name: str, choices: type[Choice]) -> Choice | None:
    """One of an enum's values."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError as error:
        known = ", ".join(choice.value for choice in choices)
        raise _invalid(name, f"{name} must be one of {known}") from error


def find_instant_ms(query: Mapping[str, str], name: str) -> int | None:
    """ISO-8601 text, or milliseconds since the epoch."""
    text = query.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX:
        return int(text)
    try:
        # An unescaped "+00:00" arrives as a blank.
        return ms_from_iso(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise _invalid(name, f"{name} must be an ISO-8601 time") from error


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(ErrorCode.INVALID_QUERY, message, issues=(Issue(name, message),))
