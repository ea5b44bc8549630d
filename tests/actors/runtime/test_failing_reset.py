"""A reset whose own work fails: the storage cannot be rolled back, say."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from boomtown.actors.runtime.loop_hook import install_hook
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.replies import keep
from boomtown.actors.runtime.runtime_errors import DurableObjectError, reset_error
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes


async def test_callers_and_tasks_end_though_the_reset_fails() -> None:
    def fail(error: DurableObjectError) -> NoReturn:
        raise OSError("no rollback") from error

    gates = ObjectGates(
        install_hook(asyncio.get_running_loop()),
        clock=ManualClock(),
        limits=RuntimeLimits(),
        on_commit=lambda: None,
        on_broken=fail,
    )
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("task")

    is_done, reply = gates.invoke(wait(), keep)
    assert not is_done
    with pytest.raises(OSError, match="no rollback"):
        gates.break_with(reset_error("the disk is gone"))
    with pytest.raises(DurableObjectError, match="the disk is gone"):
        await asyncio.wait_for(reply, 5)
    await run_passes()
    assert ended == ["task"]
