"""A host with a class of sockets, for tests of hibernation: what each handler heard is logged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from boomtown.actors import (
    DurableObject,
    DurableObjectState,
    DurableObjectStub,
    Env,
    Host,
    Request,
    Response,
    WebSocket,
    WebSocketPair,
)
from boomtown.actors.runtime.storage_backend import StorageBackend
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes

UPGRADE = {"Upgrade": "websocket"}


class Room(DurableObject):
    """Accepts hibernatable sockets; what a message asks for is in the message."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        if env.FAILS:
            raise ValueError(env.FAILS.pop())
        env.LOG.append(("made", len(ctx.get_web_sockets())))
        self.released = asyncio.Event()

    async def fetch(self, request: Request) -> Response:
        client, server = WebSocketPair()
        tags = request.headers.get_all("tag")
        self.ctx.accept_web_socket(server, tags)
        return Response(status=101, web_socket=client)

    async def web_socket_message(self, ws: WebSocket, message: str | bytes) -> None:
        self.env.LOG.append(message)
        match message:
            case bytes():
                ws.send(bytes(reversed(message)))
            case "wait":
                await self.released.wait()
                self.env.LOG.append("waited")
            case "release":
                self.released.set()
            case "raise":
                raise ValueError("no such thing")
            case "block":
                await self.ctx.block_concurrency_while(self.env.HOLD.wait)
            case "put":
                await self.ctx.storage.put("said", True)
                ws.send("put")
                ws.send("after")
            case "send":
                ws.send("sent")
            case "close":
                ws.close(4001, "asked to")
            case _:
                ws.send(f"echo {message}")

    async def web_socket_close(self, ws: WebSocket, code: int, reason: str, clean: bool) -> None:
        self.env.LOG.append(("close", code, reason, clean))
        if clean:
            ws.close(4000, "bye")

    async def web_socket_error(self, ws: WebSocket, error: str) -> None:
        self.env.LOG.append(("error", error))

    async def count(self, tag: str | None = None) -> int:
        return len(self.ctx.get_web_sockets(tag))

    async def broadcast(self, text: str, tag: str | None = None) -> list[list[str]]:
        """Send to all, in the order of their listing; answers their tags in that order."""
        sockets = self.ctx.get_web_sockets(tag)
        for ws in sockets:
            ws.send(text)
        return [self.ctx.get_tags(ws) for ws in sockets]

    async def set_auto_response(self, request: str | None = None, response: str = "") -> None:
        self.ctx.set_web_socket_auto_response(request, response)

    async def auto_response_times(self) -> list[int | None]:
        sockets = self.ctx.get_web_sockets()
        return [self.ctx.get_web_socket_auto_response_timestamp(ws) for ws in sockets]

    async def set_event_timeout(self, timeout_ms: int | None) -> None:
        self.ctx.set_hibernatable_web_socket_event_timeout(timeout_ms)

    async def attach(self, value: Any) -> None:
        self.ctx.get_web_sockets()[0].serialize_attachment(value)

    async def attached(self) -> Any:
        return self.ctx.get_web_sockets()[0].deserialize_attachment()

    async def abort(self, reason: str) -> None:
        self.ctx.abort(reason)


class SocketWorld:
    """One host with rooms."""

    def __init__(
        self,
        folder: Path,
        *,
        backend: StorageBackend | None = None,
        classes: dict[str, type[DurableObject]] | None = None,
        limits: RuntimeLimits | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.fails: list[str] = []
        self.hold = asyncio.Event()  # lets a blocked room go on
        self.host = Host(
            classes={"Room": Room, **(classes or {})},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            limits=limits,
            bindings={"LOG": self.log, "FAILS": self.fails, "HOLD": self.hold},
            backend=backend,
        )

    @property
    def room(self) -> DurableObjectStub:
        """A fresh stub of the one room."""
        return self.host.namespace("Room").get_by_name("a")

    async def connect(self, *tags: str, stub: DurableObjectStub | None = None) -> WebSocket:
        """A client's end, accepted by this test."""
        headers = [("Upgrade", "websocket"), *(("tag", tag) for tag in tags)]
        response = await (stub or self.room).fetch("http://room/", headers=headers)
        assert response.status == 101
        assert response.web_socket is not None
        response.web_socket.accept()
        return response.web_socket

    async def hibernate(self) -> None:
        """Let ten idle seconds pass; no object is left in memory."""
        await self.clock.advance_ms(12_000)
        await self.until(lambda: self.host.statistics().live_objects == 0)
        await self.until(lambda: self.host.statistics().closing_objects == 0)

    async def until(self, condition: Any) -> None:
        """Go round until it is so; a test that waits in vain is ended by its timeout."""
        while not condition():
            await run_passes(1)

    def made(self) -> list[int]:
        """For each instance, the sockets that its constructor found."""
        return [entry[1] for entry in self.log if isinstance(entry, tuple) and entry[0] == "made"]

    def heard(self) -> list[Any]:
        """What the handlers were given."""
        return [entry for entry in self.log if not isinstance(entry, tuple) or entry[0] != "made"]


async def read_messages(ws: WebSocket, count: int, into: list[str | bytes | None]) -> None:
    """Append the next `count` messages to `into`; None at the end."""
    for _ in range(count):
        into.append(await ws.receive())
