"""Who sends a request, as proven by its credential (http.md 4)."""

from __future__ import annotations

import msgspec

from boomtown.actors.town.owner_keys import KeyScope
from boomtown.http.tokens import ContainerClaims, SessionClaims


class Nobody(msgspec.Struct, frozen=True):
    """No credential at all."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of an owner's key. Without an owner: --no-auth, where the caller is the owner
    of whatever the path names (decisions 41)."""

    owner: str | None
    scope: KeyScope


class SessionBearer(msgspec.Struct, frozen=True):
    """An agent."""

    claims: SessionClaims


class ContainerBearer(msgspec.Struct, frozen=True):
    """A control server."""

    claims: ContainerClaims


class TicketBearer(msgspec.Struct, frozen=True):
    """Whoever shows a ticket, in the name of the operator that asked for it."""

    operator: Operator


Principal = Nobody | Operator | SessionBearer | ContainerBearer | TicketBearer


def is_allowed(scope: KeyScope, *, needed: KeyScope) -> bool:
    """Whether a key of `scope` may do what needs `needed`; each scope includes the ones before."""
    scopes = tuple(KeyScope)
    return scopes.index(scope) >= scopes.index(needed)
