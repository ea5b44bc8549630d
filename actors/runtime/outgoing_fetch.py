"""`fetch`: how an object's code calls servers, through a client that the runtime owns.

Theory of operation. A request leaves its object once everything that the object wrote before is
durable, and never where that fails: a crash between the two is a request that was not sent
(durable-actors 3.3). It runs as a task of the host, so that a reset of the object does not cancel
it, and its completion comes to the object through the input gate. The connections belong to the
host: a session that an object makes for itself passes the input gate as well, and leaves without
asking the output gate.

Bodies are read whole in both directions. Nothing is tried again: only the object knows whether a
second request is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from urllib.parse import urlsplit

from boomtown.actors.runtime.exchange import Body, HeaderSource, Request, Response
from boomtown.actors.runtime.runtime_errors import OutsideTurnError
from boomtown.actors.runtime.web_sockets import find_current_gates
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

HoldAndRun = Callable[[Callable[[], Coroutine[Any, Any, Any]]], asyncio.Future[Any]]


class HttpClient(Protocol):
    """The connections of a host (http_client.py, or a test's)."""

    async def send(self, request: Request) -> Response:
        """Send a request whose body is bytes. Raises ConnectionError, or ValueError for an
        answer past its bound."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class OutgoingFetch:
    """The way out of one host's objects."""

    def __init__(
        self, client: HttpClient, hold_and_run: HoldAndRun, *, clock: Clock, limits: RuntimeLimits
    ) -> None:
        self._client = client
        self._hold_and_run = hold_and_run
        self._clock = clock
        self._limits = limits

    async def send(self, request: Request, *, timeout_ms: int | None) -> Response:
        """Send a request, in a turn; the answer arrives through the object's gate."""
        span_ms = self._limits.fetch_ms_max if timeout_ms is None else timeout_ms
        response: Response = await self._hold_and_run(lambda: self._within(request, span_ms))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _within(self, request: Request, span_ms: int) -> Response:
        task = asyncio.current_task()
        assert task is not None, "a task of the host"
        is_late = False

        def strike() -> None:
            nonlocal is_late
            is_late = True
            task.cancel()

        timer = self._clock.call_at_ms(self._clock.now_ms() + span_ms, strike)
        try:
            return await self._client.send(request)
        except asyncio.CancelledError:
            if not is_late or task.uncancel() > 0:
                raise
            raise TimeoutError(f"fetch {request.url}: no answer within {span_ms} ms") from None
        finally:
            timer.cancel()


async def fetch(
    request: Request | str,
    *,
    method: str = "GET",
    headers: HeaderSource | None = None,
    body: Body | str = b"",
    timeout_ms: int | None = None,
) -> Response:
    """Send a request from an object's turn; the options serve a URL.

    It leaves once what the object wrote before is durable, and never if that fails. Redirects are
    followed; an answer of any status is an answer. Raises ValueError for a URL that is no
    absolute one of http or https and for an answer past `RuntimeLimits.fetch_body_bytes_max`,
    ConnectionError where nobody answers, TimeoutError after `timeout_ms` (by default
    `RuntimeLimits.fetch_ms_max`), OutsideTurnError in code that is no object's.
    """
    gates = find_current_gates()
    if gates is None:
        raise OutsideTurnError("fetch used outside a turn of an object")
    gates.check_turn("fetch")
    if isinstance(request, str):
        request = Request(method, request, headers, body)
    parts = urlsplit(request.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"fetch: {request.url!r} is no absolute URL of http or https")
    if request.is_upgrade:
        raise ValueError("fetch: WebSockets of other servers are not supported")
    outgoing = gates.outbound
    assert isinstance(outgoing, OutgoingFetch), "its host gave the object a way out"
    whole = Request(request.method, request.url, request.headers, await request.bytes())
    return await outgoing.send(whole, timeout_ms=timeout_ms)
