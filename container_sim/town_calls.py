"""The way from a container and its agents to the town: one call, one answer.

Whoever speaks to the town (town_link.py for the control server, agent/town_api.py for an agent)
is given a `TownCalls` and nothing else, so the same words go over HTTP and over a simulated
network. Routes, headers, tokens and repetitions are the speakers', not the way's.
"""

from __future__ import annotations

from typing import Protocol


class TownCalls(Protocol):
    """Carries requests to the town's front."""

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """The answer's status and body. `path` begins with `/api`. Raises ConnectionError or
        TimeoutError where there was no whole answer: then the town may have heard, or not; the
        bound is the way's own."""
        ...
