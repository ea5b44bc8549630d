"""What is no HTTP is answered in the envelope too, over a socket that sends what it likes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
import pytest

from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.ids import is_id
from support.front_world import FrontWorld, open_front

LINE = b"GET /health HTTP/1.1\r\nHost: x\r\n"
SECRET = b"top-secret"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"top-secret nonsense\r\n\r\n", "INVALID_HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03top-secret\r\n\r\n", "INVALID_HTTP"),
        (b"GET /top-secret HTTP/9.9.9\r\n\r\n", "INVALID_HTTP"),
        (b"G\x00T / HTTP/1.1\r\n\r\n", "INVALID_HTTP"),
        (b"GET http://[top-secret HTTP/1.1\r\nHost: x\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"top-secret\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"Content-Length: top-secret\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"X: top-secret\x00\r\n\r\n", "INVALID_HTTP"),
        (LINE + b"X-Long: top-secret" + b"x" * 20_000 + b"\r\n\r\n", "HEADERS_TOO_LARGE"),
        (LINE + b"n" * 20_000 + b": top-secret\r\n\r\n", "HEADERS_TOO_LARGE"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "HEADERS_TOO_LARGE"),
        (
            LINE + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"\r\n",
            "HEADERS_TOO_LARGE",
        ),
    ],
    ids=[
        *("words", "tls", "version", "method", "url", "no_colon", "length", "two_lengths"),
        *("length_and_chunks", "nul", "long_value", "long_name", "long_line", "many"),
    ],
)
async def test_what_is_no_http_is_answered_in_the_envelope(
    front: FrontWorld, caplog: pytest.LogCaptureFixture, sent: bytes, code: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await front.send_raw(sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    row = REGISTRY[ErrorCode(code)]
    assert int(lines[0].split()[1]) == row.status
    said = msgspec.json.decode(body)
    assert (said["success"], said["code"], said["kind"]) == (False, code, row.kind)
    assert (said["error"], said["details"]) == (row.message, {})
    assert said["requestId"] == headers["x-request-id"]
    assert is_id(said["requestId"])
    assert headers["content-type"].startswith("application/json")
    assert SECRET not in answer
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == [
        f"- - {row.status} 0 ms  {said['requestId']}"
    ]


async def test_a_connection_goes_on_after_good_requests_and_ends_after_a_bad_one(
    front: FrontWorld,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    for _ in range(2):
        writer.write(LINE + b"\r\n")
        answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 200 OK")
    writer.write(b"nonsense\r\n\r\n")
    last = await reader.read()
    assert last.count(b"HTTP/1.") == 1
    assert b" 400 Bad Request" in last
    writer.close()
    await writer.wait_closed()
