"""The one place for JSON, and for instants as text.

Inside the project instants are integer milliseconds; ISO-8601 text in UTC, with milliseconds and
`Z`, exists only on the wire.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder()
_sorted_encoder = msgspec.json.Encoder(order="sorted")


def encode_json(value: object) -> bytes:
    """JSON of any value that msgspec knows."""
    return _encoder.encode(value)


def encode_json_text(value: object) -> str:
    """JSON as text with sorted keys: equal values give equal text, for columns and hashes."""
    return _sorted_encoder.encode(value).decode()


def decode_json(data: bytes | str) -> Any:
    """Untyped JSON; raises msgspec.DecodeError."""
    return msgspec.json.decode(data)


def decode_json_as(data: bytes | str, shape: type[T]) -> T:
    """JSON as `shape`; raises msgspec.ValidationError, or DecodeError where it is no JSON."""
    return msgspec.json.decode(data, type=shape)


def iso_from_ms(at_ms: int) -> str:
    """`2026-11-21T08:15:00.123Z`."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def iso_from_ms_or_none(at_ms: int | None) -> str | None:
    """The same, keeping None."""
    return None if at_ms is None else iso_from_ms(at_ms)


def ms_from_iso(text: str) -> int:
    """Milliseconds of ISO-8601 text; without a zone it is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
