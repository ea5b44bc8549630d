"""Work that outlives its event: what becomes of it when its object is reset at once."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import DurableObject, DurableObjectError, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock


class Hasty(DurableObject):
    """Begins work and resets itself before the work's first step."""

    async def _note(self) -> None:
        self.env.LOG.append("worked")

    async def begin_and_abort(self) -> None:
        self.ctx.wait_until(self._note())
        self.ctx.abort("enough")

    async def abort_and_begin(self) -> None:
        try:
            self.ctx.abort("enough")
        finally:
            self.ctx.wait_until(self._note())

    async def begin(self) -> None:
        self.ctx.wait_until(self._note())


class World:
    """A host with one such object, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.log: list[str] = []
        self.host = Host(
            classes={"Hasty": Hasty},
            data_dir=folder,
            clock=ManualClock(),
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"LOG": self.log},
            services={},
        )
        self.hasty = self.host.namespace("Hasty")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.host:
        yield world


@pytest.mark.parametrize("method", ["begin_and_abort", "abort_and_begin"])
async def test_work_of_a_reset_object_is_closed_unbegun(world: World, method: str) -> None:
    """A coroutine that nobody begins or closes is reported by Python when it is dropped."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(DurableObjectError):
            await getattr(world.hasty.get_by_name("a"), method)()
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert world.log == []


async def test_work_of_a_live_object_is_done(world: World) -> None:
    await world.hasty.get_by_name("a").begin()
    assert world.log == ["worked"]
