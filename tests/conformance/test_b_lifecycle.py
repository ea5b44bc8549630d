"""Stubs and the life of objects (cases 17 to 26, 31 to 41): what ends one, and what it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import DurableObjectError, RemoteError
from boomtown.testing import evict
from boomtown.testing.manual_clock import run_passes
from support.counter_world import Counter, CounterWorld
from support.gate_world import GateWorld, forever


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CounterWorld]:
    world = CounterWorld(tmp_path)
    async with world.host:
        yield world


async def test_case_017_calls_of_a_cold_object_find_one_instance(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    Counter.made = 0
    assert await asyncio.gather(*[stub.count_call() for _ in range(3)]) == [0, 1, 2]
    assert Counter.made == 1


async def test_case_018_a_connected_stub_stays_broken(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    await stub.count_call()
    for call in (stub.put_and_abort("x"), stub.count_call()):
        with pytest.raises(DurableObjectError, match="x"):
            await call
    assert await world.counters.get_by_name("a").count_call() == 0


async def test_case_019_a_stub_that_was_not_used_before_the_abort_works(
    world: CounterWorld,
) -> None:
    unused = world.counters.get_by_name("a")
    stub = world.counters.get_by_name("a")
    await stub.count_call()
    with pytest.raises(DurableObjectError):
        await stub.put_and_abort("x")
    assert await unused.count_call() == 0


async def test_case_020_a_failing_handler_breaks_nothing(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    await stub.count_call()
    with pytest.raises(KeyError, match="missing") as raised:
        await stub.raise_builtin()
    assert raised.value.remote  # type: ignore[attr-defined]
    with pytest.raises(RemoteError, match="Custom: strange"):
        await stub.raise_custom()
    assert await stub.count_call() == 1


@pytest.mark.parametrize("reason", ["x", None], ids=["case_021", "case_022"])
async def test_case_021_022_025_abort_tells_callers_and_ends_the_code(
    world: CounterWorld, reason: str | None
) -> None:
    with pytest.raises(DurableObjectError, match=reason or "abort") as raised:
        await world.counters.get_by_name("a").put_and_abort(reason)
    assert raised.value.durable_object_reset
    assert world.log == []


async def test_case_023_024_an_abort_loses_what_was_not_synced(world: CounterWorld) -> None:
    await world.counters.get_by_name("a").increment(2)
    with pytest.raises(DurableObjectError):
        await world.counters.get_by_name("a").put_and_abort("x")
    assert await world.counters.get_by_name("a").increment() == 3
    with pytest.raises(DurableObjectError):
        await world.counters.get_by_name("a").put_and_abort("x", syncs=True)
    assert await world.counters.get_by_name("a").increment() == 101


async def test_case_031_a_failing_constructor_fails_its_callers_only(world: CounterWorld) -> None:
    world.fails.append(1)
    objects = world.host.namespace("Failing")
    stub = objects.get_by_name("a")
    for error in await asyncio.gather(*[stub.ready() for _ in range(3)], return_exceptions=True):
        assert isinstance(error, DurableObjectError)
        assert error.durable_object_reset
        assert "no instance" in str(error)
    assert await objects.get_by_name("a").ready()


async def test_case_032_a_request_waits_for_the_section_of_the_constructor(
    world: CounterWorld,
) -> None:
    assert await world.host.namespace("Failing").get_by_name("a").ready()


async def test_case_033_a_section_returns_its_value(world: CounterWorld) -> None:
    assert await world.counters.get_by_name("a").block() == "value"


async def test_the_end_of_a_section_is_a_commit(world: CounterWorld) -> None:
    """As in workerd, where it passes through the event loop, also when nothing was awaited."""
    with pytest.raises(DurableObjectError):
        await world.counters.get_by_name("a").put_around_a_section_and_abort()
    assert await world.counters.get_by_name("a").stored() == ["before", "inside"]


async def test_case_026_040_idle_objects_are_evicted_and_busy_ones_are_not(
    world: CounterWorld,
) -> None:
    idle, busy = world.counters.get_by_name("idle"), world.counters.get_by_name("busy")
    await idle.increment()
    await idle.count_call()
    await busy.start_background()
    await world.clock.advance_ms(9_999)
    assert world.host.statistics().live_objects == 2
    await world.clock.advance_ms(3_000)
    assert world.host.statistics().live_objects == 1
    assert await idle.count_call() == 0
    assert await idle.increment() == 2
    await busy.release()
    assert world.log == ["background"]
    await world.clock.advance_ms(13_000)
    assert world.host.statistics().live_objects == 0


async def test_case_034_a_failing_section_resets_and_cannot_be_caught(
    world: CounterWorld,
) -> None:
    stub = world.counters.get_by_name("a")
    await stub.survive_a_section(None)
    assert world.log == ["went on"]
    await stub.count_call()
    with pytest.raises(DurableObjectError, match="no good") as raised:
        await stub.survive_a_section("no good")
    assert raised.value.durable_object_reset
    assert world.log == ["went on"]
    assert await world.counters.get_by_name("a").count_call() == 0


async def test_case_035_sections_nest_64_deep_and_no_deeper(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    await stub.count_call()
    assert await stub.nest(64) == "reached"
    assert "nested too deeply" in await stub.nest(65)
    assert await stub.count_call() == 1


async def test_case_036_a_section_past_thirty_seconds_overloads_and_resets() -> None:
    world = GateWorld()
    thing = world.object

    async def handler() -> None:
        await thing.block(forever)

    call = world.call(handler())
    await run_passes()
    await world.clock.advance_ms(29_999)
    assert not call.done()
    await world.clock.advance_ms(1)
    with pytest.raises(DurableObjectError, match="waited too long") as raised:
        await call
    assert raised.value.overloaded
    assert raised.value.durable_object_reset


async def test_case_037_an_evicted_object_has_lost_its_memory_and_kept_its_storage(
    world: CounterWorld,
) -> None:
    stub = world.counters.get_by_name("a")
    await stub.increment(5)
    assert [await stub.count_call() for _ in range(2)] == [0, 1]
    await evict(stub)
    assert await stub.count_call() == 0
    assert await stub.increment() == 6


async def test_case_038_an_object_that_never_ran_cannot_be_evicted(world: CounterWorld) -> None:
    with pytest.raises(DurableObjectError, match="not running"):
        await evict(world.counters.get_by_name("a"))


async def test_case_039_an_eviction_waits_for_a_busy_object(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    call = asyncio.ensure_future(stub.wait_for_release())
    await run_passes()
    eviction = asyncio.ensure_future(evict(stub))
    await run_passes()
    assert not eviction.done()
    await stub.release()
    await eviction
    assert await call == "released"
    assert world.host.statistics().live_objects == 0


async def test_case_039_an_eviction_gives_up_after_thirty_seconds(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    call = asyncio.ensure_future(stub.wait_for_release())
    await run_passes()
    eviction = asyncio.ensure_future(evict(stub))
    await world.clock.advance_ms(29_999)
    assert not eviction.done()
    await world.clock.advance_ms(1)
    with pytest.raises(DurableObjectError, match="busy for 30000 ms"):
        await eviction
    await stub.release()
    assert await call == "released"


async def test_case_041_storage_of_an_ended_object_is_refused(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    call = asyncio.ensure_future(stub.read_at_the_end())
    await run_passes()
    await world.host.abort("Counter", str(stub.id), "ended")
    with pytest.raises(DurableObjectError, match="ended"):
        await call
    await run_passes()
    (refusal,) = world.log
    assert "storage is no longer accessible" in refusal
