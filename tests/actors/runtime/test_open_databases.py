"""The bound of open files: who hibernates, who waits, and that nothing waits for ever."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import Durability, DurableObject, Host
from boomtown.actors.runtime.open_databases import OpenDatabases
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from support.many_objects import Found, ManyObjects, run_many_objects


class Item:
    """An object as the bound sees it."""

    def __init__(self, name: str, *, busy: bool = False) -> None:
        self.name = name
        self.busy = busy
        self.was_used = False
        self.prevents_eviction = False

    def is_busy(self) -> bool:
        return self.busy


class Desk:
    """A bound of `maximum`, whose closings end when the test says."""

    def __init__(self, maximum: int) -> None:
        self.evicted: list[str] = []
        self.started: list[str] = []
        self.databases = OpenDatabases(databases_max=maximum, evict=self._evict)

    def _evict(self, item: Any) -> None:
        self.evicted.append(item.name)
        self.databases.close_began(item)

    def open(self, item: Item, *, opens: bool = True) -> Item:
        def start() -> bool:
            self.started.append(item.name)
            return opens

        self.databases.open(item, start)
        return item


def test_the_least_recently_used_goes_and_the_new_one_waits_for_its_closing() -> None:
    desk = Desk(2)
    first = desk.open(Item("1"))
    desk.open(Item("2"))
    first.was_used = True
    desk.open(Item("3"))
    assert desk.evicted == ["2"]
    assert desk.started == ["1", "2"]
    desk.databases.close_ended()
    assert desk.started == ["1", "2", "3"]
    assert desk.databases.count == 2


def test_a_busy_object_stays_and_the_bound_gives_way() -> None:
    desk = Desk(1)
    desk.open(Item("1", busy=True))
    desk.open(Item("2"))
    assert desk.evicted == []
    assert desk.databases.count == 2


def test_those_who_wait_start_in_their_order() -> None:
    desk = Desk(2)
    for name in "1234":
        desk.open(Item(name))
    assert (desk.started, desk.evicted) == (["1", "2"], ["1", "2"])
    desk.databases.close_ended()
    desk.databases.close_ended()
    assert desk.started == ["1", "2", "3", "4"]


def test_what_opened_nothing_takes_no_room() -> None:
    desk = Desk(1)
    desk.open(Item("1"), opens=False)
    desk.open(Item("2"))
    assert desk.evicted == []
    assert desk.databases.count == 1


class Cell(DurableObject):
    """Writes one value."""

    async def add(self) -> int:
        total: int = (await self.ctx.storage.get("total") or 0) + 1
        await self.ctx.storage.put("total", total)
        return total

    async def wait(self) -> None:
        await self.env.GO.wait()

    async def ask(self, name: str) -> int:
        answer: int = await self.env.CELL.get_by_name(name).add()
        return answer


def new_host(folder: Path, clock: ManualClock, databases_max: int) -> Host:
    return Host(
        classes={"Cell": Cell},
        data_dir=folder,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        bindings={"GO": asyncio.Event()},
        durability=Durability.PROCESS,  # what is open is the same, and nobody waits for the disk
        limits=RuntimeLimits(
            open_databases_max=databases_max, evictions_per_sweep_max=min(200, databases_max)
        ),
    )


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("objects", [120])
async def test_more_objects_than_files_lose_nothing(tmp_path: Path, objects: int) -> None:
    clock = ManualClock()
    before = open_files()
    async with new_host(tmp_path, clock, 20) as host:
        cells = host.namespace("Cell")
        for turn in (1, 2):
            for start in range(0, objects, 20):
                names = [f"cell-{index}" for index in range(start, start + 20)]
                totals = await asyncio.gather(*(cells.get_by_name(name).add() for name in names))
                assert totals == [turn] * 20
                assert host.statistics().open_databases <= 20
                assert open_files() - before <= 2 * 20 + 25
    assert open_files() <= before + 2


async def test_a_hot_object_stays_open_while_others_pass(tmp_path: Path) -> None:
    async with new_host(tmp_path, ManualClock(), 10) as host:
        cells = host.namespace("Cell")
        hot = cells.get_by_name("hot")
        await hot.add()
        live = host.live_objects()[0]
        for index in range(100):
            await cells.get_by_name(f"cold-{index}").add()
            await hot.add()
        assert live in host.live_objects()


async def test_busy_objects_that_wait_for_a_new_one_get_it(tmp_path: Path) -> None:
    async with new_host(tmp_path, ManualClock(), 5) as host:
        cells = host.namespace("Cell")
        asked = [cells.get_by_name(f"asker-{index}").ask("asked") for index in range(12)]
        assert sorted(await asyncio.gather(*asked)) == list(range(1, 13))


async def test_the_bound_is_exceeded_while_all_are_busy_and_kept_afterwards(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with new_host(tmp_path, clock, 5) as host:
        cells = host.namespace("Cell")
        waiting = [asyncio.ensure_future(cells.get_by_name(f"{n}").wait()) for n in range(12)]
        await clock.advance_ms(0)
        assert host.statistics().open_databases == 12
        host.env.GO.set()
        await asyncio.gather(*waiting)
        assert await cells.get_by_name("next").add() == 1
        assert host.statistics().open_databases <= 5


async def test_values_and_alarms_of_many_objects_outlive_their_evictions(tmp_path: Path) -> None:
    """The run of `make many-objects`, on fewer."""
    size = ManyObjects(
        objects=400, read_back=100, alarms=150, databases_max=80, files_max=10_000, calls_at_once=30
    )
    found = await run_many_objects(tmp_path, size)
    assert found.failures(size) == []
    assert found.starts >= size.objects + 2 * size.alarms, "they left memory in between"


def test_a_run_of_many_objects_names_what_was_not_kept() -> None:
    size = ManyObjects(objects=3, read_back=1, alarms=2, databases_max=1, files_max=9)
    found = Found(wrong_values=1, rings=Counter(a=2), databases_peak=2, files_peak=10)
    assert found.failures(size) == [
        "1 objects did not have their value",
        "1 of 2 alarms rang",
        "1 alarms rang again",
        "2 databases were open",
        "10 files were open",
    ]
