"""The names of things: one type per kind of id, and how an id is made.

Ids are UUIDv7 text (RFC 9562, section 5.7) without a prefix: they sort by the millisecond in
which they were made. The short form, for people and for branch names, is the last eight hex
digits, because the first ones are the clock and equal for neighbours.
"""

from __future__ import annotations

import re
from typing import NewType

from boomtown.entropy import Entropy

TownId = NewType("TownId", str)
RigId = NewType("RigId", str)
BeadId = NewType("BeadId", str)
AgentId = NewType("AgentId", str)
SessionId = NewType("SessionId", str)
InstanceId = NewType("InstanceId", str)
EffectId = NewType("EffectId", str)
RequestId = NewType("RequestId", str)

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMESTAMP_MAX = (1 << 48) - 1
# The variant's two bits, 10, before two random ones.
_VARIANTS = {f"{digit:x}": f"{0b1000 | digit & 0b11:x}" for digit in range(16)}


def new_id(now_ms: int, entropy: Entropy, *, label: str = "id") -> str:
    """Make a UUIDv7 from the instant and 74 random bits."""
    # By digits, not by uuid.UUID: every request of the front gets one.
    digits = entropy.random_bytes(10, label=label).hex()
    instant = f"{now_ms & _TIMESTAMP_MAX:012x}"
    variant = _VARIANTS[digits[4]]
    return f"{instant[:8]}-{instant[8:]}-7{digits[1:4]}-{variant}{digits[5:8]}-{digits[8:]}"


def is_id(text: str) -> bool:
    """Whether `text` is an id in the one spelling that we write: lower case, with hyphens."""
    return _CANONICAL.fullmatch(text) is not None


def short_id(text: str) -> str:
    """The last eight hex digits, for people."""
    return text[-8:]
