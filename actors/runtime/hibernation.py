"""Hibernatable sockets: what of an object's WebSockets outlives its instance.

Theory of operation. ObjectSockets belongs to the host, one for each object that has accepted a
hibernatable socket or set an automatic response. While the object is in memory its code gets
handles of its instance; when it is evicted the ends stay, and the next frame makes a new instance,
whose handles are new ones over the same ends. A reset, a crash or the end of the host disconnects
them all.

Each socket is read by itself: a frame is delivered as an event of the object, and the next one of
that socket once the handler's synchronous part has run (durable-actors 6), so handlers of one
socket begin in the order of its frames, and sockets do not wait for each other. What the
automatic response answers is no event: it wakes nobody and waits for no gate.

A socket is listed until its close or error event was delivered, and is let go when that handler
has ended: where the handler did not close it, the peer sees a loss.

Nothing is durable. Used on the loop's thread; the methods that `ctx` has are for turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, assert_never

from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.runtime_errors import DurableObjectError, reset_error
from boomtown.actors.runtime.socket_ends import (
    ABNORMAL,
    LOST_REASON,
    CloseFrame,
    Frame,
    Loss,
    SocketEnd,
)
from boomtown.actors.runtime.web_sockets import (
    WebSocket,
    end_of,
    is_owned_by,
    revive,
    take_hibernatable,
)
from boomtown.clock import Clock, Timer
from boomtown.limits import RuntimeLimits


class SocketTarget(Protocol):
    """A live object, as far as its sockets need it (instance.py)."""

    gates: ObjectGates

    def invoke_function(self, function: Callable[[Any], Any]) -> tuple[bool, Any]:
        """Deliver `function(instance)` as an event."""
        ...

    def reset(self, reason: Exception) -> None:
        """Break the object."""
        ...


Wake = Callable[[], SocketTarget]  # the object's instance, made where there is none


class _Socket:
    """One hibernatable socket."""

    __slots__ = ("auto_response_at_ms", "end", "handle", "is_dispatching", "tags")

    def __init__(self, end: SocketEnd, tags: tuple[str, ...]) -> None:
        self.end = end
        self.tags = tags
        self.handle: WebSocket | None = None  # of the instance that asked last
        self.is_dispatching = False
        self.auto_response_at_ms: int | None = None


class ObjectSockets:
    """The hibernatable sockets of one object."""

    def __init__(self, key: ObjectKey, *, wake: Wake, clock: Clock, limits: RuntimeLimits) -> None:
        self._key = key
        self._wake = wake
        self._clock = clock
        self._limits = limits
        self._sockets: dict[SocketEnd, _Socket] = {}  # in the order of their acceptance
        self._ending: dict[SocketEnd, None] = {}  # not listed; a handler may still close them
        self._auto_response: tuple[str, str] | None = None
        self._event_timeout_ms: int | None = None

    def __len__(self) -> int:
        return len(self._sockets)

    # What `ctx` is asked, in a turn of `gates`.

    def accept(self, gates: ObjectGates, web_socket: WebSocket, tags: Sequence[str]) -> None:
        """Take a socket (DurableObjectState.accept_web_socket)."""
        gates.check_turn("ctx.accept_web_socket")
        kept = _checked_tags(tags, self._limits)
        if len(self._sockets) >= self._limits.sockets_per_object_max:
            raise ValueError(f"an object has at most {self._limits.sockets_per_object_max} sockets")
        take_hibernatable(web_socket, gates)
        end = end_of(web_socket)
        socket = self._sockets[end] = _Socket(end, kept)
        socket.handle = web_socket
        end.on_arrival = lambda: self._pump(socket)

    def list_web_sockets(self, gates: ObjectGates, tag: str | None) -> list[WebSocket]:
        """Handles for this instance: the newest first, or with a tag the oldest."""
        gates.check_turn("ctx.get_web_sockets")
        sockets = list(self._sockets.values())
        if tag is None:
            sockets.reverse()
        return [
            self._handle(socket, gates) for socket in sockets if tag is None or tag in socket.tags
        ]

    def get_tags(self, gates: ObjectGates, web_socket: WebSocket) -> list[str]:
        """The tags that a socket was accepted with."""
        gates.check_turn("ctx.get_tags")
        return list(self._get(web_socket).tags)

    def set_auto_response(self, gates: ObjectGates, request: str | None, response: str) -> None:
        """Answer messages that equal `request`, or (None) none."""
        gates.check_turn("ctx.set_web_socket_auto_response")
        if request is None:
            self._auto_response = None
            return
        bytes_max = self._limits.socket_auto_response_bytes_max
        for text in (request, response):
            if len(text.encode()) > bytes_max:
                raise ValueError(f"an automatic response has at most {bytes_max} bytes")
        self._auto_response = (request, response)

    def get_auto_response(self, gates: ObjectGates) -> tuple[str, str] | None:
        """What is answered automatically, and with what."""
        gates.check_turn("ctx.get_web_socket_auto_response")
        return self._auto_response

    def find_auto_response_at_ms(self, gates: ObjectGates, web_socket: WebSocket) -> int | None:
        """When a socket was last answered automatically."""
        gates.check_turn("ctx.get_web_socket_auto_response_timestamp")
        return self._get(web_socket).auto_response_at_ms

    def set_event_timeout(self, gates: ObjectGates, timeout_ms: int | None) -> None:
        """Bound the handlers of events; 0 and None lift the bound."""
        gates.check_turn("ctx.set_hibernatable_web_socket_event_timeout")
        if timeout_ms is not None:
            most_ms = self._limits.socket_event_timeout_ms_max
            if not 0 <= timeout_ms <= most_ms:
                raise ValueError(f"the timeout of an event is between 0 and {most_ms} ms")
        self._event_timeout_ms = timeout_ms or None

    def get_event_timeout(self, gates: ObjectGates) -> int | None:
        """The bound in milliseconds."""
        gates.check_turn("ctx.get_hibernatable_web_socket_event_timeout")
        return self._event_timeout_ms

    def _get(self, web_socket: WebSocket) -> _Socket:
        socket = self._sockets.get(end_of(web_socket))
        if socket is None:
            raise RuntimeError("the socket was not accepted with ctx.accept_web_socket, or is gone")
        return socket

    def _handle(self, socket: _Socket, gates: ObjectGates) -> WebSocket:
        if socket.handle is None or not is_owned_by(socket.handle, gates):
            socket.handle = revive(socket.end, gates)
        return socket.handle

    # Frames.

    def _pump(self, socket: _Socket) -> None:
        """Deliver what has arrived, one frame at a time."""
        while not socket.is_dispatching and (frame := socket.end.take()) is not None:
            if not self._answers(socket, frame):
                socket.is_dispatching = True
                self._dispatch(socket, frame)

    def _answers(self, socket: _Socket, frame: Frame) -> bool:
        pair = self._auto_response
        if pair is None or frame != pair[0] or socket.end.has_sent_close:
            return False
        socket.auto_response_at_ms = self._clock.now_ms()
        socket.end.send_now(pair[1])
        return True

    def _dispatch(self, socket: _Socket, frame: Frame) -> None:
        timer: Timer | None = None
        try:
            target = self._wake()
            timer = self._watch(target)
            is_done, outcome = target.invoke_function(
                lambda instance: self._handle_frame(instance, target.gates, socket, frame)
            )
        except Exception as error:
            self._handled(socket, frame, timer, error)
            return
        if is_done:
            self._handled(socket, frame, timer, None)
            return

        def settled(reply: asyncio.Future[Any]) -> None:
            self._handled(socket, frame, timer, reply.exception())

        outcome.add_done_callback(settled)

    def _watch(self, target: SocketTarget) -> Timer | None:
        if self._event_timeout_ms is None:
            return None

        def strike() -> None:
            target.reset(
                reset_error(
                    "A WebSocket event exceeded its event execution time; the object was reset",
                    retryable=True,
                )
            )

        return self._clock.call_at_ms(self._clock.now_ms() + self._event_timeout_ms, strike)

    def _handle_frame(
        self, instance: object, gates: ObjectGates, socket: _Socket, frame: Frame
    ) -> Any:
        """In the object's turn: call the handler, and go on once its synchronous part has run."""
        gates.hook.call_soon(self._has_begun, socket, frame)
        web_socket = self._handle(socket, gates)
        name, args = _event_of(frame)
        handler = getattr(instance, name, None)
        return None if handler is None else handler(web_socket, *args)

    def _has_begun(self, socket: _Socket, frame: Frame) -> None:
        if not isinstance(frame, str | bytes):
            if self._sockets.pop(socket.end, None) is not None:
                self._ending[socket.end] = None
            return  # nothing comes after it
        socket.is_dispatching = False
        self._pump(socket)

    def _handled(
        self, socket: _Socket, frame: Frame, timer: Timer | None, error: BaseException | None
    ) -> None:
        if timer is not None:
            timer.cancel()
        could_not_begin = isinstance(error, DurableObjectError) and not error.remote
        if could_not_begin or not isinstance(frame, str | bytes):
            self._sockets.pop(socket.end, None)
            if not socket.end.has_sent_close:
                socket.end.disconnect()
            self._ending.pop(socket.end, None)
        if error is not None and not could_not_begin:
            asyncio.get_running_loop().call_exception_handler(
                {
                    "message": f"A WebSocket handler of {self._key.class_name} failed",
                    "exception": error,
                }
            )

    # The end.

    def disconnect_all(self) -> None:
        """The object was reset, or its host ends: every peer sees a loss."""
        ends = [*self._sockets, *self._ending]
        self._sockets.clear()
        self._ending.clear()
        for end in ends:
            end.on_arrival = None
            end.disconnect()


def _event_of(frame: Frame) -> tuple[str, tuple[Any, ...]]:
    """The handler for a frame, and what it is told beside the socket."""
    match frame:
        case str() | bytes():
            return "web_socket_message", (frame,)
        case CloseFrame():
            return "web_socket_close", (frame.code, frame.reason, True)
        case Loss():
            if frame.error is None:
                return "web_socket_close", (ABNORMAL, LOST_REASON, False)
            return "web_socket_error", (frame.error,)
        case _:
            assert_never(frame)


class HostSockets:
    """The hibernatable sockets of one host, by object."""

    def __init__(
        self,
        wake: Callable[[ObjectKey, str | None], SocketTarget],
        *,
        clock: Clock,
        limits: RuntimeLimits,
    ) -> None:
        self._wake = wake
        self._clock = clock
        self._limits = limits
        self._of_object: dict[ObjectKey, ObjectSockets] = {}

    def get(self, key: ObjectKey, name: str | None) -> ObjectSockets:
        """Those of an object, which may be none yet."""
        sockets = self._of_object.get(key)
        if sockets is None:
            sockets = self._of_object[key] = ObjectSockets(
                key, wake=lambda: self._wake(key, name), clock=self._clock, limits=self._limits
            )
        return sockets

    def count(self, key: ObjectKey) -> int:
        """How many sockets an object has."""
        return len(self._of_object.get(key, ()))

    def hibernate(self, key: ObjectKey) -> None:
        """The object's instance is evicted: without sockets, its settings go with it."""
        if key in self._of_object and self.count(key) == 0:
            del self._of_object[key]

    def disconnect(self, key: ObjectKey) -> None:
        """The object was reset, or is evicted with its sockets."""
        sockets = self._of_object.pop(key, None)
        if sockets is not None:
            sockets.disconnect_all()

    def disconnect_all(self) -> None:
        """The host ends."""
        for key in list(self._of_object):
            self.disconnect(key)


def _checked_tags(tags: Sequence[str], limits: RuntimeLimits) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(tags))
    if len(kept) > limits.socket_tags_max:
        raise ValueError(f"a socket has at most {limits.socket_tags_max} tags")
    for tag in kept:
        if len(tag) > limits.socket_tag_characters_max:
            raise ValueError(f"a tag has at most {limits.socket_tag_characters_max} characters")
    return kept
