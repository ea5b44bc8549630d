"""The envelope of every failure (http.md 1), and which failures a route may answer with."""

from __future__ import annotations

import re

from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.http.calls import Route
from boomtown.http.route_codes import codes_of
from boomtown.http.route_table import ROUTES
from support.refusal_server import Reply, Sent

RETRIED = (429, 503)  # of these a caller is told when to come back
FIELDS = {"success", "error", "code", "kind", "requestId", "details", "issues"}

# Refused before a route is known.
WITHOUT_ROUTE = (
    ErrorCode.INVALID_HTTP,
    ErrorCode.HEADERS_TOO_LARGE,
    ErrorCode.ROUTE_NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED,
)


def check_envelope(reply: Reply, code: ErrorCode) -> None:
    """Its whole shape, and the headers that go with it."""
    said, row = reply.json, REGISTRY[code]
    assert (reply.status, said.get("code")) == (row.status, code), reply.content
    assert said["success"] is False
    assert said["kind"] == row.kind
    assert said["error"]
    assert "\n" not in said["error"]
    assert said["requestId"] == reply.headers["X-Request-Id"]
    assert isinstance(said["details"], dict)
    assert set(said) <= FIELDS
    assert reply.headers["Content-Type"].startswith("application/json")
    assert ("Retry-After" in reply.headers) == (row.status in RETRIED)
    assert ("WWW-Authenticate" in reply.headers) == (row.status == 401)


def check_route_names(sent: Sent, code: ErrorCode) -> None:
    """The code is one that the route's description has."""
    route = _find_route(sent.method, sent.path)
    assert code in (WITHOUT_ROUTE if route is None else codes_of(route))


def _find_route(method: str, path: str) -> Route | None:
    """The first of the table that fits, as the server looks for it."""
    for route in ROUTES:
        pattern = re.sub(r"\{\w+\}", r"[^/]+", re.sub(r"\{\w+:(.*?)\}", r"\1", route.path))
        if route.method == method and re.fullmatch(pattern, path.partition("?")[0]):
            return route
    return None
