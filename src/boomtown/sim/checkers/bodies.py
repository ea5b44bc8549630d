"""The log of bodies: which session's agent lived from when to when, by whoever watched it live.

Kept by the containers, not by agents and not by the town; the world collects it over all lives of
the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from boomtown.clock import Clock


class Interval(Protocol):
    """One body, as its container noted it."""

    @property
    def session_id(self) -> str: ...
    @property
    def agent_id(self) -> str: ...
    @property
    def bead_id(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def started_at_ms(self) -> int: ...
    @property
    def ended_at_ms(self) -> int | None:
        """None while it lives."""
        ...


class Watched(Protocol):
    """Containers that keep such a log."""

    @property
    def intervals(self) -> Sequence[Interval]: ...


class BodyLife(msgspec.Struct, frozen=True, kw_only=True):
    """One body, from its birth to its end."""

    session_id: str
    agent_id: str
    bead_id: str
    pid: int
    started_at_ms: int
    ended_at_ms: int  # of one that lives: now


class BodyLog:
    """The bodies of all lives of the server."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: list[Watched] = []

    def watch(self, containers: Watched) -> None:
        """Add the containers of one more life."""
        self._watched.append(containers)

    def lives(self) -> tuple[BodyLife, ...]:
        """All bodies so far, in the order of their births."""
        now_ms = self._clock.now_ms()
        found = [
            BodyLife(
                session_id=each.session_id,
                agent_id=each.agent_id,
                bead_id=each.bead_id,
                pid=each.pid,
                started_at_ms=each.started_at_ms,
                ended_at_ms=now_ms if each.ended_at_ms is None else each.ended_at_ms,
            )
            for containers in self._watched
            for each in containers.intervals
        ]
        return tuple(sorted(found, key=lambda life: (life.started_at_ms, life.session_id)))
