"""Values as bytes and back, without losing their type (decisions 6).

MessagePack keeps None, bool, integers of 64 bits, float, str, bytes, lists and maps with text
keys; every other type that may be stored travels in an extension whose code names it. A value is
encoded when it is given, so later changes to it are not seen, and decoded anew at each reading,
so no two readers share an object. The codes are on disk: they are never given another meaning.

What cannot be kept is refused by DataCloneError, which names the path to it: functions, unknown
classes, subclasses of the builtin types (an OrderedDict would come back as a dict), naive
datetimes, and containers that contain themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec

from boomtown.actors.runtime.runtime_errors import DataCloneError
from boomtown.limits import RuntimeLimits

_TUPLE, _SET, _FROZENSET, _BIG_INT, _DATETIME, _UUID, _DECIMAL, _MAP, _BYTEARRAY = range(1, 10)

_INT_MIN, _INT_END = -(1 << 63), 1 << 64
_DEPTH_MAX = RuntimeLimits().value_depth_max
_KEPT_AS_THEY_ARE = (type(None), bool, float, bytes)
# What a mapping's keys are, and the parts of keys that are tuples: here, and between objects.
SCALAR_KEYS = frozenset(
    {type(None), bool, int, float, str, bytes, datetime, UUID, Decimal}
)  # membership only

_encoder = msgspec.msgpack.Encoder()


class _Refused(Exception):
    """Why a value cannot be kept; `path` grows on the way up, innermost part first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: list[str] = []


def encode_value(value: object) -> bytes:
    """`value` as bytes. Raises DataCloneError."""
    try:
        return _encoder.encode(_tagged(value, 0))
    except _Refused as refused:
        path = "value" + "".join(reversed(refused.path))
        raise DataCloneError(f"{path}: {refused}") from None


def decode_value(data: bytes) -> Any:
    """The value that `encode_value` was given, as a fresh copy."""
    return _decoder.decode(data)


def _tagged(value: Any, depth: int) -> Any:
    """`value` as MessagePack can say it."""
    kind = cast("type[object]", type(value))
    if kind in _KEPT_AS_THEY_ARE:
        return value
    if kind is str:
        return _checked_text(value)
    if kind is int:
        if _INT_MIN <= value < _INT_END:
            return value
        # Hexadecimal: the decimal form is quadratic, and refused past 4,300 digits.
        return _extension(_BIG_INT, f"{value:x}")
    if depth >= _DEPTH_MAX:
        raise _Refused("contains itself, or is nested too deeply")
    if kind is list:
        return _tagged_items(value, depth)
    if kind is dict:
        return _tagged_map(value, depth)
    return _tagged_extension(value, depth)


def _tagged_extension(value: Any, depth: int) -> msgspec.msgpack.Ext:
    kind = cast("type[object]", type(value))
    if kind is tuple:
        return _extension(_TUPLE, _tagged_items(value, depth))
    if kind is set:
        return _extension(_SET, _tagged_members(value, depth))
    if kind is frozenset:
        return _extension(_FROZENSET, _tagged_members(value, depth))
    if kind is datetime:
        if value.tzinfo is None:
            raise _Refused("a datetime without a time zone names no instant")
        return _extension(_DATETIME, value.isoformat())
    if kind is UUID:
        return msgspec.msgpack.Ext(_UUID, value.bytes)
    if kind is Decimal:
        return _extension(_DECIMAL, str(value))
    if kind is bytearray:
        return msgspec.msgpack.Ext(_BYTEARRAY, bytes(value))
    raise _Refused(f"{kind.__module__}.{kind.__qualname__} cannot be kept")


def _extension(code: int, content: object) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _encoder.encode(content))


def _checked_text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refused("text with a lone surrogate cannot be kept") from None
    return text


def _tagged_items(items: Iterable[Any], depth: int) -> list[Any]:
    tagged: list[Any] = []
    for index, item in enumerate(items):
        try:
            tagged.append(_tagged(item, depth + 1))
        except _Refused as refused:
            refused.path.append(f"[{index}]")
            raise
    return tagged


def _tagged_members(members: Iterable[Any], depth: int) -> list[bytes]:
    """The members, each encoded, in the order of their bytes: equal sets give equal bytes."""
    encoded: list[bytes] = []
    for member in members:
        try:
            encoded.append(_encoder.encode(_tagged(member, depth + 1)))
        except _Refused as refused:
            refused.path.append("{…}")
            raise
    return sorted(encoded)


def _tagged_map(mapping: dict[Any, Any], depth: int) -> Any:
    tagged: dict[str, Any] = {}
    for key, item in mapping.items():
        if type(key) is not str:
            return _extension(_MAP, _tagged_pairs(mapping, depth))
        try:
            tagged[_checked_text(key)] = _tagged(item, depth + 1)
        except _Refused as refused:
            refused.path.append(f"[{key!r}]")
            raise
    return tagged


def _tagged_pairs(mapping: dict[Any, Any], depth: int) -> list[Any]:
    pairs: list[Any] = []
    for key, item in mapping.items():
        try:
            if type(key) not in SCALAR_KEYS and not _is_tuple_of_scalars(key):
                raise _Refused(f"a key of type {type(key).__qualname__} cannot be kept")
            pairs.append([_tagged(key, depth + 1), _tagged(item, depth + 1)])
        except _Refused as refused:
            refused.path.append(f"[{key!r}]")
            raise
    return pairs


def _is_tuple_of_scalars(key: Any) -> bool:
    return type(key) is tuple and all(type(part) in SCALAR_KEYS for part in cast("Any", key))


def _decode_members(data: bytes) -> list[Any]:
    members: list[bytes] = _decoder.decode(data)
    return [_decoder.decode(member) for member in members]


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    _TUPLE: lambda data: tuple(_decoder.decode(data)),
    _SET: lambda data: set(_decode_members(data)),
    _FROZENSET: lambda data: frozenset(_decode_members(data)),
    _BIG_INT: lambda data: int(_decoder.decode(data), 16),
    _DATETIME: lambda data: datetime.fromisoformat(_decoder.decode(data)),
    _UUID: lambda data: UUID(bytes=data),
    _DECIMAL: lambda data: Decimal(_decoder.decode(data)),
    _MAP: lambda data: dict(_decoder.decode(data)),
    _BYTEARRAY: bytearray,
}


def _decode_extension(code: int, data: memoryview) -> Any:
    return _DECODERS[code](bytes(data))


_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ext_hook=_decode_extension)
