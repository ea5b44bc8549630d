"""The output gate where the object's own end fails."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from boomtown.actors.runtime.output_gate import OutputGate
from boomtown.actors.runtime.promises import Promise
from boomtown.testing import ManualClock


async def test_who_waits_is_told_though_the_reset_fails() -> None:
    """The disk that refused a commit refuses the rollback as well."""

    def fail(error: Exception) -> NoReturn:
        raise OSError("no rollback") from error

    clock = ManualClock()
    gate = OutputGate(clock=clock, lock_ms_max=30_000, waiting=str, on_broken=fail)
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    told: list[Exception | None] = []
    lock = Promise()
    gate.lock_while(lock)
    gate.when_open(told.append)
    lock.reject(OSError("no commit"))
    assert [str(error) for error in told] == ["no commit"]
    assert [str(each["exception"]) for each in reported] == ["no rollback"]
