"""One connection, looked at by the actor lane before aiohttp (actor_lane.py has the theory).

One request is under way at a time: bytes that come meanwhile wait, with reading paused, and are
looked at when the answer is written. `_lane` is None once the connection is aiohttp's for good.
aiohttp is at rest before it was given anything, and while its handler waits for the next message
(`_waiter`): it has then answered all it was given, and what it was given were whole requests.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from boomtown.actors import Response
from boomtown.actors.runtime.web_sockets import WebSocket, disconnect
from boomtown.error_codes import ErrorCode
from boomtown.errors import InternalFault
from boomtown.http.actor_lane import ActorLane, Exchange, error_of, kept_headers
from boomtown.http.plain_requests import PlainRequest


class LaneConnection(web.RequestHandler):
    """A connection of aiohttp's server that serves plain requests for objects itself."""

    def __init__(
        self,
        manager: web.Server,
        lane: ActorLane,
        *,
        loop: asyncio.AbstractEventLoop,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._lane: ActorLane | None = lane
        self._under_way: asyncio.Future[Any] | None = None
        self._was_fed = False  # aiohttp was given a request
        self._early: list[bytes] = []  # what came while a request was under way

    def data_received(self, data: bytes) -> None:
        lane = self._lane
        if lane is None or not data:
            super().data_received(data)
            return
        if self._under_way is not None:
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
            return
        is_at_rest = self._waiter is not None or not self._was_fed
        is_ours = is_at_rest and not self.writing_paused
        asked = lane.find(data) if is_ours else None
        if asked is None:
            self._lane = None
            super().data_received(data)
        elif lane.admits(asked):
            self._serve(lane, asked)
        else:
            self._was_fed = True
            super().data_received(data)

    def _serve(self, lane: ActorLane, asked: PlainRequest) -> None:
        exchange = lane.open_exchange(asked)
        try:
            is_done, answer = lane.begin(asked)
        except Exception as error:
            self._send(lane.failure_bytes(exchange, error))
            return
        if isinstance(answer, Response):
            assert is_done
            self._answer(lane, exchange, answer)
        else:
            self._under_way = answer
            answer.add_done_callback(lambda ended: self._settled(lane, exchange, ended))

    def _settled(
        self, lane: ActorLane, exchange: Exchange, ended: asyncio.Future[Response]
    ) -> None:
        self._under_way = None
        error = error_of(ended)
        if error is not None:
            self._send(lane.failure_bytes(exchange, error))
        else:
            self._answer(lane, exchange, ended.result())
        self._go_on()

    def _go_on(self) -> None:
        if self._under_way is not None or not self._early:
            return
        data, self._early = b"".join(self._early), []
        if self.transport is not None:
            self.transport.resume_reading()
            self.data_received(data)

    def _answer(self, lane: ActorLane, exchange: Exchange, answer: Response) -> None:
        try:
            if answer.web_socket is not None:
                raise _unasked(answer.web_socket)
            if isinstance(answer.body, bytes):
                self._send(lane.answer_bytes(exchange, answer))
                return
            head = lane.head(exchange, answer.status, kept_headers(answer), None)
        except Exception as error:
            self._send(lane.failure_bytes(exchange, error))
            return
        streaming = self._loop.create_task(self._stream(lane, exchange, head, answer))
        self._under_way = streaming
        streaming.add_done_callback(self._streamed)

    async def _stream(
        self, lane: ActorLane, exchange: Exchange, head: bytes, answer: Response
    ) -> None:
        parts = answer.body
        assert not isinstance(parts, bytes)
        self._send(head)
        async for part in parts:
            await self._drain_helper()
            if part:
                self._send(b"%x\r\n%s\r\n" % (len(part), part))
        self._send(b"0\r\n\r\n")
        lane.note(exchange, answer.status)

    def _streamed(self, ended: asyncio.Task[None]) -> None:
        self._under_way = None
        if ended.cancelled() or ended.exception() is not None:
            # The answer has begun: only the connection's end can say that it is not whole.
            self.force_close()
            return
        self._go_on()

    def _send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let a request that is under way be answered, then end as aiohttp does."""
        under_way = self._under_way
        if under_way is not None:
            await asyncio.wait([under_way], timeout=timeout)
        await super().shutdown(timeout)


def _unasked(web_socket: WebSocket) -> InternalFault:
    disconnect(web_socket)
    return InternalFault(
        ErrorCode.INTERNAL_ERROR, "A WebSocket was returned where none was asked for"
    )
