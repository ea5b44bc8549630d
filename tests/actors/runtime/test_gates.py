"""The cases of the gates' specification, each on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from support.gate_cases_constructs import CASES as CONSTRUCT_CASES
from support.gate_cases_constructs import REAL_LOOP_CASES
from support.gate_cases_ends import CASES as END_CASES
from support.gate_cases_order import CASES as ORDER_CASES
from support.gate_world import Case, GateWorld

CASES = (*ORDER_CASES, *CONSTRUCT_CASES, *END_CASES, *REAL_LOOP_CASES)
LOOPS: tuple[Callable[[], asyncio.AbstractEventLoop], ...] = (
    asyncio.new_event_loop,
    uvloop.new_event_loop,
)


async def run_case(case: Case) -> None:
    """One case in a world of its own, which must be left in order."""
    world = GateWorld()
    async with asyncio.timeout(20):
        await case(world)
    assert world.hook.turn is None


@pytest.mark.parametrize("new_loop", LOOPS, ids=("asyncio", "uvloop"))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_gate(case: Case, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run_case(case))
