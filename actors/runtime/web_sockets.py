"""WebSockets as an object's code sees them: `WebSocketPair`, `WebSocket` (durable-actors 6).

Theory of operation. A pair is made in an object's `fetch`; the object keeps the server's end and
returns the client's in a response of status 101, and whoever asked gets that end, as a handle of
its own: the HTTP front joins it to a network connection, another object, or a test, accepts it.
A handle is used by whoever accepted its end, and in an object's turns only by that object.

`ctx.accept_web_socket` makes an end hibernatable: its frames come to the class's handlers, and it
outlives the instance (hibernation.py). `accept` makes it ordinary: its frames are read with
`receive` or by iteration, and as long as it is open its object stays in memory and dies with it.

What an object sends waits until what it wrote before is durable, in the order of the sends. A
handle that nobody accepted, and that is garbage, ends its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from boomtown.actors.runtime.loop_hook import find_hook
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.runtime_errors import OutsideTurnError
from boomtown.actors.runtime.socket_ends import (
    ABNORMAL,
    LOST_REASON,
    NO_STATUS,
    CloseFrame,
    Frame,
    Loss,
    SocketEnd,
    join_ends,
)
from boomtown.actors.runtime.stored_values import decode_value, encode_value
from boomtown.limits import RuntimeLimits

CLOSE_REASON_BYTES_MAX = 123  # RFC 6455 5.5: a control frame holds 125, two of them the code
_CODES_RESERVED = (1004, NO_STATUS, ABNORMAL, 1015)  # never sent in a frame


class ReadyState(enum.IntEnum):
    """How far a connection is; the numbers are the browsers'."""

    OPEN = 1
    CLOSING = 2  # one side has closed
    CLOSED = 3


class CloseEvent(msgspec.Struct, frozen=True):
    """How the other side ended the connection: by its close frame, or 1006 where it was lost."""

    code: int
    reason: str
    was_clean: bool  # it sent a close frame


class _Use(enum.Enum):
    UNUSED = enum.auto()
    ORDINARY = enum.auto()
    HIBERNATABLE = enum.auto()
    GIVEN_AWAY = enum.auto()  # returned in a response: the receiver has a handle of its own


class WebSocket:
    """One end of a pair, in the hands of one user."""

    def __init__(self, end: SocketEnd) -> None:
        self.close_event: CloseEvent | None = None  # of an ordinary one, once it was read
        self._end = end
        self._use = _Use.UNUSED
        self._owner: ObjectGates | None = None  # None: host code
        self._readers: list[asyncio.Future[None]] = []
        end.generation += 1
        loop = asyncio.get_running_loop()
        self._abandon = weakref.finalize(self, _abandoned, end, end.generation, loop)
        self._abandon.atexit = False

    @property
    def ready_state(self) -> ReadyState:
        """OPEN from the start; CLOSED once both sides have closed, or the connection is lost."""
        end = self._end
        if end.has_ended:
            return ReadyState.CLOSED
        return (
            ReadyState.CLOSING if end.has_sent_close or end.has_received_close else ReadyState.OPEN
        )

    def accept(self) -> None:
        """Use this end here: as an ordinary one. RuntimeError where it is used already."""
        self._check_unused("accept")
        self._use = _Use.ORDINARY
        self._take(find_current_gates())
        self._end.on_arrival = self._wake_readers
        if self._owner is not None and not self._end.has_ended:
            self._owner.keeps[self._end] = None

    def send(self, message: str | bytes) -> None:
        """Send a message; it leaves once what the object wrote before is durable, and after what
        was sent before. Nothing happens once the connection is lost.

        TypeError before the end is accepted and after `close`; ValueError for a message that is
        too long.
        """
        self._check_usable("send")
        if self._end.has_sent_close:
            raise TypeError("Can't call WebSocket send() after close()")
        if not isinstance(message, str | bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a message is str or bytes, not {type(message).__name__}")
        bytes_max = self._end.limits.socket_message_bytes_max
        # Characters first: encoding is the cost, and no character has more than four bytes.
        if len(message) * 4 > bytes_max:
            size = len(message.encode()) if isinstance(message, str) else len(message)
            if size > bytes_max:
                raise ValueError(f"a message has at most {bytes_max} bytes")
        self._leave(message)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Send a close frame, as `send` does; nothing can be sent after it. A second one is
        ignored. TypeError before the end is accepted, and for a code or reason that no frame
        can have."""
        self._check_usable("close")
        _check_close(code, reason)
        if self._end.has_sent_close:
            return
        self._end.has_sent_close = True
        self._leave(CloseFrame(NO_STATUS if code is None else code, reason or ""))
        self._let_go_when_ended()

    def serialize_attachment(self, value: object) -> None:
        """Keep a copy of `value` with the connection: it survives hibernation, and nothing else.
        ValueError past 16384 bytes, DataCloneError for what cannot be stored."""
        data = encode_value(value)
        bytes_max = self._end.limits.socket_attachment_bytes_max
        if len(data) > bytes_max:
            raise ValueError(f"an attachment has at most {bytes_max} bytes, this one {len(data)}")
        self._end.attachment = data

    def deserialize_attachment(self) -> Any:
        """A fresh copy of what was kept, or None."""
        data = self._end.attachment
        return None if data is None else decode_value(data)

    async def receive(self) -> str | bytes | None:
        """The next message of an ordinary end; None once the other side has ended the
        connection (`close_event` tells how). Its close frame is answered here."""
        if self._use is not _Use.ORDINARY:
            raise TypeError("only an end that was accepted with accept() is read")
        if self.close_event is not None:
            return None
        frame = await self._next_frame()
        if isinstance(frame, str | bytes):
            return frame
        self._end_reading(frame)
        return None

    async def _next_frame(self) -> Frame:
        while True:
            self._check_usable("receive")
            frame = self._end.take()
            if frame is not None:
                return frame
            if self._end.is_lost:
                return Loss()
            arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(arrival)
            await arrival

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self

    async def __anext__(self) -> str | bytes:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    def _check_unused(self, what: str) -> None:
        if self._use is not _Use.UNUSED:
            raise RuntimeError(f"{what}: this end is used already ({self._use.name.lower()})")

    def _check_usable(self, what: str) -> None:
        if self._use not in (_Use.ORDINARY, _Use.HIBERNATABLE):
            raise TypeError(
                f"WebSocket {what}(): call accept() or ctx.accept_web_socket() on this end first"
            )
        if self._owner is not None:
            self._owner.check_turn(f"web_socket.{what}")
        elif find_current_gates() is not None:
            raise OutsideTurnError(f"WebSocket {what}(): this end belongs to code of the host")

    def _take(self, owner: ObjectGates | None) -> None:
        self._abandon.detach()
        self._owner = owner
        self._end.is_taken = True

    def _leave(self, frame: Frame) -> None:
        if self._owner is None:
            self._end.send_now(frame)
        else:
            self._owner.depart(self._end.queue(frame))

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            if not reader.done():
                reader.set_result(None)
        if self._end.has_received_close or self._end.is_lost:
            self._let_go()

    def _end_reading(self, frame: CloseFrame | Loss) -> None:
        match frame:
            case CloseFrame(code=code, reason=reason):
                self.close_event = CloseEvent(code, reason, was_clean=True)
                if not self._end.has_sent_close:
                    self._end.has_sent_close = True
                    self._leave(frame)
            case Loss():
                self.close_event = CloseEvent(ABNORMAL, LOST_REASON, was_clean=False)

    def _let_go_when_ended(self) -> None:
        if self._end.has_ended:
            self._let_go()

    def _let_go(self) -> None:
        if self._owner is not None:
            self._owner.keeps.pop(self._end, None)

    def __repr__(self) -> str:
        return f"<WebSocket {self._use.name.lower()} {self.ready_state.name.lower()}>"


class WebSocketPair:
    """Two connected ends: `client, server = WebSocketPair()`. In a turn of an object they are
    bound by its host's limits, elsewhere by the usual ones; an end that nobody uses is closed."""

    def __init__(self) -> None:
        gates = find_current_gates()
        client, server = join_ends(RuntimeLimits() if gates is None else gates.limits)
        self.client: WebSocket = WebSocket(client)
        self.server: WebSocket = WebSocket(server)

    def __iter__(self) -> Iterator[WebSocket]:
        return iter((self.client, self.server))


def find_current_gates() -> ObjectGates | None:
    """The gates of the object whose turn runs now; None in host code."""
    hook = find_hook(asyncio.get_running_loop())
    turn = None if hook is None else hook.turn
    return turn if isinstance(turn, ObjectGates) else None


# Functions, because a handle's public methods are for objects' code.


def end_of(web_socket: WebSocket) -> SocketEnd:
    """The end that a handle is for; for hibernation.py."""
    return web_socket._end  # pyright: ignore[reportPrivateUsage]


def hand_over(web_socket: WebSocket) -> WebSocket:
    """A handle for whoever gets a response; the present one is spent. RuntimeError where the end
    was accepted or returned before."""
    web_socket._check_unused("Response")  # pyright: ignore[reportPrivateUsage]
    end = end_of(web_socket)
    end.was_returned = True
    web_socket._use = _Use.GIVEN_AWAY  # pyright: ignore[reportPrivateUsage]
    web_socket._abandon.detach()  # pyright: ignore[reportPrivateUsage]
    return WebSocket(end)


def take_hibernatable(web_socket: WebSocket, owner: ObjectGates) -> None:
    """Make an unused handle the object's. RuntimeError where its pair is used already."""
    web_socket._check_unused("accept_web_socket")  # pyright: ignore[reportPrivateUsage]
    end = end_of(web_socket)
    if end.is_taken or end.was_returned or end.peer.is_taken or end.peer.was_returned:
        raise RuntimeError("accept_web_socket: the other end was accepted or returned already")
    web_socket._use = _Use.HIBERNATABLE  # pyright: ignore[reportPrivateUsage]
    web_socket._take(owner)  # pyright: ignore[reportPrivateUsage]


def revive(end: SocketEnd, owner: ObjectGates) -> WebSocket:
    """A handle on a hibernatable end, for a new instance of its object."""
    web_socket = WebSocket(end)
    web_socket._use = _Use.HIBERNATABLE  # pyright: ignore[reportPrivateUsage]
    web_socket._take(owner)  # pyright: ignore[reportPrivateUsage]
    return web_socket


def is_owned_by(web_socket: WebSocket, owner: ObjectGates) -> bool:
    """Whether a handle was made for this instance of its object."""
    return web_socket._owner is owner  # pyright: ignore[reportPrivateUsage]


async def receive_frame(web_socket: WebSocket) -> Frame:
    """The next frame of an ordinary end; for a network's side, which answers a close frame with
    that of its client."""
    return await web_socket._next_frame()  # pyright: ignore[reportPrivateUsage]


def close_with(web_socket: WebSocket, frame: CloseFrame) -> None:
    """Send a close frame as it came from a network, whatever its code."""
    end = end_of(web_socket)
    if not end.has_sent_close:
        end.has_sent_close = True
        end.send_now(frame)


async def wait_room(web_socket: WebSocket) -> None:
    """For a sender that can wait, a network's side: return when the reader keeps up."""
    await end_of(web_socket).wait_room()


def disconnect(web_socket: WebSocket) -> None:
    """End the connection without a close frame, as a network's side that is gone; from host
    code."""
    end_of(web_socket).disconnect()


def fail(web_socket: WebSocket, error: str) -> None:
    """End the connection because the other side broke the protocol; an object is told. From host
    code."""
    end_of(web_socket).lose(error)


def _check_close(code: int | None, reason: str | None) -> None:
    if code is not None and (not 1000 <= code <= 4999 or code in _CODES_RESERVED):
        raise TypeError(f"Invalid WebSocket close code: {code}")
    if reason is not None and code is None:
        raise TypeError("a close reason needs a code")
    if reason is not None and len(reason.encode()) > CLOSE_REASON_BYTES_MAX:
        raise TypeError(f"a close reason has at most {CLOSE_REASON_BYTES_MAX} bytes")


def _abandoned(end: SocketEnd, generation: int, loop: asyncio.AbstractEventLoop) -> None:
    def end_it() -> None:
        if end.generation == generation and not end.is_taken:
            end.disconnect()

    with contextlib.suppress(RuntimeError):  # the loop is closed, and everything on it gone
        loop.call_soon_threadsafe(end_it)
