"""Identity (cases 1 to 16): ids, stubs, and the name that an object is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.testing import evict
from support.alarm_office import ONE, Office
from support.counter_world import CounterWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CounterWorld]:
    world = CounterWorld(tmp_path)
    async with world.host:
        yield world


async def test_case_001_a_name_always_has_the_same_id(world: CounterWorld) -> None:
    first, again = world.counters.id_from_name("a"), world.counters.id_from_name("a")
    assert str(first) == str(again)
    assert len(str(first)) == 64


async def test_case_002_unique_ids_are_unique_and_nameless(world: CounterWorld) -> None:
    first, second = world.counters.new_unique_id(), world.counters.new_unique_id()
    assert not first.equals(second)
    assert first.name is None


async def test_case_003_text_round_trips_without_the_name(world: CounterWorld) -> None:
    named = world.counters.id_from_name("a")
    again = world.counters.id_from_string(str(named))
    assert str(again) == str(named)
    assert again.name is None


@pytest.mark.parametrize("text", ["1234567", "0" * 64, "g" * 64], ids=["004", "005", "no hex"])
async def test_case_004_005_other_text_is_no_id(world: CounterWorld, text: str) -> None:
    with pytest.raises(TypeError):
        world.counters.id_from_string(text)


async def test_case_006_an_id_of_another_namespace_is_refused(world: CounterWorld) -> None:
    foreign = world.host.namespace("Failing").id_from_name("a")
    with pytest.raises(TypeError, match="not valid for this namespace"):
        world.counters.id_from_string(str(foreign))


async def test_case_007_equality_ignores_the_name(world: CounterWorld) -> None:
    named = world.counters.id_from_name("a")
    assert named.equals(world.counters.id_from_string(str(named)))


async def test_case_008_009_010_an_object_is_told_a_short_name(world: CounterWorld) -> None:
    assert await world.counters.get_by_name("n" * 1024).told_name() == "n" * 1024
    assert await world.counters.get_by_name("n" * 1025).told_name() is None
    assert await world.counters.get(world.counters.new_unique_id()).told_name() is None


async def test_case_013_jurisdictions_are_refused(world: CounterWorld) -> None:
    assert world.counters.new_unique_id(jurisdiction=None)
    with pytest.raises(ValueError, match="Jurisdiction"):
        world.counters.new_unique_id(jurisdiction="eu")


async def test_case_011_a_stub_has_an_id_and_a_name(world: CounterWorld) -> None:
    counters = world.counters
    by_name, by_id = counters.get_by_name("a"), counters.get(counters.id_from_name("a"))
    for stub in (by_name, by_id):
        assert [key for key in vars(stub) if not key.startswith("_")] == ["id", "name"]
        assert stub.name == "a"
    assert by_name.id.equals(by_id.id)
    await by_name.increment()
    assert await by_id.increment() == 2


async def test_case_012_a_location_hint_changes_nothing(world: CounterWorld) -> None:
    counters = world.counters
    hinted = counters.get_by_name("a", location_hint="weur")
    assert hinted.id.equals(counters.get(counters.id_from_name("a"), location_hint="enam").id)
    await hinted.increment()
    assert await counters.get_by_name("a").increment() == 2


async def test_case_014_an_attribute_of_a_stub_stays_with_its_owner(world: CounterWorld) -> None:
    stub: Any = world.counters.get_by_name("a")
    stub.increment = lambda: "shadowed"
    assert stub.increment() == "shadowed"
    assert await world.counters.get_by_name("a").increment() == 1


async def test_case_015_an_alarm_knows_the_name_after_an_eviction(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    at_ms = world.clock.now_ms() + 60_000
    await stub.arm(at_ms)
    await evict(stub)
    assert world.host.statistics().live_objects == 0
    await world.clock.advance_to_ms(at_ms - 1)
    assert world.log == []
    await world.clock.advance_ms(1)
    await world.rang.wait()
    assert world.log == [(at_ms, 0, "a")]


async def test_case_016_a_nameless_write_keeps_the_name(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.set(ONE, 1000, "named")
    office.set(ONE, 2000)
    assert [row.name for row in office.index.rows()] == ["named"]
    await office.clock.advance_ms(2000)
    assert office.delivered[0][1] == "named"
