"""The two ends of a WebSocket pair, and the frames that go from one to the other.

Theory of operation. An end has an `outgoing` queue and an `inbox`. A frame waits in `outgoing`
until the output gate of the object that sent it lets it go, and frames go in the order of their
sending: one that may go waits for those before it, so an automatic answer never overtakes a send
that is held. What went lies in the peer's inbox until whoever reads there takes it. A close frame
is the last one of its direction. A *loss* is the end of the connection without one: what was not
sent is dropped, what lies in the peer's inbox is still read.

Both queues together are bounded. A reader that is so slow that they are full loses its
connection, since whoever sends to many must not wait for one.

An end outlives the instance of the object that holds it (hibernation.py), and keeps what must
survive with it: the attachment. Nothing is durable; a crash ends every connection. Used on the
loop's thread, never inside a turn but by `queue`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from boomtown.limits import RuntimeLimits

NO_STATUS = 1005  # a close frame without a code (RFC 6455 7.1.5)
ABNORMAL = 1006  # the connection ended without a close frame
LOST_REASON = "WebSocket disconnected without sending Close frame."


class CloseFrame(msgspec.Struct, frozen=True):
    """The last frame of its direction."""

    code: int = NO_STATUS
    reason: str = ""


class Loss(msgspec.Struct, frozen=True):
    """The connection ended without a close frame."""

    error: str | None = None  # what failed; None: the peer went away


Frame = str | bytes | CloseFrame | Loss


class _Outgoing:
    __slots__ = ("frame", "may_go")

    def __init__(self, frame: Frame, *, may_go: bool) -> None:
        self.frame = frame
        self.may_go = may_go


class SocketEnd:
    """One end of a pair; made by `join_ends`."""

    __slots__ = (
        "_inbox",
        "_inbox_bytes",
        "_outgoing",
        "_outgoing_bytes",
        "_waiting_room",
        "attachment",
        "generation",
        "has_received_close",
        "has_sent_close",
        "is_lost",
        "is_taken",
        "limits",
        "on_arrival",
        "peer",
        "was_returned",
    )

    peer: SocketEnd

    def __init__(self, limits: RuntimeLimits) -> None:
        self.attachment: bytes | None = None
        self.generation: int = 0  # of the handles on it: the newest is the one that counts
        self.has_sent_close: bool = False  # has asked to: the frame may still wait at the gate
        self.has_received_close: bool = False
        self.is_lost: bool = False
        self.is_taken: bool = False  # accepted by somebody who reads it
        self.was_returned: bool = False  # went out of its object in a response
        self.on_arrival: Callable[[], None] | None = None
        self.limits: RuntimeLimits = limits
        self._inbox: deque[Frame] = deque()
        self._inbox_bytes = 0
        self._outgoing: deque[_Outgoing] = deque()
        self._outgoing_bytes = 0
        self._waiting_room: list[asyncio.Future[None]] = []

    @property
    def has_ended(self) -> bool:
        """Whether nothing can come or go any more."""
        return self.is_lost or (self.has_sent_close and self.has_received_close)

    # Sending.

    def queue(self, frame: Frame) -> Callable[[], None]:
        """Put a frame into the row; it goes once the returned function has been called."""
        entry = _Outgoing(frame, may_go=False)
        self._put(entry)

        def let_go() -> None:
            entry.may_go = True
            self._flush()

        return let_go

    def send_now(self, frame: Frame) -> None:
        """Put a frame into the row that waits for nothing but those before it."""
        self._put(_Outgoing(frame, may_go=True))
        self._flush()

    def _put(self, entry: _Outgoing) -> None:
        if self.is_lost:
            return
        self._outgoing.append(entry)
        self._outgoing_bytes += _size_of(entry.frame)
        messages = len(self._outgoing) + len(self.peer._inbox)
        total_bytes = self._outgoing_bytes + self.peer._inbox_bytes
        if (
            messages > self.limits.socket_queue_messages_max
            or total_bytes > self.limits.socket_queue_bytes_max
        ):
            # Not here: this may be a turn, and the other end's reader is told.
            asyncio.get_running_loop().call_soon(self.lose, "the connection's queue is full")

    def _flush(self) -> None:
        while self._outgoing and self._outgoing[0].may_go:
            frame = self._outgoing.popleft().frame
            self._outgoing_bytes -= _size_of(frame)
            self.peer._arrive(frame)

    async def wait_room(self) -> None:
        """Return once half of the queues is free, or the connection has ended."""
        while not self.has_ended and self._is_half_full():
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.peer._waiting_room.append(room)
            await room

    def _is_half_full(self) -> bool:
        messages = len(self._outgoing) + len(self.peer._inbox)
        total_bytes = self._outgoing_bytes + self.peer._inbox_bytes
        return (
            2 * messages > self.limits.socket_queue_messages_max
            or 2 * total_bytes > self.limits.socket_queue_bytes_max
        )

    # Receiving.

    def _arrive(self, frame: Frame) -> None:
        if self.is_lost or self.has_received_close:
            return
        if isinstance(frame, CloseFrame):
            self.has_received_close = True
        self._inbox.append(frame)
        self._inbox_bytes += _size_of(frame)
        self._notify()

    def take(self) -> Frame | None:
        """The next frame that arrived."""
        if not self._inbox:
            return None
        frame = self._inbox.popleft()
        self._inbox_bytes -= _size_of(frame)
        self._tell_room()
        return frame

    def _tell_room(self) -> None:
        waiting, self._waiting_room = self._waiting_room, []
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def _notify(self) -> None:
        if self.on_arrival is not None:
            self.on_arrival()

    # The end.

    def disconnect(self) -> None:
        """Go away without a close frame, unless one was sent: the peer sees a loss behind what
        has arrived there. Harmless when the connection has ended."""
        if self.is_lost:
            return
        self.is_lost = True
        self._outgoing.clear()
        self._outgoing_bytes = 0
        self._inbox.clear()
        self._inbox_bytes = 0
        self._tell_room()
        asyncio.get_running_loop().call_soon(self._notify)
        self.peer._hear_loss(None)

    def lose(self, error: str | None) -> None:
        """The connection broke: both ends see a loss, behind what has arrived."""
        if self.is_lost:
            return
        self._hear_loss(error)
        self.peer._hear_loss(error)

    def _hear_loss(self, error: str | None) -> None:
        if self.is_lost:
            return
        is_news = not self.has_received_close
        self.is_lost = True
        self._outgoing.clear()
        self._outgoing_bytes = 0
        if is_news:
            self._inbox.append(Loss(error))
        self._tell_room()
        self.peer._tell_room()
        # In a pass of its own: the object whose reset ends this connection is still on the stack.
        asyncio.get_running_loop().call_soon(self._notify)


def join_ends(limits: RuntimeLimits) -> tuple[SocketEnd, SocketEnd]:
    """A connected pair."""
    first, second = SocketEnd(limits), SocketEnd(limits)
    first.peer, second.peer = second, first
    return first, second


def _size_of(frame: Frame) -> int:
    return len(frame) if isinstance(frame, str | bytes) else 0
