"""Sockets of the network, joined to hibernatable ends of objects on a real host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType

from boomtown.actors import DurableObject, Request, Response, WebSocketPair
from boomtown.limits import HttpLimits
from support.front_world import SETTINGS, FrontWorld, open_front
from support.socket_world import SocketWorld

OPEN = msgspec.structs.replace(SETTINGS, no_auth=True, public_classes=("Room", "Odd"))
LOST = ("close", 1006, "WebSocket disconnected without sending Close frame.", False)


class Odd(DurableObject):
    """Answers otherwise than it was asked."""

    async def fetch(self, request: Request) -> Response:
        if request.path == "/refuse":
            return Response("no", status=426)
        client, server = WebSocketPair()
        self.ctx.accept_web_socket(server)
        self.env.LOG.append(request.headers.find("upgrade"))
        if request.path == "/protocol":
            headers = {"Sec-WebSocket-Protocol": "chat.v2", "X-Room": "blue"}
            return Response(status=101, headers=headers, web_socket=client)
        return Response(status=101, web_socket=client)


class World:
    """A front over a real host, and clients of it."""

    def __init__(self, sockets: SocketWorld, front: FrontWorld) -> None:
        self.sockets = sockets
        self.front = front

    async def connect(self, path: str = "/actors/Room/a/x", **options: object) -> Client:
        url = self.front.origin + path
        return await self.front.http.ws_connect(url, autoclose=False, **options)  # type: ignore[arg-type]


Client = aiohttp.ClientWebSocketResponse[bool]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    sockets = SocketWorld(tmp_path, classes={"Odd": Odd})
    async with (
        sockets.host,
        open_front(host=sockets.host, clock=sockets.clock, settings=OPEN) as front,
    ):
        yield World(sockets, front)


async def test_messages_go_both_ways_and_wake_an_object_that_sleeps(world: World) -> None:
    client = await world.connect()
    await client.send_str("hi")
    assert await client.receive_str() == "echo hi"
    await client.send_bytes(b"\x01\x02")
    assert await client.receive_bytes() == b"\x02\x01"
    await world.sockets.hibernate()
    await client.send_str("wake up")
    assert await client.receive_str() == "echo wake up"
    assert world.sockets.made() == [0, 1]


async def test_a_clients_close_is_answered_with_the_handlers_code(world: World) -> None:
    client = await world.connect()
    await client.close(code=1000, message=b"done")
    assert client.close_code == 4000
    assert world.sockets.heard() == [("close", 1000, "done", True)]


async def test_a_close_without_a_code_is_1005(world: World) -> None:
    client = await world.connect()
    await client._writer.send_frame(b"", WSMsgType.CLOSE)  # pyright: ignore[reportPrivateUsage]
    message = await client.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4000, "bye")
    assert world.sockets.heard() == [("close", 1005, "", True)]


async def test_an_objects_close_reaches_the_client_and_its_answer_the_object(
    world: World,
) -> None:
    client = await world.connect()
    await client.send_str("close")
    message = await client.receive()
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "asked to")
    await client.close(code=4001)
    await world.sockets.until(lambda: len(world.sockets.heard()) == 2)
    assert world.sockets.heard() == ["close", ("close", 4001, "", True)]


async def test_a_connection_that_breaks_is_1006(world: World) -> None:
    client = await world.connect()
    client._response.connection.transport.abort()  # type: ignore[union-attr]  # pyright: ignore
    await world.sockets.until(world.sockets.heard)
    assert world.sockets.heard() == [LOST]
    assert await world.sockets.room.count() == 0


async def test_a_reset_object_hangs_up_without_a_close_frame(world: World) -> None:
    client = await world.connect()
    await world.sockets.host.abort("Room", str(world.sockets.room.id), "no more")
    message = await client.receive()
    assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)


async def test_a_client_that_breaks_the_protocol_comes_to_the_error_handler(world: World) -> None:
    client = await world.connect()
    await client._writer.send_frame(b"\xff\xfe", WSMsgType.TEXT)  # pyright: ignore
    await world.sockets.until(world.sockets.heard)
    ((kind, text),) = world.sockets.heard()
    assert kind == "error"
    assert "UTF-8" in text


async def test_a_client_that_never_answers_a_close_is_left(world: World) -> None:
    client = await world.connect()
    await client.send_str("close")
    assert (await client.receive()).type is WSMsgType.CLOSE
    await world.sockets.clock.advance_ms(HttpLimits().socket_close_ms_max)
    await world.sockets.until(lambda: len(world.sockets.heard()) == 2)
    assert world.sockets.heard()[1] == LOST
    await client.close()


async def test_the_object_chooses_protocol_and_headers(world: World) -> None:
    client = await world.connect("/actors/Odd/a/protocol", protocols=("chat.v1", "chat.v2"))
    assert client.protocol == "chat.v2"
    assert client._response.headers["X-Room"] == "blue"  # pyright: ignore[reportPrivateUsage]
    assert world.sockets.log == ["websocket"]


async def test_an_object_may_refuse_the_upgrade(world: World) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await world.connect("/actors/Odd/a/refuse")
    assert raised.value.status == 426


async def test_a_socket_that_nobody_asked_for_is_the_objects_fault(world: World) -> None:
    reply = await world.front.call("GET", "/actors/Odd/a/socket")
    assert (reply.status, reply.code) == (500, "INTERNAL_ERROR")
    assert world.sockets.log == [None]


async def test_a_server_that_ends_says_so(tmp_path: Path) -> None:
    sockets = SocketWorld(tmp_path)
    async with aiohttp.ClientSession() as http, sockets.host:
        async with open_front(host=sockets.host, settings=OPEN) as front:
            client = await http.ws_connect(f"{front.origin}/actors/Room/a/x")
            ending = asyncio.ensure_future(client.receive())
        message = await ending
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)


async def test_sockets_need_a_key_like_any_other_call() -> None:
    settings = msgspec.structs.replace(SETTINGS, public_classes=("Room",))
    async with open_front(settings=settings) as front:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await front.http.ws_connect(f"{front.origin}/actors/Room/a/x")
        assert raised.value.status == 401
