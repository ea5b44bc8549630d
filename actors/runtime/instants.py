"""Instants as users write them: milliseconds since the epoch, or a datetime with a zone. Pure."""

from __future__ import annotations

import math
from datetime import datetime

# The last instant that JavaScript's Date knows, in the year 275760: what the reference accepts.
INSTANT_MS_MAX = 8_640_000_000_000_000


def instant_ms(at: float | datetime) -> int:
    """`at` in milliseconds since the epoch. TypeError for a datetime without a zone, and for
    what is not after the epoch or past INSTANT_MS_MAX."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise TypeError("A datetime without a time zone names no instant")
        at = at.timestamp() * 1000
    if not math.isfinite(at) or not 1 <= at <= INSTANT_MS_MAX:
        raise TypeError("An instant is after the epoch, and not past the year 275760")
    return int(at)
