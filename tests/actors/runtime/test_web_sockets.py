"""WebSockets in an object's turns: gates, order, limits, ordinary ends, and what ends them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import (
    CloseEvent,
    DurableObject,
    DurableObjectError,
    ReadyState,
    RemoteError,
    Request,
    Response,
    WebSocket,
    WebSocketPair,
)
from boomtown.actors.runtime.web_sockets import fail, wait_room
from boomtown.limits import RuntimeLimits
from boomtown.testing.manual_clock import run_passes
from support.memory_backend import MemoryBackend
from support.socket_world import UPGRADE, SocketWorld, read_messages


class Echo(DurableObject):
    """Reads an ordinary end in a task of its own."""

    async def fetch(self, request: Request) -> Response:
        client, server = WebSocketPair()
        if request.path == "/forgotten":
            self.ctx.accept_web_socket(server)
            return Response("no socket")
        if request.path == "/twice":
            server.accept()
            self.ctx.accept_web_socket(server)
        if request.path == "/late":
            client.accept()
            self.ctx.accept_web_socket(server)
        if request.path == "/unaccepted":
            server.send("too early")
        server.accept()
        self.ctx.wait_until(self._echo(server))
        return Response(status=101, web_socket=client)

    async def _echo(self, ws: WebSocket) -> None:
        async for message in ws:
            ws.send(f"echo {message!r}")
        self.env.LOG.append(ws.close_event)

    async def abort(self) -> None:
        self.ctx.abort("no more")

    async def talk_to_room(self, text: str) -> str | bytes | None:
        """Be the client of another object."""
        room = self.env.ROOM.get_by_name("a")
        response: Response = await room.fetch("http://room/", headers=UPGRADE)
        ws = response.web_socket
        assert ws is not None
        ws.accept()
        ws.send(text)
        answer = await ws.receive()
        ws.close(1000, "thanks")
        return answer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SocketWorld]:
    world = SocketWorld(tmp_path, classes={"Echo": Echo})
    async with world.host:
        yield world


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[tuple[SocketWorld, MemoryBackend]]:
    """A world whose commits are durable when the test says."""
    backend = MemoryBackend()
    world = SocketWorld(tmp_path, backend=backend)
    async with world.host:
        yield world, backend


async def test_sends_of_a_failed_commit_never_leave(
    held: tuple[SocketWorld, MemoryBackend],
) -> None:
    world, backend = held
    ws = await world.connect()
    backend.is_held = True
    ws.send("put")
    await world.until(lambda: backend.commits)
    backend.commits[0].reject(OSError("no disk"))
    assert await ws.receive() is None
    assert ws.close_event is not None
    assert not ws.close_event.was_clean


async def test_a_close_whose_commit_fails_is_a_loss(
    held: tuple[SocketWorld, MemoryBackend],
) -> None:
    world, backend = held
    ws, other = await world.connect(), await world.connect()
    backend.is_held = True
    other.send("put")
    await world.until(lambda: backend.commits)
    ws.close(1000, "done")
    await world.until(lambda: len(world.heard()) == 2)
    backend.commits[0].reject(OSError("no disk"))
    assert await ws.receive() is None
    assert ws.close_event is not None
    assert not ws.close_event.was_clean


async def test_an_event_without_a_handler_is_dropped_and_its_socket_let_go(
    tmp_path: Path,
) -> None:
    class Deaf(DurableObject):
        async def fetch(self, request: Request) -> Response:
            client, server = WebSocketPair()
            self.ctx.accept_web_socket(server)
            return Response(status=101, web_socket=client)

    world = SocketWorld(tmp_path, classes={"Deaf": Deaf})
    async with world.host:
        ws = await world.connect(stub=world.host.namespace("Deaf").get_by_name("d"))
        ws.send("hello?")
        await run_passes()
        assert ws.ready_state is ReadyState.OPEN
        ws.close(1000)
        assert await ws.receive() is None
        assert ws.close_event is not None
        assert ws.close_event.code == 1006


async def test_the_next_message_follows_the_synchronous_part_of_the_handler(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    for text in ("wait", "one", "release"):
        ws.send(text)
    await world.until(lambda: "waited" in world.log)
    assert world.heard() == ["wait", "one", "release", "waited"]


async def test_a_handler_that_raises_is_logged_and_the_socket_stays(world: SocketWorld) -> None:
    logged: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: logged.append(f"{context['message']}: {context['exception']}")
    )
    ws = await world.connect()
    ws.send("raise")
    ws.send("still")
    assert await ws.receive() == "echo still"
    assert logged == ["A WebSocket handler of Room failed: no such thing"]


async def test_a_close_of_the_object_is_told_to_it_when_the_peer_answers(
    world: SocketWorld,
) -> None:
    ws = await world.connect()
    ws.send("close")
    assert await ws.receive() is None
    assert ws.close_event == CloseEvent(4001, "asked to", was_clean=True)
    assert ws.ready_state is ReadyState.CLOSED
    await world.until(lambda: len(world.heard()) == 2)
    assert world.heard() == ["close", ("close", 4001, "asked to", True)]


async def test_a_broken_protocol_comes_to_the_error_handler(world: SocketWorld) -> None:
    ws = await world.connect()
    fail(ws, "a frame of nonsense")
    await world.until(world.heard)
    assert world.heard() == [("error", "a frame of nonsense")]
    assert await world.room.count() == 0


async def test_a_handler_past_the_event_timeout_resets_the_object(world: SocketWorld) -> None:
    ws = await world.connect()
    await world.room.set_event_timeout(5_000)
    ws.send("wait")
    await world.until(world.heard)
    stub = world.room
    await stub.count()
    await world.clock.advance_ms(5_000)
    assert await ws.receive() is None
    with pytest.raises(DurableObjectError, match="event execution time") as raised:
        await stub.count()
    assert raised.value.retryable
    with pytest.raises(ValueError, match="between 0 and 604800000"):
        await world.room.set_event_timeout(604_800_001)


async def test_an_automatic_response_is_bounded(world: SocketWorld) -> None:
    with pytest.raises(ValueError, match="at most 2048 bytes"):
        await world.room.set_auto_response("é" * 1_025, "")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(999, None), (5000, None), (1005, None), (1006, ""), (None, "why"), (1000, "é" * 62)],
)
async def test_no_frame_has_such_a_close(
    world: SocketWorld, code: int | None, reason: str | None
) -> None:
    ws = await world.connect()
    with pytest.raises(TypeError):
        ws.close(code, reason)
    ws.close(1000, "é" * 61)
    ws.close(1001)
    with pytest.raises(TypeError, match="after close"):
        ws.send("too late")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/unaccepted", "TypeError"), ("/twice", "RuntimeError"), ("/late", "RuntimeError")],
)
async def test_an_end_is_accepted_once_and_before_it_is_used(
    world: SocketWorld, path: str, kind: str
) -> None:
    echo = world.host.namespace("Echo").get_by_name("e")
    with pytest.raises((TypeError, RuntimeError)) as raised:
        await echo.fetch(f"http://echo{path}", headers=UPGRADE)
    assert type(raised.value).__name__ == kind


async def test_an_ordinary_end_is_read_by_iteration_and_keeps_its_object_in_memory(
    world: SocketWorld,
) -> None:
    echo = world.host.namespace("Echo").get_by_name("e")
    ws = await world.connect(stub=echo)
    await world.clock.advance_ms(60_000)
    ws.send("hi")
    assert await ws.receive() == "echo 'hi'"
    ws.close(1000, "done")
    assert await ws.receive() is None
    assert ws.close_event == CloseEvent(1000, "done", was_clean=True)
    assert world.log == [CloseEvent(1000, "done", was_clean=True)]
    await world.hibernate()


async def test_an_ordinary_end_dies_with_its_object(world: SocketWorld) -> None:
    echo = world.host.namespace("Echo").get_by_name("e")
    ws = await world.connect(stub=echo)
    with pytest.raises(DurableObjectError, match="no more"):
        await echo.abort()
    assert await ws.receive() is None
    assert ws.ready_state is ReadyState.CLOSED
    ws.send("into the void")


async def test_an_object_is_the_client_of_another_object(world: SocketWorld) -> None:
    echo = world.host.namespace("Echo").get_by_name("e")
    assert await echo.talk_to_room("hello") == "echo hello"
    await world.until(lambda: len(world.heard()) == 2)
    assert world.heard() == ["hello", ("close", 1000, "thanks", True)]


async def test_an_end_that_nobody_took_ends_its_connection(world: SocketWorld) -> None:
    response = await world.room.fetch("http://room/", headers=UPGRADE)
    assert await world.room.count() == 1
    del response
    gc.collect()
    await world.until(world.heard)
    assert world.heard()[0][1] == 1006
    assert await world.room.count() == 0


async def test_a_reader_that_is_too_slow_loses_its_connection(tmp_path: Path) -> None:
    limits = RuntimeLimits(socket_queue_messages_max=4)
    world = SocketWorld(tmp_path, limits=limits)
    async with world.host:
        slow, quick = await world.connect(), await world.connect()
        for number in range(5):
            await world.room.broadcast(str(number))
            assert await quick.receive() == str(number)
        await world.until(world.heard)
        assert world.heard() == [("error", "the connection's queue is full")]
        received: list[str | bytes | None] = []
        await read_messages(slow, 5, received)
        assert received == ["0", "1", "2", "3", None]


async def test_a_sender_that_can_wait_finds_room(tmp_path: Path) -> None:
    world = SocketWorld(tmp_path, limits=RuntimeLimits(socket_queue_messages_max=4))
    async with world.host:
        ws = await world.connect()
        for number in range(40):
            await wait_room(ws)
            ws.send(str(number))
            assert await ws.receive() == f"echo {number}"


async def test_messages_to_a_busy_object_wait_in_the_sockets_bounded_queue(
    tmp_path: Path,
) -> None:
    world = SocketWorld(tmp_path, limits=RuntimeLimits(socket_queue_messages_max=4))
    async with world.host:
        ws = await world.connect()
        ws.send("block")
        for number in range(4):
            ws.send(str(number))
        room = asyncio.ensure_future(wait_room(ws))
        await run_passes()
        assert not room.done()
        world.hold.set()
        await room
        received: list[str | bytes | None] = []
        await read_messages(ws, 4, received)
        assert received == [f"echo {number}" for number in range(4)]


async def test_a_response_of_101_has_a_socket_and_no_other_has() -> None:
    pair = WebSocketPair()
    with pytest.raises(ValueError, match="101"):
        Response(status=101)
    with pytest.raises(ValueError, match="101"):
        Response(status=200, web_socket=pair.client)


async def test_a_closing_host_disconnects_every_socket(tmp_path: Path) -> None:
    world = SocketWorld(tmp_path)
    async with world.host:
        awake, asleep = await world.connect(), await world.connect()
        await world.hibernate()
    for ws in (awake, asleep):
        assert await ws.receive() is None
    assert world.heard() == []


async def test_handlers_are_no_methods_of_stubs(world: SocketWorld) -> None:
    with pytest.raises(TypeError, match="is a handler"):
        await world.room.web_socket_message("ws", "x")
    with pytest.raises((TypeError, RemoteError)):
        await world.room.attach(object())
