"""What is read without aiohttp's parser, and what is left to it."""

from __future__ import annotations

import pytest

from boomtown.http.plain_requests import PlainRequests

LINE = b"GET /actors/Counter/a-1/x/y?z=%20 HTTP/1.1\r\n"
HOST = b"Host: localhost:8787\r\n"


def test_a_plain_request_is_read_whole() -> None:
    requests = PlainRequests(body_bytes_max=100)
    sent = LINE.replace(b"GET", b"PUT") + HOST + b"X-Mine: \t a  b \r\nContent-Length: 4\r\n"
    sent += b"Authorization: Bearer abc\r\nConnection: keep-alive\r\n\r\n\r\n\r\n"
    for _ in range(2):  # the headers are remembered
        found = requests.find(sent)
        assert found is not None
        assert (found.method, found.class_name, found.name) == ("PUT", "Counter", "a-1")
        assert (found.rest, found.body) == ("x/y?z=%20", b"\r\n\r\n")
        assert found.headers.credential == "abc"
        assert found.headers.kept == [("Host", "localhost:8787"), ("X-Mine", "a  b")]


@pytest.mark.parametrize(
    "sent",
    [
        LINE + b"\r\n",
        LINE + HOST,
        LINE + HOST + HOST + b"\r\n",
        LINE + HOST + b"\r\n" + LINE + HOST + b"\r\n",
        LINE + HOST + b"Content-Length: 5\r\n\r\nfour",
        LINE + HOST + b"Content-Length: 3\r\n\r\nfour",
        LINE + HOST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfour",
        LINE + HOST + b"Content-Length: +4\r\n\r\nfour",
        LINE + HOST + b"Content-Length: 200\r\n\r\n" + b"x" * 200,
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
        LINE + HOST + b"Expect: 100-continue\r\n\r\n",
        LINE + HOST + b"Upgrade: websocket\r\n\r\n",
        LINE + HOST + b"Connection: close\r\n\r\n",
        LINE + HOST + b"Origin: http://localhost\r\n\r\n",
        LINE + HOST + b"Content-Encoding: gzip\r\n\r\n",
        LINE + HOST + b"X : spaced\r\n\r\n",
        LINE + HOST + b" folded\r\n\r\n",
        LINE + HOST + b"X: nul\x00\r\n\r\n",
        LINE + HOST + b"X: \xe4\r\n\r\n",
        LINE + HOST + b"X: bare\nY: line\r\n\r\n",
        LINE + HOST + b"Authorization: Basic abc\r\n\r\n",
        LINE + HOST + b"Authorization: Bearer a\r\nX-Api-Key: b\r\n\r\n",
        LINE + HOST + b"X: " + b"x" * 5_000 + b"\r\n\r\n",
        LINE.replace(b"1.1", b"1.0") + HOST + b"\r\n",
        LINE.replace(b"GET", b"HEAD") + HOST + b"\r\n",
        LINE.replace(b"a-1", b"a%201") + HOST + b"\r\n",
        LINE.replace(b"/x/y", b"/x y") + HOST + b"\r\n",
        LINE.replace(b"/x/y", b"/x#y") + HOST + b"\r\n",
        LINE.replace(b"/x/y?z=%20", b"") + HOST + b"\r\n",
        LINE.replace(b"actors", b"api") + HOST + b"\r\n",
        b"",
    ],
)
def test_anything_else_is_left_to_aiohttp(sent: bytes) -> None:
    assert PlainRequests(body_bytes_max=100).find(sent) is None
