"""The short way to an object: no router, no middlewares, no task of aiohttp's.

Theory of operation. Each connection belongs to aiohttp, and is looked at first here: while all of
its requests are plain (plain_requests.py) and aiohttp is at rest, a request goes straight to its
object, in the stack of the socket's callback; where the object waits for nothing, the answer is
written before that callback ends. The first request that is not plain gives the connection to
aiohttp for good. One that is plain, but for which something must be asked or refused first (a key
that was not seen before, a class that is not served), is aiohttp's too, and the next may be ours.

What is answered is what the long way answers: the same request ids, envelopes, log lines and
headers; tests/http/test_actor_lane.py sends each request both ways. Nothing is kept but the parsed
headers and the hosts that were found to be loopback: a crash loses nothing.

It deliberately knows no RPC, no sockets and no CORS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from boomtown.actors import DurableObjectError, NoSuchMethod, Request, Response
from boomtown.actors.runtime.runtime_errors import for_caller
from boomtown.actors.town.owner_keys import KeyScope
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.http.authentication import is_loopback_host
from boomtown.http.error_responses import error_response, failure_of
from boomtown.http.operator_keys import OperatorKeys
from boomtown.http.plain_requests import (
    HEADERS_KEPT_BACK,
    HeaderBlock,
    PlainRequest,
    PlainRequests,
)
from boomtown.http.principals import is_allowed
from boomtown.http.request_log import REQUEST_ID_HEADER, choose_request_id, log_request
from boomtown.http.services import PRIVATE_CLASSES, FrontServices

logger = logging.getLogger("boomtown.http")

_RPC = "rpc/"
_HOSTS_KEPT_MAX = 256
_BODILESS = (204, 304)
_STATUS_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}" for status in HTTPStatus}
_UNTYPED = "Content-Type: application/octet-stream"
_SERVER = f"Server: {SERVER_SOFTWARE}"
_OURS = REQUEST_ID_HEADER.lower()


class ActorLane:
    """What all connections share."""

    def __init__(self, services: FrontServices, keys: OperatorKeys) -> None:
        self._services = services
        self._keys = keys
        self._requests = PlainRequests(body_bytes_max=services.limits.body_bytes_max)
        self._is_loopback: dict[str, bool] = {}
        served = services.settings.public_classes
        self._classes = frozenset(name for name in served if name not in PRIVATE_CLASSES)
        self._date = ""
        self._date_s = -1

    def find(self, data: bytes) -> PlainRequest | None:
        """The plain request that `data` is."""
        return self._requests.find(data)

    def admits(self, asked: PlainRequest) -> bool:
        """Whether the object may be called without asking anybody anything."""
        if asked.class_name not in self._classes:
            return False
        if asked.method == "POST" and asked.rest.startswith(_RPC):
            return False
        credential = asked.headers.credential
        if credential is None:
            return self._services.settings.no_auth and self._is_host_loopback(asked.headers)
        operator = self._keys.find_operator(credential)
        needed = KeyScope.READ if asked.method == "GET" else KeyScope.OPERATE
        return operator is not None and is_allowed(operator.scope, needed=needed)

    def _is_host_loopback(self, headers: HeaderBlock) -> bool:
        found = self._is_loopback.get(headers.host)
        if found is None:
            if len(self._is_loopback) >= _HOSTS_KEPT_MAX:
                self._is_loopback.clear()
            found = self._is_loopback[headers.host] = is_loopback_host(headers.host)
        return found

    def begin(self, asked: PlainRequest) -> tuple[bool, Response | asyncio.Future[Response]]:
        """Deliver it: (True, the answer), or (False, a future of it). Raises what failed."""
        headers = asked.headers
        request = Request.of_parts(
            asked.method, f"http://{headers.host}/{asked.rest}", headers.kept, asked.body
        )
        try:
            return self._services.host.begin_fetch(asked.class_name, asked.name, request)
        except NoSuchMethod as error:
            raise NotFound(ErrorCode.ROUTE_NOT_FOUND) from error

    def open_exchange(self, asked: PlainRequest) -> Exchange:
        """What is known of a request before its answer."""
        services = self._services
        return Exchange(
            asked,
            choose_request_id(services, asked.headers.request_id),
            services.clock.monotonic_ms(),
        )

    def note(self, exchange: Exchange, status: int) -> None:
        """The line in the log."""
        if not logger.isEnabledFor(logging.INFO):
            return
        asked = exchange.asked
        log_request(
            asked.method,
            f"/actors/{asked.class_name}/{asked.name}/{asked.rest.partition('?')[0]}",
            status=status,
            elapsed_ms=self._services.clock.monotonic_ms() - exchange.began_ms,
            request_id=exchange.request_id,
        )

    def failure_bytes(self, exchange: Exchange, error: Exception) -> bytes:
        """The envelope of a failure, logged."""
        failure = failure_of(error)
        if failure.is_fault:
            logger.error("request_failed request_id=%s", exchange.request_id, exc_info=error)
        envelope = error_response(failure, request_id=exchange.request_id)
        self.note(exchange, failure.status)
        body = envelope.body
        assert isinstance(body, bytes)
        pairs = [pair for pair in envelope.headers.items() if pair[0] != "Content-Length"]
        return self.head(exchange, failure.status, pairs, len(body)) + body

    def answer_bytes(self, exchange: Exchange, answer: Response) -> bytes:
        """An answer whose body is whole. ValueError for a header that no HTTP can carry."""
        assert isinstance(answer.body, bytes)
        pairs = kept_headers(answer) if len(answer.headers) else ()
        head = self.head(exchange, answer.status, pairs, len(answer.body))
        self.note(exchange, answer.status)
        return head if answer.status in _BODILESS else head + answer.body

    def head(
        self,
        exchange: Exchange,
        status: int,
        pairs: Iterable[tuple[str, str]],
        body_bytes: int | None,
    ) -> bytes:
        """Everything before the body; None: it will come in chunks. ValueError as above."""
        if pairs == () and body_bytes is not None and status not in _BODILESS:
            return self._bare_head(exchange, status, body_bytes)
        named: set[str] = set()
        lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} "]
        for name, value in pairs:
            if "\r" in name or "\n" in name or "\r" in value or "\n" in value or "\0" in value:
                raise ValueError("a header holds the end of a line")
            named.add(name.lower())
            lines.append(f"{name}: {value}")
        if status not in _BODILESS:
            if "content-type" not in named:
                lines.append(_UNTYPED)
            lines.append(
                "Transfer-Encoding: chunked"
                if body_bytes is None
                else f"Content-Length: {body_bytes}"
            )
        if "date" not in named:
            lines.append(f"Date: {self._now()}")
        if "server" not in named:
            lines.append(_SERVER)
        lines.append(f"{REQUEST_ID_HEADER}: {exchange.request_id}\r\n\r\n")
        return "\r\n".join(lines).encode()

    def _bare_head(self, exchange: Exchange, status: int, body_bytes: int) -> bytes:
        return (
            f"{_STATUS_LINES.get(status) or f'HTTP/1.1 {status} '}\r\n"
            f"{_UNTYPED}\r\nContent-Length: {body_bytes}\r\n"
            f"Date: {self._now()}\r\n{_SERVER}\r\n"
            f"{REQUEST_ID_HEADER}: {exchange.request_id}\r\n\r\n"
        ).encode()

    def _now(self) -> str:
        now_s = self._services.clock.now_ms() // 1_000
        if now_s != self._date_s:
            self._date_s, self._date = now_s, formatdate(now_s, usegmt=True)
        return self._date


class Exchange:
    """One request under way."""

    __slots__ = ("asked", "began_ms", "request_id")

    def __init__(self, asked: PlainRequest, request_id: str, began_ms: int) -> None:
        self.asked = asked
        self.request_id = request_id
        self.began_ms = began_ms


def kept_headers(answer: Response) -> list[tuple[str, str]]:
    """What of an object's headers leaves."""
    return [
        pair
        for pair in answer.headers
        if (lower := pair[0].lower()) not in HEADERS_KEPT_BACK and lower != _OURS
    ]


def error_of(ended: asyncio.Future[Response]) -> Exception | None:
    """Why a delivery failed; a caller that was dropped may try again."""
    if ended.cancelled():
        return DurableObjectError("The call was dropped", retryable=True)
    error = ended.exception()
    assert error is None or isinstance(error, Exception)
    return None if error is None else for_caller(error, object_id="")


LANE = web.AppKey("lane", ActorLane)
