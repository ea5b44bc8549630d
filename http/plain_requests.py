"""Requests that are simple enough to be read without a general HTTP parser.

A request is *plain* when it came in one piece, asks for an object's path by one of the table's
methods in HTTP/1.1, and has no header that says anything about the connection, the encoding or the
origin. Everything else is None here, and aiohttp's to read: what is read here is what aiohttp
would have read, never more. Two requests in one piece, a missing or second Host, any byte that is
not visible ASCII, and a body that is not whole are all not plain.

Clients repeat their headers from request to request, so a block of headers is read once.
"""

from __future__ import annotations

import re

import msgspec

_LINE = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE) /actors/([A-Za-z0-9_]+)/([A-Za-z0-9._~@-]+)/"
    rb"([A-Za-z0-9._~!$&'()*+,;=:@/%-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/%?-]*)?) HTTP/1\.1\r\n"
)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e]*)")
_BEARER = re.compile(r"[Bb]earer ([!-~]+)")
_LENGTH = re.compile(r"[0-9]{1,9}")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
_HEAD_BYTES_MAX = 4_096  # longer ones have aiohttp's bounds and words
_BLOCKS_KEPT_MAX = 1_024
_END = b"\r\n\r\n"
# Each of them changes how the request is to be read or answered.
_NOT_PLAIN = frozenset(
    {
        "content-encoding",
        "expect",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_ONCE = frozenset({"authorization", "content-length", "host", "x-api-key", "x-request-id"})
# Of one connection only (RFC 9110 7.6.1), or ours: an object never sees the operator's key.
HEADERS_KEPT_BACK = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "x-api-key",
    }
)


class HeaderBlock(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of a plain request."""

    host: str
    body_bytes: int
    credential: str | None
    request_id: str | None  # as the client gave it
    kept: list[tuple[str, str]]  # what the object sees; never changed


class PlainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request for an object."""

    method: str
    class_name: str
    name: str
    rest: str  # the object's own part of the path, and the query
    headers: HeaderBlock
    body: bytes


class PlainRequests:
    """Reads requests, and remembers blocks of headers. Nothing in them is trusted."""

    def __init__(self, *, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._blocks: dict[bytes, HeaderBlock | None] = {}

    def find(self, data: bytes) -> PlainRequest | None:
        """The request that `data` is, from its first byte to its last."""
        line = _LINE.match(data)
        if line is None:
            return None
        end = data.find(_END, line.end() - 2)
        if not 0 <= end <= _HEAD_BYTES_MAX:
            return None
        raw_block = data[line.end() : end]
        try:
            block = self._blocks[raw_block]
        except KeyError:
            block = self._remember(raw_block)
        if block is None or len(data) - end - len(_END) != block.body_bytes:
            return None
        method, class_name, name, rest = line.groups()
        return PlainRequest(
            method=method.decode(),
            class_name=class_name.decode(),
            name=name.decode(),
            rest=rest.decode(),
            headers=block,
            body=data[end + len(_END) :],
        )

    def _remember(self, raw: bytes) -> HeaderBlock | None:
        block = read_headers(raw)
        if block is not None and block.body_bytes > self._body_bytes_max:
            block = None
        if len(self._blocks) >= _BLOCKS_KEPT_MAX:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[raw] = block
        return block


def read_headers(raw: bytes) -> HeaderBlock | None:
    """The lines between the request line and the empty one, where they are plain."""
    pairs: list[tuple[str, str]] = []
    for line in raw.decode("latin-1").split("\r\n"):
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        pairs.append((found[1], found[2].rstrip(" \t")))
    values: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        if lower in _NOT_PLAIN or (lower in _ONCE and lower in values):
            return None
        values[lower] = value
    length = values.get("content-length", "0")
    host = values.get("host", "")
    is_kept_alive = values.get("connection", "keep-alive").lower() == "keep-alive"
    if not (_LENGTH.fullmatch(length) and _HOST.fullmatch(host) and is_kept_alive):
        return None
    authorization, key = values.get("authorization"), values.get("x-api-key")
    credential = key
    if authorization is not None:
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None or key is not None:
            return None
        credential = bearer[1]
    return HeaderBlock(
        host=host,
        body_bytes=int(length),
        credential=credential,
        request_id=values.get("x-request-id"),
        kept=[(name, value) for name, value in pairs if name.lower() not in HEADERS_KEPT_BACK],
    )
