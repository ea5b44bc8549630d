"""A host whose objects count: what tests of identity, stubs and lives of objects act on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from boomtown.actors import (
    AlarmInfo,
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    Request,
    Response,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from support.memory_backend import MemoryBackend


class Custom(Exception):
    """Of a class that callers do not know."""


class Counter(DurableObject):
    """Counts in memory and in storage."""

    made = 0

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        Counter.made += 1
        self.calls = 0
        self.released = asyncio.Event()

    async def increment(self, by: int = 1) -> int:
        total: int = (await self.ctx.storage.get("total") or 0) + by
        await self.ctx.storage.put("total", total)
        return total

    async def count_call(self) -> int:
        self.calls += 1
        return self.calls - 1

    async def told_name(self) -> str | None:
        return self.ctx.id.name

    async def raise_builtin(self) -> None:
        raise KeyError("missing")

    async def raise_custom(self) -> None:
        raise Custom("strange")

    async def put_and_abort(self, reason: str | None, *, syncs: bool = False) -> None:
        await self.ctx.storage.put("total", 100)
        if syncs:
            await self.ctx.storage.sync()
        try:
            self.ctx.abort(reason)
        except Exception:
            self.env.LOG.append("caught")
        self.env.LOG.append("went on")

    async def block(self) -> str:
        async def section() -> str:
            await self.ctx.storage.put("blocked", True)
            return "value"

        return await self.ctx.block_concurrency_while(section)

    async def put_around_a_section_and_abort(self) -> None:
        async def section() -> None:
            await self.ctx.storage.put("inside", 2)

        await self.ctx.storage.put("before", 1)
        await self.ctx.block_concurrency_while(section)
        await self.ctx.storage.put("after", 3)
        self.ctx.abort("x")

    async def stored(self) -> list[str]:
        return list(await self.ctx.storage.list())

    async def survive_a_section(self, reason: str | None) -> None:
        """Try to live on after a section that fails, for `reason`."""

        async def section() -> None:
            if reason is not None:
                raise ValueError(reason)

        try:
            await self.ctx.block_concurrency_while(section)
        except Exception:
            self.env.LOG.append("caught")
        self.env.LOG.append("went on")

    async def nest(self, levels: int) -> str:
        """Nest so many critical sections; how the innermost ended."""
        if levels == 0:
            return "reached"
        try:
            return await self.ctx.block_concurrency_while(lambda: self.nest(levels - 1))
        except ValueError as error:
            return str(error)

    async def write_and_tell(self) -> str:
        await self.ctx.storage.put("told", True)
        answer: str = await self.env.SERVICE.tell("hello")
        return answer

    async def start_background(self) -> None:
        async def background() -> None:
            await self.released.wait()
            self.env.LOG.append("background")

        self.ctx.wait_until(background())

    async def wait_for_release(self) -> str:
        await self.released.wait()
        return "released"

    async def read_at_the_end(self) -> None:
        """Wait, and look at storage when it is ended."""
        try:
            await self.released.wait()
        finally:
            try:
                await self.ctx.storage.get("total")
            except DurableObjectError as error:
                self.env.LOG.append(str(error))

    async def release(self) -> None:
        self.released.set()

    async def items(self) -> list[list[int]]:
        return self._items

    _items = [[1]]  # noqa: RUF012 - shared on purpose: it must not leave the object

    async def fetch(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            yield str(await self.ctx.storage.get("total")).encode()

        if request.path == "/stream":
            return Response(parts())
        return Response.json({"method": request.method, "body": await request.text()})

    async def alarm(self, info: AlarmInfo) -> None:
        self.env.LOG.append((info.scheduled_time, info.retry_count, self.ctx.id.name))
        self.env.RANG.set()

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)


class Failing(DurableObject):
    """Its constructor fails as long as the binding says so."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        if env.FAILS:
            env.FAILS.pop()
            raise ValueError("no instance")
        ctx.block_concurrency_while(self._prepare)
        self.is_ready = False

    async def _prepare(self) -> None:
        await asyncio.sleep(0)
        self.is_ready = True

    async def ready(self) -> bool:
        return self.is_ready


class Service:
    """A port of the host."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def tell(self, what: str) -> str:
        self.heard.append(what)
        return what.upper()


class CounterWorld:
    """A host, its clock and what its objects noted."""

    def __init__(self, folder: Path, backend: MemoryBackend | None = None) -> None:
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.fails: list[int] = []
        self.service = Service()
        self.rang = asyncio.Event()
        self.host = Host(
            classes={"Counter": Counter, "Failing": Failing},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"LOG": self.log, "FAILS": self.fails, "RANG": self.rang},
            services={"SERVICE": self.service},
            backend=backend,
        )
        self.counters = self.host.namespace("Counter")
