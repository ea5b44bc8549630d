"""A stand-in for the town's HTTP, on loopback: records what containers and agents say to it."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from boomtown.wire import decode_json, encode_json


class TownCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    path: str
    verb: str  # the last part of the path
    body: dict[str, Any]
    headers: dict[str, str]


class TownApi:
    """Answers 200 with empty data, unless the test has scripted other answers for a verb."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[TownCall] = []
        self.answers: defaultdict[str, deque[tuple[int, object]]] = defaultdict(deque)
        self._changed = asyncio.Condition()

    def of(self, verb: str) -> list[TownCall]:
        """The calls of one verb, in order."""
        return [call for call in self.calls if call.verb == verb]

    async def wait_for(self, verb: str, count: int = 1) -> TownCall:
        """Wait until `count` calls of the verb have come, and return the last of them. The test
        runner's own time limit is the bound."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.of(verb)) >= count)
        return self.of(verb)[count - 1]

    async def wait_more(self, count: int) -> None:
        """Wait until more than `count` calls of any verb have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.calls) > count)

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.read()
        call = TownCall(
            path=request.path,
            verb=request.path.rpartition("/")[2],
            body=decode_json(text) if text else {},
            headers=dict(request.headers),
        )
        answers = self.answers[call.verb]
        accepted: tuple[int, object] = (200, {"accepted": True})
        status, data = answers.popleft() if answers else accepted
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        envelope: dict[str, object] = {"success": status < 400, "data": data}
        if status >= 400 and isinstance(data, str):
            envelope = {"success": False, "code": data}
        body = encode_json(envelope)
        return web.Response(status=status, body=body, content_type="application/json")


@asynccontextmanager
async def open_town_api() -> AsyncGenerator[TownApi]:
    """Serve on a free port of loopback."""
    api = TownApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        api.url = f"http://{host}:{port}"
        yield api
    finally:
        await runner.cleanup()
