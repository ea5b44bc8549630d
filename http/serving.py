"""An application on a bound socket, with our envelope also for what is no HTTP.

aiohttp answers a request that it cannot parse by itself, before any middleware, as plain text.
Here the connection answers it: the same envelope, a request id, a line in the log, and the end of
the connection, since nobody knows where the next request would begin. What was sent is never
repeated in the answer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from boomtown.error_codes import ErrorCode
from boomtown.errors import InternalFault, InvalidRequest
from boomtown.http.actor_lane import LANE
from boomtown.http.error_responses import error_response, failure_of
from boomtown.http.lane_connection import LaneConnection
from boomtown.http.request_log import REQUEST_ID_HEADER, log_request, new_request_id
from boomtown.http.services import SERVICES

logger = logging.getLogger("boomtown.http")

CLOSE_S_MAX = 1.0  # for requests that are still being answered when the front ends
_TOO_MANY = "Too many"  # how aiohttp's parser begins when it counts the headers


@asynccontextmanager
async def serve_app(app: web.Application, listener: socket.socket) -> AsyncGenerator[None]:
    """Answer requests that come to `listener` for as long as the block lasts, and close it."""
    runner = web.AppRunner(app, shutdown_timeout=CLOSE_S_MAX)
    await runner.setup()
    try:
        loop = asyncio.get_running_loop()
        manager = runner.server
        assert manager is not None, "set up above"
        server = await loop.create_server(lambda: _Connection(manager, app, loop), sock=listener)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _Silence(AbstractAccessLogger):
    """The application writes the line of each request itself."""

    @property
    def enabled(self) -> bool:
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        raise AssertionError("not enabled")


class _Connection(LaneConnection):
    def __init__(
        self, manager: web.Server, app: web.Application, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(manager, app[LANE], loop=loop, access_log_class=_Silence)
        self._services = app[SERVICES]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called by aiohttp for a request that is none, and for what no middleware caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun: there is no place for another")
        request_id = new_request_id(self._services)
        failure = failure_of(_refusal_of(exc))
        if failure.is_fault:
            logger.error("request_failed request_id=%s", request_id, exc_info=exc)
        response = error_response(failure, request_id=request_id)
        response.headers[REQUEST_ID_HEADER] = request_id
        log_request("-", "-", status=failure.status, elapsed_ms=0, request_id=request_id)
        return response


def _refusal_of(error: BaseException | None) -> Exception:
    match error:
        case LineTooLong():
            return InvalidRequest(ErrorCode.HEADERS_TOO_LARGE)
        case HttpProcessingError() if error.message.startswith(_TOO_MANY):
            return InvalidRequest(ErrorCode.HEADERS_TOO_LARGE)
        case HttpProcessingError():
            return InvalidRequest(ErrorCode.INVALID_HTTP)
        case _:
            return InternalFault(ErrorCode.INTERNAL_ERROR)
