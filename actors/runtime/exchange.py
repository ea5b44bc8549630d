"""Requests and responses of `fetch`, small and of our own: no web framework's types.

Bodies are bytes, or an async iterator of bytes that can be read once. A body that an object
streams is read through the object's gate (instance.py). A response of status 101 carries one end
of a WebSocket pair.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from boomtown.actors.runtime.web_sockets import WebSocket
from boomtown.wire import decode_json, decode_json_as, encode_json

T = TypeVar("T")
SWITCHING_PROTOCOLS = 101
Body = bytes | AsyncIterator[bytes]


class Headers:
    """A multidict whose names ignore case; order and spelling are kept."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Headers | Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        source: Any = pairs
        if type(pairs) is Headers:
            source = pairs._pairs
        # Asked last: an abstract class takes longer to ask than all of the rest.
        elif type(pairs) is not tuple and isinstance(pairs, Mapping):
            source = cast("Mapping[str, str]", pairs).items()
        self._pairs: list[tuple[str, str]] = list(source)

    @staticmethod
    def of_pairs(pairs: list[tuple[str, str]]) -> Headers:
        """What the constructor makes of a list, without asking what it is."""
        headers = Headers.__new__(Headers)
        headers._pairs = pairs.copy()
        return headers

    def copy(self) -> Headers:
        """The same pairs, to be changed by themselves."""
        return Headers.of_pairs(self._pairs)

    def find(self, name: str) -> str | None:
        """The values of `name`, joined by commas; None where there is none."""
        values = self.get_all(name)
        return ", ".join(values) if values else None

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order; an empty list where there is none."""
        wanted = name.lower()
        return [value for key, value in self._pairs if key.lower() == wanted]

    def set(self, name: str, value: str) -> None:
        """Replace every value of `name`; it then comes last."""
        self.remove(name)
        self._pairs.append((name, value))

    def append(self, name: str, value: str) -> None:
        """Add a value beside those that `name` has, behind all others."""
        self._pairs.append((name, value))

    def remove(self, name: str) -> None:
        """Drop every value of `name`; harmless where there is none."""
        wanted = name.lower()
        self._pairs = [pair for pair in self._pairs if pair[0].lower() != wanted]

    def __getitem__(self, name: str) -> str:
        value = self.find(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: str) -> bool:
        return bool(self.get_all(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"


HeaderSource = Headers | Mapping[str, str] | Iterable[tuple[str, str]]


class _Message:
    """What requests and responses share: headers and a body."""

    __slots__ = ("body", "headers")

    def __init__(self, headers: HeaderSource | None, body: Body | str) -> None:
        self.headers: Headers = Headers() if headers is None else Headers(headers)
        self.body: Body = body.encode() if isinstance(body, str) else body

    async def bytes(self) -> bytes:
        """The whole body; a streamed one is kept for the next call."""
        if not isinstance(self.body, bytes):
            self.body = b"".join([part async for part in self.body])
        return self.body

    async def text(self) -> str:
        """The whole body as UTF-8; raises UnicodeDecodeError where it is none."""
        return (await self.bytes()).decode()

    async def json_as(self, shape: type[T]) -> T:
        """The whole body as JSON of `shape`; raises msgspec.ValidationError."""
        return decode_json_as(await self.bytes(), shape)


class Request(_Message):
    """One HTTP request to an object, or by one. The method is in upper case; `body` is bytes, or
    parts of it that can be read once, by the methods here or by iteration."""

    __slots__ = ("method", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: HeaderSource | None = None,
        body: Body | str = b"",
    ) -> None:
        super().__init__(headers, body)
        self.url: str = url
        self.method: str = method.upper()

    @staticmethod
    def of_parts(method: str, url: str, pairs: list[tuple[str, str]], body: bytes) -> Request:
        """What the constructor makes of a method in upper case and a list of pairs, which is
        copied; for servers, at half of the price."""
        request = Request.__new__(Request)
        request.method = method
        request.url = url
        request.headers = Headers.of_pairs(pairs)
        request.body = body
        return request

    async def json(self) -> Any:
        """The whole body as untyped JSON; raises msgspec.DecodeError."""
        return decode_json(await self.bytes())

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket: then a status of 101 may answer it."""
        return (self.headers.find("upgrade") or "").lower() == "websocket"

    @property
    def path(self) -> str:
        """The path of the URL, "/" where it has none."""
        return urlsplit(self.url).path or "/"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


class Response(_Message):
    """What answers a request. A body of parts is read when the answer is on its way, in turns of
    the object that gave it; a WebSocket goes with status 101."""

    __slots__ = ("status", "web_socket")

    def __init__(
        self,
        body: Body | str = b"",
        status: int = 200,
        headers: HeaderSource | None = None,
        web_socket: WebSocket | None = None,
    ) -> None:
        """ValueError for a status of 101 without a WebSocket, and the other way round."""
        super().__init__(headers, body)
        if (status == SWITCHING_PROTOCOLS) != (web_socket is not None):
            raise ValueError("status 101 goes with a web_socket, and no other status does")
        self.status: int = status
        self.web_socket: WebSocket | None = web_socket

    def copy_with(self, body: Body, web_socket: WebSocket | None) -> Response:
        """A copy with another body and socket; for the runtime, on an answer's way out."""
        response = Response.__new__(Response)
        # Its object may have put anything there.
        own = self.headers if type(self.headers) is Headers else Headers(self.headers)
        response.headers = own.copy()
        response.body = body
        response.status = self.status
        response.web_socket = web_socket
        return response

    @staticmethod
    def json(value: object, *, status: int = 200, headers: HeaderSource | None = None) -> Response:
        """A response with `value` as its JSON body and type, unless `headers` name another. Raises
        TypeError for what JSON cannot say. To read one: `json_as`."""
        response = Response(encode_json(value), status=status, headers=headers)
        if "content-type" not in response.headers:
            response.headers.set("content-type", "application/json")
        return response

    def __repr__(self) -> str:
        return f"<Response {self.status}>"
