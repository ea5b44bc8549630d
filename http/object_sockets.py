"""Joins a WebSocket of the network to the end that an object returned.

Theory of operation. Two directions run until either ends. What the client sends goes to the
object as fast as the object takes it; what the object sends goes to the client as fast as the
network takes it, and a client that is too slow loses its connection (socket_ends.py). A close
frame of either side goes to the other, with code and reason, and the connection ends once both
have sent theirs, or a moment after the first: nobody waits for ever. The object answers a close
frame itself, or its end is let go and the client sees a connection without one.

The front keeps nothing: a socket that ends leaves no trace here, and what survives an eviction of
its object is the object's (hibernation.py).
"""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web
from multidict import CIMultiDict

from boomtown.actors import Request, Response, WebSocket
from boomtown.actors.runtime.socket_ends import NO_STATUS, CloseFrame, Loss
from boomtown.actors.runtime.web_sockets import (
    close_with,
    disconnect,
    fail,
    receive_frame,
    wait_room,
)
from boomtown.clock import Clock, Timer
from boomtown.error_codes import ErrorCode
from boomtown.errors import InternalFault
from boomtown.limits import HttpLimits

_PROTOCOL_HEADER = "Sec-WebSocket-Protocol"
OPEN_SOCKETS = web.AppKey("open_object_sockets", dict[web.WebSocketResponse, None])


def is_upgrade(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"


async def join_socket(
    request: web.Request,
    asked: Request,
    answer: Response,
    headers: CIMultiDict[str],
    *,
    clock: Clock,
    limits: HttpLimits,
) -> web.StreamResponse:
    """Serve the socket of `answer` until it ends. Raises InternalFault where the client had not
    asked for one."""
    web_socket = answer.web_socket
    assert web_socket is not None, "the caller looked"
    if not asked.is_upgrade:
        disconnect(web_socket)
        raise InternalFault(
            ErrorCode.INTERNAL_ERROR, "A WebSocket was returned where none was asked for"
        )
    protocol = headers.pop(_PROTOCOL_HEADER, None)
    network = web.WebSocketResponse(
        autoclose=False,
        heartbeat=limits.socket_heartbeat_ms / 1_000,
        max_msg_size=limits.socket_message_bytes_max,
        protocols=() if protocol is None else (protocol,),
    )
    network.headers.update(headers)
    web_socket.accept()
    open_sockets = request.config_dict[OPEN_SOCKETS]
    try:
        await network.prepare(request)
        open_sockets[network] = None
        await _Joint(request, network, web_socket, clock, limits).run()
    finally:
        open_sockets.pop(network, None)
        disconnect(web_socket)
    return network


async def close_open_sockets(app: web.Application) -> None:
    """The front ends: tell every client that this server goes away."""
    open_sockets = app[OPEN_SOCKETS]
    for network in list(open_sockets):
        await network.close(code=WSCloseCode.GOING_AWAY, message=b"the server is ending")


class _Joint:
    def __init__(
        self,
        request: web.Request,
        network: web.WebSocketResponse,
        web_socket: WebSocket,
        clock: Clock,
        limits: HttpLimits,
    ) -> None:
        self._request = request
        self._network = network
        self._web_socket = web_socket
        self._clock = clock
        self._close_ms_max = limits.socket_close_ms_max
        self._timer: Timer | None = None  # from the first close frame on
        self._client_has_closed = False

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._serve_object(), name="object to client")
                await self._serve_client()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._hang_up()

    async def _serve_client(self) -> None:
        """Bring the object what the client sends, until the client has closed or is gone."""
        while True:
            await wait_room(self._web_socket)
            message = await self._network.receive()
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    self._web_socket.send(cast("str | bytes", message.data))
                case WSMsgType.CLOSE:
                    self._client_has_closed = True
                    self._bound_the_close()
                    close_with(self._web_socket, _close_frame(message))
                    return
                case WSMsgType.ERROR if isinstance(message.data, WebSocketError):
                    fail(self._web_socket, str(message.data))
                    return
                case _:
                    disconnect(self._web_socket)
                    return

    async def _serve_object(self) -> None:
        """Bring the client what the object sends, until the object has closed or is gone."""
        while True:
            frame = await receive_frame(self._web_socket)
            try:
                match frame:
                    case str():
                        await self._network.send_str(frame)
                    case bytes():
                        await self._network.send_bytes(frame)
                    case CloseFrame():
                        await self._network.send_frame(_packed(frame), WSMsgType.CLOSE)
                        # The client answers with a close frame of its own, if it still can.
                        self._bound_the_close()
                        if self._client_has_closed:
                            self._hang_up()
                        return
                    case Loss():
                        self._hang_up()
                        return
            except ConnectionError:
                disconnect(self._web_socket)
                return

    def _bound_the_close(self) -> None:
        if self._timer is None:
            at_ms = self._clock.now_ms() + self._close_ms_max
            self._timer = self._clock.call_at_ms(at_ms, self._give_up)

    def _give_up(self) -> None:
        disconnect(self._web_socket)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()


def _close_frame(message: WSMessage) -> CloseFrame:
    code = cast(int, message.data) or NO_STATUS  # aiohttp says 0 where there was none
    return CloseFrame(code, message.extra or "")


def _packed(frame: CloseFrame) -> bytes:
    if frame.code == NO_STATUS:
        return b""
    return frame.code.to_bytes(2, "big") + frame.reason.encode()
