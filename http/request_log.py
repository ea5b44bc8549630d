"""A request's id and its line in the log, for everything that answers one.

The line reads `GET /health 200 1 ms`, without the query, which may hold what is nobody's business.
A failure's line ends with the request id, by which the client's envelope and the log of a fault
are found; every record carries it as `request_id`.
"""

from __future__ import annotations

import logging
import re

from boomtown.http.services import FrontServices
from boomtown.ids import new_id

logger = logging.getLogger("boomtown.http")

REQUEST_ID_HEADER = "X-Request-Id"
_FAILURE_MIN = 400
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_request_id(services: FrontServices) -> str:
    return new_id(services.clock.now_ms(), services.entropy, label="request")


def choose_request_id(services: FrontServices, given: str | None) -> str:
    """The client's own, where it is one that may stand in a log; else a new one."""
    if given is not None and _SANE_REQUEST_ID.fullmatch(given):
        return given
    return new_request_id(services)


def log_request(method: str, path: str, *, status: int, elapsed_ms: int, request_id: str) -> None:
    """One line for an answered request; `-` for a method or path that could not be read."""
    if not logger.isEnabledFor(logging.INFO):
        return
    tail = f"  {request_id}" if status >= _FAILURE_MIN else ""
    logger.info(
        "%s %s %d %d ms%s",
        method,
        path,
        status,
        elapsed_ms,
        tail,
        extra={"request_id": request_id},
    )
