"""The envelope of every failure (http.md 1)."""

from __future__ import annotations

from boomtown.error_codes import REGISTRY, ErrorCode
from support.refusal_server import Reply

RETRIED = (429, 503)  # of these a caller is told when to come back
FIELDS = {"success", "error", "code", "kind", "requestId", "details", "issues"}


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
