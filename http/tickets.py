"""Tickets: what opens one socket, once (http.md 3).

A browser's WebSocket cannot carry an Authorization header, and an address with a key in it ends in
logs and histories. So whoever holds a credential asks for a ticket, and the address carries that:
good for one use within a minute, for one kind of socket, of one town (and agent), in the name and
with the scope of who asked.

Tickets are kept in memory, by their hashes: a server that starts anew knows none, and its clients
ask again. What was not used in time is dropped when the next one is made; of too many the oldest
go first. A ticket shown for something else is used up all the same.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping

import msgspec
from aiohttp import web

from boomtown.clock import Clock
from boomtown.entropy import Secrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from boomtown.http.principals import Operator, TicketBearer
from boomtown.ids import AgentId, TownId
from boomtown.limits import HttpLimits

TICKET_BYTES = 24  # unguessable within a minute, or ever


class TicketKind(enum.StrEnum):
    """What a ticket opens."""

    STATUS = "status"
    FEED = "feed"
    STREAM = "stream"
    PTY = "pty"
    LOGIN = "login"


class _Ticket(msgspec.Struct, frozen=True, kw_only=True):
    kind: TicketKind
    operator: Operator
    town_id: TownId | None
    agent_id: AgentId | None
    expires_at_ms: int


class Tickets:
    """The tickets of one server that wait for their use."""

    def __init__(self, *, clock: Clock, secrets: Secrets, limits: HttpLimits) -> None:
        self._clock = clock
        self._secrets = secrets
        self._limits = limits
        self._waiting: dict[str, _Ticket] = {}  # by hash, oldest first

    def issue(
        self,
        kind: TicketKind,
        operator: Operator,
        *,
        town_id: TownId | None,
        agent_id: AgentId | None,
    ) -> tuple[str, int]:
        """A new ticket, and when it is over."""
        now_ms = self._clock.now_ms()
        self._drop_old(now_ms)
        text = self._secrets.token_text(TICKET_BYTES)
        expires_at_ms = now_ms + self._limits.ticket_ms
        self._waiting[_hash(text)] = _Ticket(
            kind=kind,
            operator=operator,
            town_id=town_id,
            agent_id=agent_id,
            expires_at_ms=expires_at_ms,
        )
        return text, expires_at_ms

    def redeem(self, text: str, *, kind: TicketKind, path: Mapping[str, str]) -> TicketBearer:
        """Use a ticket up. Raises AccessDenied(TICKET_INVALID) for one that is used, over, of
        another kind, or for another town or agent than the path's."""
        ticket = self._waiting.pop(_hash(text), None)
        if (
            ticket is None
            or self._clock.now_ms() >= ticket.expires_at_ms
            or ticket.kind is not kind
            or path.get("town") != ticket.town_id
            or path.get("agent") != ticket.agent_id
        ):
            raise AccessDenied(ErrorCode.TICKET_INVALID)
        return TicketBearer(ticket.operator)

    def _drop_old(self, now_ms: int) -> None:
        for key, ticket in list(self._waiting.items()):
            is_over = now_ms >= ticket.expires_at_ms
            if not is_over and len(self._waiting) < self._limits.tickets_max:
                return
            del self._waiting[key]


TICKETS = web.AppKey("tickets", Tickets)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
