"""Whose first replies wait for the commit path, and whose do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import DurableObject, Host
from boomtown.actors.runtime.closed_logs import LOGS_KEPT_MAX, ClosedLogs
from boomtown.actors.runtime.database import WAL_SUFFIX, database_path
from boomtown.actors.runtime.ports import ObjectKey, SilentInstrument
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets


class Cell(DurableObject):
    """One value."""

    async def put(self, value: int) -> None:
        await self.ctx.storage.put("value", value)

    async def get(self) -> int:
        value: int = await self.ctx.storage.get("value")
        return value


class Commits(SilentInstrument):
    """Counts what was waited for."""

    def __init__(self) -> None:
        self.count = 0

    def commits_synced(self, commits: int, files: int) -> None:
        self.count += commits


class World:
    """One object with a durable commit."""

    def __init__(self, data_dir: Path) -> None:
        self.commits = Commits()
        self.host = Host(
            classes={"Cell": Cell},
            data_dir=data_dir,
            clock=SystemClock(),
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            instrument=self.commits,
        )
        self.cell = self.host.namespace("Cell").get_by_name("a")
        self.key = ObjectKey("Cell", str(self.cell.id))
        file = database_path(data_dir, self.key)
        self.log = file.with_name(file.name + WAL_SUFFIX)

    async def evict(self) -> None:
        await self.host.evict("Cell", self.key.object_id)

    async def commits_of_a_read(self) -> int:
        """How many commits one read has to wait for."""
        before = self.commits.count
        assert await self.host.namespace("Cell").get_by_name("a").get() == 1
        return self.commits.count - before


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.host:
        await world.cell.put(1)
        yield world


async def test_an_object_that_was_closed_in_order_answers_at_once(world: World) -> None:
    for _ in range(2):  # the second time nothing was written meanwhile
        await world.evict()
        assert world.log.stat().st_size > 0
        assert await world.commits_of_a_read() == 0


async def test_what_it_writes_next_is_waited_for(world: World) -> None:
    await world.evict()
    before = world.commits.count
    await world.cell.put(2)
    assert world.commits.count == before + 1


async def test_an_object_that_was_reset_waits(world: World) -> None:
    await world.host.abort("Cell", world.key.object_id, "a test's")
    assert await world.commits_of_a_read() == 1


async def test_a_log_that_holds_more_than_the_last_commit_is_waited_for_each_time(
    world: World,
) -> None:
    """The next commit may be of the very length of what stands behind the last."""
    await world.evict()
    with world.log.open("ab") as log:
        log.write(bytes(1024 + 24))
    assert await world.commits_of_a_read() == 1
    await world.evict()
    assert await world.commits_of_a_read() == 1


def test_the_oldest_are_forgotten() -> None:
    logs = ClosedLogs()
    keys = [ObjectKey("C", str(number)) for number in range(LOGS_KEPT_MAX + 1)]
    for place, key in enumerate(keys):
        logs.note(key, place)
    assert logs.take(keys[0]) is None
    assert [logs.take(keys[-1]), logs.take(keys[-1])] == [LOGS_KEPT_MAX, None]
