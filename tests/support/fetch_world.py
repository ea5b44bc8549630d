"""Objects that call out by `fetch`, and a client whose requests the test answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from boomtown.actors import DurableObject, Host, Request, Response, fetch
from boomtown.actors.runtime.outgoing_fetch import HttpClient
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from support.memory_backend import MemoryBackend


class Caller(DurableObject):
    """Calls a server, with and without writes before."""

    async def ask(self, url: str, timeout_ms: int | None = None) -> tuple[int, str, str | None]:
        answer = await fetch(url, headers={"X-From": "caller"}, timeout_ms=timeout_ms)
        return answer.status, await answer.text(), answer.headers.find("x-answer")

    async def write_and_ask(self, url: str) -> int:
        await self.ctx.storage.put("asked", True)
        return (await fetch(url)).status

    async def send(self, url: str) -> str:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one "
            yield str(await self.ctx.storage.get("word")).encode()

        await self.ctx.storage.put("word", "two")
        return await (await fetch(url, method="put", body=parts())).text()

    async def count_around_a_fetch(self, url: str) -> int:
        """Reads before and writes after: other events run between."""
        count: int = await self.ctx.storage.get("count") or 0
        await fetch(url)
        await self.ctx.storage.put("count", count + 1)
        return count + 1

    async def count_in_a_section(self, url: str) -> int:
        return await self.ctx.block_concurrency_while(lambda: self.count_around_a_fetch(url))

    async def ask_and_abort(self, url: str) -> None:
        self.ctx.wait_until(fetch(url))
        await asyncio.sleep(0)
        self.ctx.abort("no more")

    async def reset_now(self) -> None:
        self.ctx.abort("no more")


class HeldClient:
    """An HttpClient whose requests are answered by the test."""

    def __init__(self) -> None:
        self.sent: list[tuple[Request, asyncio.Future[Response]]] = []
        self.is_closed = False

    async def send(self, request: Request) -> Response:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.sent.append((request, answer))
        return await answer

    async def aclose(self) -> None:
        self.is_closed = True


class FetchWorld:
    """A host whose objects call out, through a client of the test."""

    def __init__(self, folder: Path, client: HttpClient | None = None) -> None:
        self.backend = MemoryBackend()
        self.clock = ManualClock()
        self.host = Host(
            classes={"Caller": Caller},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            backend=self.backend,
            http_client=client,
        )

    @property
    def caller(self) -> Any:
        return self.host.namespace("Caller").get_by_name("a")
