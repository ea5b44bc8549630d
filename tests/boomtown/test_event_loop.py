"""What a server runs on."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from boomtown.event_loop import YOUNG_OBJECTS_MAX, run_on_loop


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_server_looks_for_cycles_less_often(thresholds: tuple[int, int, int]) -> None:
    async def main() -> tuple[int, int, int]:
        return gc.get_threshold()

    assert run_on_loop(main(), kind="asyncio") == (YOUNG_OBJECTS_MAX, *thresholds[1:])


@pytest.mark.usefixtures("thresholds")
def test_a_server_does_not_look_for_cycles_among_its_modules() -> None:
    async def main() -> int:
        return len(gc.get_objects())

    before = len(gc.get_objects())
    assert run_on_loop(main(), kind="asyncio") < before / 10
