"""What is over is gone with its last reference: a garbage collection takes milliseconds, and does
not come for as long as the process makes few objects."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from boomtown.actors import DurableObject, DurableObjectState, Env, Host
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing.manual_clock import run_passes


class Noted(DurableObject):
    """Notes what there is of it."""

    parts: ClassVar[dict[str, weakref.ref[Any]]] = {}

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self.sql = ctx.storage.sql
        self.sql.exec("CREATE TABLE IF NOT EXISTS t (a)")
        for part in (self, ctx, ctx.storage, ctx.storage.kv, self.sql):
            self.parts[type(part).__name__] = weakref.ref(part)

    async def put(self) -> None:
        await self.ctx.storage.put("key", 1)
        self.parts["task"] = weakref.ref(asyncio.current_task())
        await self.ctx.storage.sync()


@pytest.fixture
def parts() -> Iterator[dict[str, weakref.ref[Any]]]:
    gc.collect()
    gc.disable()
    Noted.parts.clear()
    yield Noted.parts
    gc.enable()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(
        classes={"Noted": Noted},
        data_dir=tmp_path,
        clock=SystemClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
    )
    async with host:
        yield host


def left(parts: dict[str, weakref.ref[Any]]) -> list[str]:
    """What still is."""
    return [name for name, part in parts.items() if part() is not None]


async def test_an_event_that_waited_leaves_no_task(
    host: Host, parts: dict[str, weakref.ref[Any]]
) -> None:
    await host.namespace("Noted").get_by_name("a").put()
    await run_passes()
    assert "task" in parts
    assert "task" not in left(parts)


async def test_an_evicted_object_leaves_nothing(
    host: Host, parts: dict[str, weakref.ref[Any]]
) -> None:
    await host.namespace("Noted").get_by_name("a").put()
    assert "Storage" in left(parts)
    await host.evict("Noted", str(host.namespace("Noted").id_from_name("a")))
    await run_passes()
    assert left(parts) == []


async def test_an_object_that_was_reset_leaves_nothing(
    host: Host, parts: dict[str, weakref.ref[Any]]
) -> None:
    await host.namespace("Noted").get_by_name("a").put()
    await host.abort("Noted", str(host.namespace("Noted").id_from_name("a")), "a test's")
    await run_passes()
    assert left(parts) == []
