"""Randomness as an argument, of two kinds.

`Entropy` serves order, jitter and ids: in a simulation it is drawn from the seed, by label and
count, so that one choice can be changed without moving the others. `Secrets` serves tokens,
tickets and keys: always the operating system's, except in a simulation, where it counts.
"""

from __future__ import annotations

import random
import secrets
from typing import Protocol


class Entropy(Protocol):
    """Randomness that nobody's safety rests on. `label` names the use, for the simulator."""

    def below(self, bound: int, *, label: str) -> int:
        """An integer in [0, bound); `bound` is at least 1."""
        ...

    def random_bytes(self, count: int, *, label: str) -> bytes:
        """`count` bytes; never of a secret."""
        ...


class Secrets(Protocol):
    """Randomness that safety rests on: tokens, tickets, keys."""

    def token_bytes(self, count: int) -> bytes:
        """`count` unguessable bytes."""
        ...

    def token_text(self, count: int) -> str:
        """`count` unguessable bytes as URL-safe text without padding."""
        ...


class SeededEntropy:
    """A stream of its own, from `seed`; without one, from the operating system."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int, *, label: str) -> int:
        """As Entropy.below; the label is of no account here."""
        return self._random.randrange(bound)

    def random_bytes(self, count: int, *, label: str) -> bytes:
        """As Entropy.random_bytes; from the same stream as `below`."""
        return self._random.randbytes(count)


class SystemSecrets:
    """The operating system's source; the only one outside of simulations."""

    def token_bytes(self, count: int) -> bytes:
        """As Secrets.token_bytes."""
        return secrets.token_bytes(count)

    def token_text(self, count: int) -> str:
        """As Secrets.token_text."""
        return secrets.token_urlsafe(count)
