"""Values in the tagged form that scripts and their results have on both sides.

A tagged value is `[kind, content]`; JSON alone has no bytes, dates, big integers or NaN. What
comes back has one form per value, whichever side it comes from: a number is the bits of its
double, JavaScript's undefined and null are both `null`, its Map and its plain object both `dict`,
and the entries of dicts and sets are in the order of their own text, since Python's sets have
none and JavaScript puts integer-like keys first. docs/conformance.md has the table.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import msgspec

from boomtown.entropy import Entropy

Tagged = list[Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SAFE_INTEGER_MAX = (1 << 53) - 1
INTEGERS = (0, 1, -1, 7, 255, 65_536, -(1 << 31), SAFE_INTEGER_MAX, -SAFE_INTEGER_MAX)
FLOATS = (0.5, -0.0, 1e308, 5e-324, -2.25, math.inf, -math.inf, math.nan, 1e21)
TEXTS = ("", "a", "é", "日本", "\U0001f600", "a\x00b", "line\nline", "x" * 300, "null", '"q"')
DATES_MS = (0, 1, -1, 1_700_000_000_123, 4_000_000_000_000)


def from_tagged(tagged: Tagged) -> Any:
    """The Python value that `tagged` stands for."""
    kind: str = tagged[0]
    content: Any = tagged[1] if len(tagged) > 1 else None
    match kind:
        case "undefined":
            return msgspec.UNSET
        case "null":
            return None
        case "bool" | "str" | "int":
            return content
        case "float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "big":
            return int(content)
        case "bytes":
            return bytes.fromhex(content)
        case "list":
            return [from_tagged(each) for each in content]
        case "dict" | "map":
            return {from_tagged(key): from_tagged(value) for key, value in content}
        case "set":
            return {from_tagged(each) for each in content}
        case "date":
            return EPOCH + timedelta(milliseconds=content)
        case "function":
            return lambda: None
        case _:
            raise ValueError(f"no value of kind {kind}")


def to_tagged(value: Any) -> Tagged:
    """`value` in the form that JavaScript's side answers for what it has in its place."""
    parts: Any = value  # the cases below narrow `value` to containers of unknown things
    match value:
        case None | msgspec.UNSET:
            return ["null"]
        case bool():
            return ["bool", value]
        case int() if abs(value) > SAFE_INTEGER_MAX:
            return ["big", str(value)]
        case int() | float():
            return ["float", bits_of(float(value))]
        case str():
            return ["str", value]
        case bytes() | bytearray():
            return ["bytes", bytes(value).hex()]
        case list() | tuple():
            return ["list", [to_tagged(each) for each in parts]]
        case datetime():
            return ["date", (value - EPOCH) // timedelta(milliseconds=1)]
        case set() | frozenset():
            return ["set", [to_tagged(each) for each in parts]]
        case dict():
            return ["dict", [[to_tagged(key), to_tagged(each)] for key, each in parts.items()]]
        case _:
            raise TypeError(f"no tagged form of {type(value).__name__}")


def bits_of(number: float) -> str:
    """The double's 16 hexadecimal digits; there is one NaN."""
    return "nan" if math.isnan(number) else struct.pack(">d", number).hex()


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether it is a list, of whatever."""
    return isinstance(value, list)


def canonical(tagged: Any) -> Any:
    """`tagged` with the entries of dicts and sets in the order of their text."""
    if not is_list(tagged):
        return tagged
    parts = [canonical(each) for each in tagged]
    if len(parts) == 2 and parts[0] in ("dict", "set"):
        return [parts[0], sorted(parts[1], key=lambda each: msgspec.json.encode(each))]
    return parts


def chosen_value(entropy: Entropy, *, depth: int = 0) -> Tagged:
    """A value of any kind; nested at most three deep."""

    def below(bound: int) -> int:
        return entropy.below(bound, label="value")

    def parts(make: Callable[[], Any]) -> list[Any]:
        return [make() for _ in range(below(4))]

    def child() -> Tagged:
        return chosen_value(entropy, depth=depth + 1)

    kind = below(10 if depth >= 3 else 14)
    match kind:
        case 0:
            return ["null"]
        case 1:
            return ["bool", below(2) == 1]
        case 2 | 3:
            return ["int", INTEGERS[below(len(INTEGERS))]]
        case 4:
            return ["float", struct.pack(">d", FLOATS[below(len(FLOATS))]).hex()]
        case 5:
            digits = (1 << (60 + below(80))) + below(1000)
            return ["big", str(digits if below(2) else -digits)]
        case 6 | 7:
            return ["str", TEXTS[below(len(TEXTS))]]
        case 8:
            return ["bytes", entropy.random_bytes(below(12), label="value").hex()]
        case 9:
            return ["date", DATES_MS[below(len(DATES_MS))]]
        case 10:
            return ["list", parts(child)]
        case 11:
            return ["dict", distinct(parts(lambda: [["str", f"f{below(9)}"], child()]))]
        case 12:
            return ["map", distinct(parts(lambda: [["int", below(99)], child()]))]
        case _:
            return ["set", [["int", number] for number in sorted({below(50) for _ in range(3)})]]


def distinct(pairs: list[list[Any]]) -> list[list[Any]]:
    """The last pair of each key, in the order of the keys' first ones."""
    last = {tuple(key): value for key, value in pairs}
    return [[list(key), value] for key, value in last.items()]
