"""Gate cases that need a whole object, each on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from support.gate_cases_hosts import CASES, REAL_LOOP_CASES, HostCase, run_host_case


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
@pytest.mark.parametrize("case", [*CASES, *REAL_LOOP_CASES], ids=lambda case: case.__name__)
def test_gate(
    case: HostCase, new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(run_host_case(case, tmp_path), 20))
