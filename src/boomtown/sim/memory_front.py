"""The real front without sockets: a request's bytes in, the answer's bytes out.

aiohttp's own parser, router, request, handlers and writer do the work; only the transport is
memory. The request is handled in the caller's task and not in tasks of aiohttp's own, because
those begin at once on some Pythons and in a later pass on others, and a seed must give one run.
One request per connection; what streams (events, WebSockets) cannot be asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter

LOOPBACK = "127.0.0.1"
HEAD_END = b"\r\n\r\n"


class HttpReply(msgspec.Struct, frozen=True):
    """A response, read whole."""

    status: int
    body: bytes


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; nothing is ever paused."""

    def __init__(self) -> None:
        super().__init__({"peername": (LOOPBACK, 1)})
        self.written = bytearray()
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True

    def pause_reading(self) -> None:
        """All that there is to read was read."""

    def resume_reading(self) -> None:
        """The same."""


class MemoryFront:
    """An application that answers; made by `open_memory_front`."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    async def answer(self, request: bytes) -> bytes:
        """Handle one request, in the present task; answers the response's bytes."""
        transport = MemoryTransport()
        connection: Any = self._server()
        BaseProtocol.connection_made(connection, transport)
        try:
            connection.data_received(request)
            message, payload = connection._messages.popleft()
            loop = asyncio.get_running_loop()
            handled = connection._request_factory(
                message, payload, connection, StreamWriter(connection, loop), asyncio.current_task()
            )
            await connection._handle_request(handled, None, connection._request_handler)
        finally:
            BaseProtocol.connection_lost(connection, None)
        return bytes(transport.written)


@asynccontextmanager
async def open_memory_front(app: web.Application) -> AsyncGenerator[MemoryFront]:
    """Serve an application for as long as the block lasts."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        assert runner.server is not None
        yield MemoryFront(runner.server)
    finally:
        await runner.cleanup()


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes over a wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + HEAD_END + body


def parse_reply(reply: bytes) -> HttpReply:
    """A response whose body ends where it ends."""
    head, _, body = reply.partition(HEAD_END)
    return HttpReply(int(head.split(b" ", 2)[1]), body)
