"""The feed as a stream: server-sent events, and the same frames over a WebSocket.

Theory of operation. A stream is a loop that asks the town for what comes after its cursor and
writes it out. The town answers as soon as something newer is committed and durable, or after a
heartbeat's time with nothing (Town.next_changes). The loop remembers its cursor and no event:
nothing is published from memory, so an event that a restart swallowed on its way is sent by the
next answer, and replay and live are one code path. An object that was reset under its reader is
asked again.

The first page is asked for before anything is sent, so a cursor that is not good is an ordinary
failure. Each frame carries its number as id, and a heartbeat carries the number alone, also where
a filter hid every event: whoever reconnects goes on exactly there, by `Last-Event-ID` or `after`.

A reader that takes nothing for `feed_write_ms_max` is let go with SLOW_READER; whatever it had
not got it gets when it comes back, because its cursor is its own. Memory per reader is one page
and one write buffer. A server that ends says so to its streams. A crash loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from aiohttp import WSMsgType, web

from boomtown.actors import DurableObjectError
from boomtown.actors.town.commands import PutFeedCursor
from boomtown.actors.town.commands_of_feed import GetFeedCursor, ReadFeed
from boomtown.actors.town.feed_views import FeedCursorView, FeedEventView, FeedPageView
from boomtown.actors.town.owner_keys import KeyScope
from boomtown.actors.town.questions import QuestionRequest
from boomtown.clock import Clock
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, BoomtownError
from boomtown.http.calls import Call
from boomtown.http.error_responses import failure_of
from boomtown.http.feed_routes import cursor_of, feed_question
from boomtown.http.owner_calls import view_of
from boomtown.http.payloads import payload
from boomtown.http.principals import TicketBearer, is_allowed
from boomtown.wire import encode_json

logger = logging.getLogger("boomtown.http")

T = TypeVar("T")

SLOW_READER = "SLOW_READER"
RECONNECT_MS = 1_000  # what a browser is told to wait before it comes back
CLOSE_S_MAX = 1.0  # for the other side's half of a WebSocket's end
CLOSE_GOING_AWAY = 1001  # RFC 6455 7.4.1
CLOSE_POLICY = 1008
CLOSE_TRY_LATER = 1013
CLOSE_REFUSED = 4000  # and the status: 4410 is a cursor that has expired

FEED_END = web.AppKey("feed_end", asyncio.Event)  # set when the server stops answering


async def end_streams(app: web.Application) -> None:
    """Have all streams of an application end themselves; a shutdown handler."""
    app[FEED_END].set()


class SlowReader(Exception):
    """The other side took nothing for too long."""


class _Ending(Exception):
    """The server ends."""


async def stream_events(call: Call) -> object:
    """GET feed/stream. Ends when the reader goes, is too slow, or the server ends."""
    query, headers = call.request.query, call.request.headers
    if "after" in query:
        after = cursor_of(query["after"], name="after")
    else:
        after = cursor_of(headers.get("Last-Event-ID"), name="Last-Event-ID")
    question = feed_question(call, after=after, limit=call.services.limits.feed_batch_rows)
    first = await _next_page(call, question, wait_ms=0)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    await response.prepare(call.request)
    write_ms_max = call.services.limits.feed_write_ms_max

    async def send(data: bytes) -> None:
        await _within(call.services.clock, write_ms_max, response.write(data))

    with contextlib.suppress(ConnectionError):  # the reader has gone: nobody is to be told
        try:
            await send(f"retry: {RECONNECT_MS}\n\n".encode())
            async with aclosing(_pages(call, question, first)) as pages:
                async for page in pages:
                    await send(_sse_frames(page))
        except SlowReader:
            _cut(call, response, SLOW_READER)
        except _Ending:
            await response.write(_sse_closing(ErrorCode.SHUTTING_DOWN, "The server is ending"))
        except (BoomtownError, DurableObjectError) as error:
            refusal = failure_of(error).refusal
            await response.write(_sse_closing(refusal.code, refusal.message))
    return response


async def open_feed_socket(call: Call) -> object:
    """GET feed/ws. With `cursor` it starts at that named cursor (unless `after` says otherwise),
    and `{"ack": SEQ}` from the client moves it."""
    consumer = call.request.query.get("cursor")
    if consumer is not None:
        _check_may_acknowledge(call)
    after = await _start_of(call, consumer)
    question = feed_question(call, after=after, limit=call.services.limits.feed_batch_rows)
    first = await _next_page(call, question, wait_ms=0)
    socket = web.WebSocketResponse(timeout=CLOSE_S_MAX)
    await socket.prepare(call.request)
    pump = asyncio.create_task(_pump(call, socket, question, first))
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT and not await _heard(call, consumer, message.data):
                await socket.close(code=CLOSE_POLICY, message=ErrorCode.INVALID_CURSOR.encode())
    finally:
        pump.cancel()
        await asyncio.wait({pump})
    if not pump.cancelled():
        pump.result()  # what it raised is a fault of ours
    return socket


async def _pump(
    call: Call, socket: web.WebSocketResponse, question: ReadFeed, first: FeedPageView
) -> None:
    limits, clock = call.services.limits, call.services.clock
    try:
        async with aclosing(_pages(call, question, first)) as pages:
            async for page in pages:
                for frame in _socket_frames(page):
                    await _within(clock, limits.feed_write_ms_max, socket.send_str(frame))
    except ConnectionError:
        return  # the reader has gone: nobody is to be told
    except _Ending:
        code, reason = CLOSE_GOING_AWAY, str(ErrorCode.SHUTTING_DOWN)
    except SlowReader:
        code, reason = CLOSE_TRY_LATER, SLOW_READER
    except (BoomtownError, DurableObjectError) as error:
        failure = failure_of(error)
        code, reason = CLOSE_REFUSED + failure.status, str(failure.refusal.code)
    else:
        raise AssertionError("pages do not end by themselves")
    await socket.close(code=code, message=reason.encode(), drain=False)


async def _pages(
    call: Call, question: ReadFeed, first: FeedPageView
) -> AsyncGenerator[FeedPageView]:
    """The first page, and each one after it; an empty one is a heartbeat. Raises _Ending."""
    page = first
    while True:
        yield page
        question = msgspec.structs.replace(question, after=page.next)
        page = await _or_end(
            call, _next_page(call, question, wait_ms=call.services.limits.feed_heartbeat_ms)
        )


async def _next_page(call: Call, question: ReadFeed, *, wait_ms: int) -> FeedPageView:
    """What the town has after the cursor. An object that was reset is asked again, once a pause
    is over, until a heartbeat's time is up. Raises the town's refusal."""
    services = call.services
    give_up_at_ms = services.clock.now_ms() + services.limits.feed_heartbeat_ms
    request = QuestionRequest(question=question, caller=call.caller)
    while True:
        try:
            answer = await services.town(call.town_id).next_changes(request, wait_ms)
        except DurableObjectError as error:
            is_passing = error.retryable or error.durable_object_reset
            if not is_passing or services.clock.now_ms() >= give_up_at_ms:
                raise
            await services.clock.sleep_until_ms(
                services.clock.now_ms() + services.limits.feed_retry_ms
            )
            continue
        view = view_of(answer)
        assert isinstance(view, FeedPageView), "a page was asked for"
        return view


async def _or_end(call: Call, work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to. Raises _Ending as soon as the server ends."""
    end = asyncio.create_task(call.request.config_dict[FEED_END].wait())
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({end, task}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _Ending
        return task.result()
    finally:
        end.cancel()
        task.cancel()


async def _within(clock: Clock, span_ms: int, work: Coroutine[Any, Any, None]) -> None:
    """Wait for a write. Raises SlowReader when it takes longer than `span_ms`."""
    task = asyncio.ensure_future(work)
    is_late = False

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()

    timer = clock.call_at_ms(clock.now_ms() + span_ms, give_up)
    try:
        await task
    except asyncio.CancelledError:
        if is_late:
            raise SlowReader from None
        raise
    finally:
        timer.cancel()


def _cut(call: Call, response: web.StreamResponse, reason: str) -> None:
    """End a stream whose reader takes nothing: the reason is put behind what waits for it, and
    the connection is dropped when that was not taken either."""
    clock, transport = call.services.clock, call.request.transport
    logger.warning("feed_stream_cut town=%s reason=%s", call.town_id, reason)
    response.force_close()
    if transport is None:
        return
    frame = _sse_closing(reason, "The reader took nothing for too long")
    if "Transfer-Encoding" in response.headers:  # the last chunk of a chunked body
        frame = b"%x\r\n%b\r\n0\r\n\r\n" % (len(frame), frame)
    transport.write(frame)
    transport.close()
    clock.call_at_ms(clock.now_ms() + call.services.limits.feed_write_ms_max, transport.abort)


async def _start_of(call: Call, consumer: str | None) -> int:
    after = call.request.query.get("after")
    if after is not None or consumer is None:
        return cursor_of(after, name="after")
    view = await call.query(GetFeedCursor(consumer=consumer))
    assert isinstance(view, FeedCursorView)
    return view.seq


def _check_may_acknowledge(call: Call) -> None:
    assert isinstance(call.principal, TicketBearer), "the route takes tickets only"
    if not is_allowed(call.principal.operator.scope, needed=KeyScope.OPERATE):
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE)


class _Acknowledgement(msgspec.Struct, frozen=True):
    ack: int


async def _heard(call: Call, consumer: str | None, text: str) -> bool:
    """Do what a client's message asks; False for one that asks nothing that can be done."""
    if consumer is None:
        return False
    try:
        message = msgspec.json.decode(text, type=_Acknowledgement)
        await call.execute(PutFeedCursor(consumer=consumer, seq=message.ack))
    except (msgspec.DecodeError, BoomtownError):
        return False
    return True


def _data(event: FeedEventView) -> bytes:
    return encode_json(payload(event))


def _sse_frames(page: FeedPageView) -> bytes:
    frames = [
        b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.topic.encode(), _data(event))
        for event in page.events
    ]
    if not page.events or page.events[-1].seq < page.next:
        frames.append(b"id: %d\n\n" % page.next)
    return b"".join(frames)


def _sse_closing(code: str, message: str) -> bytes:
    return b"event: closing\ndata: %b\n\n" % encode_json({"code": code, "error": message})


def _socket_frames(page: FeedPageView) -> list[str]:
    frames = [
        encode_json({"id": event.seq, "event": event.topic, "data": payload(event)}).decode()
        for event in page.events
    ]
    if not page.events or page.events[-1].seq < page.next:
        frames.append(encode_json({"id": page.next}).decode())
    return frames
