"""What goes over a control server's socket beside the shapes of the port."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.model import Repository
from boomtown.ids import SessionId


class StopOrder(msgspec.Struct, frozen=True, kw_only=True):
    """End a session: SIGTERM, after `grace_ms` SIGKILL. `keeps_work`: what it has not pushed is
    put aside."""

    grace_ms: int
    reason: str = "stopped"
    keeps_work: bool = False


class ProveMerge(msgspec.Struct, frozen=True, kw_only=True):
    """Is `branch` merged into `target_branch` on origin?"""

    repository: Repository
    branch: str
    target_branch: str


class ConflictAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a 409."""

    holder_session_id: SessionId


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every other failure; the text is for people only."""

    code: str
    error: str
