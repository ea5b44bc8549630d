"""Credentials to principals: who sent this request (http.md 4).

A credential that is there must be good: a wrong key is 401 also where none is needed, and also
with --no-auth, because whoever sends one believes that it counts.
"""

from __future__ import annotations

from ipaddress import ip_address

from aiohttp import web
from yarl import URL

from boomtown.actors.town.owner_keys import KeyScope, owner_named_by
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from boomtown.http.calls import Lateness, Route
from boomtown.http.operator_keys import OperatorKeys
from boomtown.http.principals import (
    ContainerBearer,
    Nobody,
    Operator,
    Principal,
    SessionBearer,
)
from boomtown.http.services import FrontServices
from boomtown.http.tickets import TICKETS
from boomtown.http.tokens import SessionClaims

_BEARER = "bearer "


async def identify(
    services: FrontServices, keys: OperatorKeys, route: Route, request: web.Request
) -> Principal:
    """Who sends the request. Raises AccessDenied: UNAUTHENTICATED for a credential that is none
    of ours or is over, TICKET_INVALID for such a ticket."""
    ticket = request.query.get("ticket")
    if route.ticket is not None and ticket is not None:
        tickets = request.config_dict[TICKETS]
        return tickets.redeem(ticket, kind=route.ticket, path=request.match_info)
    credential = find_credential(request)
    if credential is None:
        if not services.settings.no_auth:
            return Nobody()
        check_host_is_loopback(request)
        return Operator(owner=None, scope=KeyScope.ADMIN)
    if owner_named_by(credential) is not None:
        return await keys.get_operator(credential)
    claims = services.tokens.verify(
        credential,
        now_ms=services.clock.now_ms(),
        is_for_refresh=route.lateness is Lateness.REFRESHED,
    )
    if isinstance(claims, SessionClaims):
        return SessionBearer(claims)
    return ContainerBearer(claims)


def find_credential(request: web.Request) -> str | None:
    """The credential of either header; an empty one is none."""
    header = request.headers.get("Authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip() or None
    if header:
        raise AccessDenied(ErrorCode.UNAUTHENTICATED, "Authorization must be a Bearer credential")
    return request.headers.get("X-Api-Key", "").strip() or None


def check_host_is_loopback(request: web.Request) -> None:
    """Without keys only the names of this machine are served: a page of another site whose name
    was made to resolve to loopback sends its own name as Host."""
    try:
        host = request.url.host or ""
    except ValueError:
        host = ""  # a Host header that is none
    if not is_loopback(host):
        raise AccessDenied(ErrorCode.FORBIDDEN_ORIGIN, "Without keys only loopback is served")


def is_peer_loopback(request: web.Request) -> bool:
    """Whether the connection comes from this machine."""
    return is_loopback(request.remote or "")


def is_loopback_host(host: str) -> bool:
    """Whether a Host header, with its port, names this machine."""
    try:
        return is_loopback(URL(f"http://{host}").host or "")
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
