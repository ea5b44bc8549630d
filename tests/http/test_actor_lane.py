"""Each request for an object, both ways: what the lane answers is what the long way answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boomtown.actors import Durability, DurableObject, Host, Request, Response, WebSocketPair
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.http.services import FrontSettings
from boomtown.testing import ManualClock
from support.front_world import LOOPBACK, FrontWorld, open_front

LONG_WAY = "TE: trailers\r\n"  # no plain request has it, and no object sees it
OWN_OF_EACH = ("x-request-id", "date")


class Echo(DurableObject):
    """Answers in every way that an object can."""

    async def fetch(self, request: Request) -> Response:
        match request.path.split("/")[1]:
            case "echo":
                seen = [request.method, request.url, list(request.headers)]
                return Response.json([*seen, (await request.bytes()).decode()], status=207)
            case "count":
                count: int = (await self.ctx.storage.get("count") or 0) + 1
                await self.ctx.storage.put("count", count)
                return Response(str(count))
            case "later":
                await asyncio.sleep(0)
                return Response(b"later", headers={"X-Mine": "1", "Server": "own", "TE": "x"})
            case "stream":
                return Response(_parts(), headers={"Content-Type": "text/plain"})
            case "breaks":
                return Response(_broken_parts())
            case "empty":
                return Response(status=204)
            case "header":
                return Response("no", headers={"X-Bad": "a\r\nX-Injected: b"})
            case "socket":
                return Response(status=101, web_socket=WebSocketPair().client)
            case "fail":
                raise ValueError("a secret of the object")
            case _:
                self.ctx.abort("a reason")


async def _parts() -> AsyncIterator[bytes]:
    yield b"one "
    await asyncio.sleep(0)
    yield b""
    yield b"two"


async def _broken_parts() -> AsyncIterator[bytes]:
    yield b"one"
    raise ValueError("in the middle")


class Mute(DurableObject):
    """Has no fetch."""


class WatchedHost(Host):
    """Counts what came the short way."""

    begun = 0
    has_begun: asyncio.Event

    def begin_fetch(self, class_name: str, name: str, request: Request) -> Any:
        self.begun += 1
        self.has_begun.set()
        return super().begin_fetch(class_name, name, request)


class Answer(msgspec.Struct, frozen=True):
    """One response as it came."""

    status: str
    headers: dict[str, str]
    body: bytes

    def without_ids(self) -> tuple[str, dict[str, str], bytes]:
        """What two answers to the same request must have in common."""
        headers = {name: text for name, text in self.headers.items() if name not in OWN_OF_EACH}
        body = self.body.replace(self.headers["x-request-id"].encode(), b"ID")
        return self.status, headers, body


class Line:
    """A connection that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, text: str) -> Answer:
        """Send one request, and read its answer."""
        self.writer.write(text.encode())
        return await self.read()

    async def read(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)


class LaneWorld:
    """A front over a real host."""

    def __init__(self, host: WatchedHost, front: FrontWorld) -> None:
        self.host = host
        self.front = front
        self._lines: list[Line] = []

    async def connect(self) -> Line:
        line = Line(*await asyncio.open_connection(LOOPBACK, self.front.port))
        self._lines.append(line)
        return line

    async def close(self) -> None:
        for line in self._lines:
            line.writer.close()
            await line.writer.wait_closed()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LaneWorld]:
    clock = ManualClock()
    host = WatchedHost(
        classes={"Echo": Echo, "Mute": Mute},
        data_dir=tmp_path,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        durability=Durability.FULL,
    )
    host.has_begun = asyncio.Event()
    settings = FrontSettings(
        version="1",
        no_auth=True,
        allow_local_git=False,
        public_classes=("Echo", "Mute"),
        allowed_origins=(),
        templates={},
    )
    async with host, open_front(host=host, clock=clock, settings=settings) as front:
        made = LaneWorld(host, front)
        yield made
        await made.close()


def asked(path: str, *, method: str = "GET", headers: str = "", body: str = "") -> str:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n{headers}{length}\r\n{body}"


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/actors/Echo/a/echo/b%20c?x=1&y=%20", {}),
        ("/actors/Echo/a/echo", {"method": "PUT", "body": "text", "headers": "X-Mine:  1 \r\n"}),
        ("/actors/Echo/a/echo", {"headers": "Cookie: a=b\r\nCookie: c=d\r\nX-Empty:\r\n"}),
        ("/actors/Echo/a/later", {"method": "PATCH"}),
        ("/actors/Echo/a/stream", {}),
        ("/actors/Echo/a/empty", {"method": "DELETE"}),
        ("/actors/Echo/a/socket", {}),
        ("/actors/Echo/a/fail", {}),
        ("/actors/Echo/a/abort", {}),
        ("/actors/Mute/a/echo", {}),
    ],
    ids=[
        *("query", "body", "headers", "later", "stream", "empty", "socket"),
        *("fail", "abort", "no_fetch"),
    ],
)
async def test_the_lane_answers_as_the_long_way_does(
    world: LaneWorld, path: str, options: dict[str, str]
) -> None:
    line = await world.connect()
    short = await line.ask(asked(path, **options))
    again = await line.ask(asked(path, **options))
    assert world.host.begun == 2
    longer = {**options, "headers": options.get("headers", "") + LONG_WAY}
    long = await line.ask(asked(path, **longer))
    assert world.host.begun == 2
    assert short.without_ids() == again.without_ids() == long.without_ids()


async def test_a_header_with_the_end_of_a_line_never_leaves(world: LaneWorld) -> None:
    line = await world.connect()
    answer = await line.ask(asked("/actors/Echo/a/header"))
    assert " 500 " in answer.status
    assert "x-injected" not in answer.headers
    assert (await line.ask(asked("/actors/Echo/a/count"))).body == b"1"


async def test_what_was_written_is_durable_before_it_is_answered(world: LaneWorld) -> None:
    line = await world.connect()
    path = "/actors/Echo/counted/count"
    counts = [(await line.ask(asked(path))).body for _ in range(3)]
    assert counts == [b"1", b"2", b"3"]
    assert world.host.begun == 3


async def test_the_clients_request_id_comes_back_when_it_is_sane(world: LaneWorld) -> None:
    line = await world.connect()
    path = "/actors/Echo/a/echo"
    sane = await line.ask(asked(path, headers="X-Request-Id: mine-1\r\n"))
    odd = await line.ask(asked(path, headers="X-Request-Id: a b\r\n"))
    assert sane.headers["x-request-id"] == "mine-1"
    assert odd.headers["x-request-id"] != "a b"


async def test_requests_that_come_early_wait_for_the_one_under_way(world: LaneWorld) -> None:
    line = await world.connect()
    counted, echoed = asked("/actors/Echo/a/count"), asked("/actors/Echo/a/echo")
    line.writer.write(counted.encode())
    await world.host.has_begun.wait()
    line.writer.write((counted + echoed).encode())
    answers = [await line.read() for _ in range(3)]
    assert [answer.body[:1] for answer in answers] == [b"1", b"2", b"["]


@pytest.mark.parametrize("cut", [5, 60])
async def test_a_request_in_pieces_is_answered(world: LaneWorld, cut: int) -> None:
    line = await world.connect()
    text = asked("/actors/Echo/a/echo", method="POST", body="whole")
    line.writer.write(text[:cut].encode())
    await line.writer.drain()
    for _ in range(20):
        await asyncio.sleep(0)
    answer = await line.ask(text[cut:])
    assert msgspec.json.decode(answer.body)[3] == "whole"


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8787", 207), ("localhost", 207), ("evil.example", 403), ("127.0.0.1.evil", 403)],
)
async def test_without_keys_only_loopback_is_served(
    world: LaneWorld, host: str, status: int
) -> None:
    line = await world.connect()
    answer = await line.ask(f"GET /actors/Echo/a/echo HTTP/1.1\r\nHost: {host}\r\n\r\n")
    assert f" {status} " in answer.status


async def test_a_page_of_another_site_is_refused(world: LaneWorld) -> None:
    line = await world.connect()
    headers = "Origin: https://evil.example\r\n"
    answer = await line.ask(asked("/actors/Echo/a/echo", headers=headers))
    assert " 403 " in answer.status
    assert world.host.begun == 0


async def test_an_answer_that_breaks_off_ends_the_connection(world: LaneWorld) -> None:
    line = await world.connect()
    line.writer.write(asked("/actors/Echo/a/breaks").encode())
    received = await line.reader.read()
    assert b"3\r\none\r\n" in received
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_client_that_goes_away_leaves_the_work_alone(world: LaneWorld) -> None:
    line, other = await world.connect(), await world.connect()
    line.writer.write(asked("/actors/Echo/a/count").encode())
    await world.host.has_begun.wait()
    line.writer.close()
    assert (await other.ask(asked("/actors/Echo/a/count"))).body == b"2"


async def test_a_key_is_verified_once_and_then_goes_the_short_way() -> None:
    async with open_front() as front:
        key = front.operator_key()
        reader, writer = await asyncio.open_connection(LOOPBACK, front.port)
        line = Line(reader, writer)
        request = asked("/actors/Counter/a/x", headers=f"Authorization: Bearer {key}\r\n")
        answers = [await line.ask(request) for _ in range(3)]
        assert {answer.body for answer in answers} == {b"seen GET"}
        refused = await line.ask(asked("/actors/Counter/a/x"))
        reading = front.operator_key("read")
        writing = asked("/a", method="PUT", headers=f"X-Api-Key: {reading}\r\n")
        for _ in range(2):
            forbidden = await line.ask(writing.replace("/a ", "/actors/Counter/a/x "))
            assert " 403 " in forbidden.status
        assert " 401 " in refused.status
        assert len(front.fakes.counter.requests) == 3
        for seen in front.fakes.counter.requests:
            assert "Authorization" not in seen.headers
        writer.close()
        await writer.wait_closed()
