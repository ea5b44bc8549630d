"""The thread that takes the flusher's steps: in order, with their errors, and it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from boomtown.actors.runtime.steps_thread import StepsThread


async def test_work_is_done_in_order_in_one_thread_that_is_not_the_loops() -> None:
    runner, taken = StepsThread(), list[tuple[str, int]]()

    def steps(name: str) -> Iterator[None]:
        for _ in range(2):
            taken.append((name, threading.get_ident()))
            yield

    endings = [runner.start(steps(name)) for name in ("first", "second")]
    for ending in endings:
        await ending
    runner.close()
    assert [name for name, _ in taken] == ["first", "first", "second", "second"]
    (thread,) = {ident for _, ident in taken}
    assert thread != threading.get_ident()


async def test_an_error_is_told_and_the_next_work_is_done() -> None:
    runner = StepsThread()

    def broken() -> Iterator[None]:
        yield
        raise OSError("no disk")

    failing, working = runner.start(broken()), runner.start(iter(()))
    with pytest.raises(OSError, match="no disk"):
        await failing
    await working
    runner.close()


async def test_closing_waits_for_what_was_ordered_and_can_be_done_twice() -> None:
    runner, taken = StepsThread(), list[str]()

    def steps() -> Iterator[None]:
        taken.append("done")
        yield

    ending = runner.start(steps())
    runner.close()
    assert taken == ["done"]
    await ending
    runner.close()
    StepsThread().close()
