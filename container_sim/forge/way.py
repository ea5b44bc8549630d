"""How a request gets to a forge and an answer back: a port, with a socket (http_way.py) or a
simulated one (sim_forge.py) behind it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from boomtown.container_sim.forge.model import FailureKind


class ForgeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `url` is whole. Header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    tail_bytes: int | None = None  # keep only the end of the answer's body


class ForgeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. Header names are in lower case."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""


class NoAnswer(Exception):
    """Nothing usable came back; the request may have been carried out."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class ForgeWay(Protocol):
    """Carries requests to forges."""

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        """The whole answer, after redirects; never retried. Raises NoAnswer, at the latest after
        `timeout_ms`."""
        ...

    async def close(self) -> None: ...
