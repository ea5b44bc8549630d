"""Promises: settled once, and heard of in the stack of the settling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from boomtown.actors.runtime.promises import Promise
from boomtown.testing.manual_clock import run_passes


async def test_callbacks_run_at_once_in_the_order_of_their_adding() -> None:
    promise, heard = Promise(), list[str]()
    promise.add_done_callback(lambda _: heard.append("first"))
    promise.add_done_callback(lambda _: heard.append("second"))
    assert heard == []
    promise.resolve()
    promise.add_done_callback(lambda _: heard.append("late"))
    assert heard == ["first", "second", "late"]
    assert promise.done()
    assert promise.exception() is None


async def test_only_the_first_settling_counts() -> None:
    promise, heard = Promise(), list[Exception | None]()
    promise.add_done_callback(lambda ended: heard.append(ended.exception()))
    error = OSError("no disk")
    promise.reject(error)
    promise.resolve()
    promise.reject(OSError("again"))
    assert heard == [error]


async def test_a_callback_that_raises_is_reported_and_hides_no_other() -> None:
    promise, heard = Promise(), list[str]()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail(_: Promise) -> None:
        raise ValueError("broken")

    promise.add_done_callback(fail)
    promise.add_done_callback(lambda _: heard.append("second"))
    promise.resolve()
    assert heard == ["second"]
    assert [str(context["exception"]) for context in reported] == ["broken"]


async def test_who_awaits_gets_on_when_it_is_resolved_and_fails_when_rejected() -> None:
    kept, broken = Promise(), Promise()

    async def wait(promise: Promise) -> str:
        await promise
        return "kept"

    waits = [asyncio.create_task(wait(promise)) for promise in (kept, broken)]
    await run_passes()
    assert not any(task.done() for task in waits)
    kept.resolve()
    broken.reject(OSError("no disk"))
    assert await waits[0] == "kept"
    with pytest.raises(OSError, match="no disk"):
        await waits[1]
    await kept  # settled: no pass
    with pytest.raises(OSError, match="no disk"):
        await broken


async def test_giving_up_a_future_of_it_changes_nothing() -> None:
    promise = Promise()
    promise.as_future().cancel()
    other = promise.as_future()
    promise.resolve()
    await other
