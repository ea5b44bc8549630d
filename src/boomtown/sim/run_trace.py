"""The trace of a run: what happened, in order, and its SHA-256.

Two runs of one seed are the same run exactly when their digests are equal, on every Python version
and under every hash seed. So a line holds only what is stable there: integers, text, bytes, flags
and None, written with `ascii` (a plain `repr` asks the interpreter's Unicode tables what can be
printed), with the facts sorted by name. No object's repr, no address, no float, no path.

The digest covers every line; the lines themselves are kept up to a bound, the newest, because a
day of simulated life has more of them than a report can use.
"""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Callable

Fact = int | str | bytes | None

LINES_KEPT_MAX = 10_000


class Trace:
    """An append-only record; `now_ms` stamps each line."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.count: int = 0
        self._now_ms = now_ms
        self._lines: collections.deque[str] = collections.deque(maxlen=LINES_KEPT_MAX)
        self._hash = hashlib.sha256()

    def record(self, event: str, **facts: Fact) -> None:
        """Append one event."""
        described = "".join(f" {name}={_stable_text(facts[name])}" for name in sorted(facts))
        line = f"{self._now_ms()} {event}{described}"
        self.count += 1
        self._lines.append(line)
        self._hash.update(line.encode("ascii", "backslashreplace"))
        self._hash.update(b"\n")

    @property
    def digest(self) -> str:
        """SHA-256 of all lines so far, in hex."""
        return self._hash.hexdigest()

    def tail(self, count: int) -> tuple[str, ...]:
        """The newest `count` lines, oldest first."""
        return tuple(self._lines)[-count:] if count > 0 else ()


def _stable_text(fact: Fact) -> str:
    if isinstance(fact, str):
        return ascii(str(fact))  # str() first: an enum's member is written as its value
    if isinstance(fact, int) and not isinstance(fact, bool):
        return ascii(int(fact))
    return ascii(fact)
