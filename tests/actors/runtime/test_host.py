"""What crosses the border of an object, on a host with real files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import (
    Request,
)
from support.counter_world import CounterWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CounterWorld]:
    world = CounterWorld(tmp_path)
    async with world.host:
        yield world


async def test_values_are_copied_at_the_border(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    items = await stub.items()
    items[0].append(2)
    assert await stub.items() == [[1]]
    with pytest.raises(TypeError, match="argument by"):
        await stub.increment("1")
    for name in ("alarm", "no_such_method"):
        with pytest.raises(TypeError, match=name):
            await getattr(stub, name)()


async def test_fetch_answers_and_streams_through_the_gate(world: CounterWorld) -> None:
    stub = world.counters.get_by_name("a")
    await stub.increment(7)
    answer = await stub.fetch("https://host/path", method="post", body="hi")
    assert await answer.json_as(dict) == {"method": "POST", "body": "hi"}
    assert await (await stub.fetch(Request("GET", "https://host/stream"))).bytes() == b"a7"
