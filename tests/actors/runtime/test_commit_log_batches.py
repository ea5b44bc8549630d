"""When a batch of the commit log begins, and what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from boomtown.actors.runtime.promises import Promise
from boomtown.limits import CommitLogLimits
from boomtown.testing.manual_clock import run_passes
from support.commit_log_bench import SMALL, CommitLogBench

EAGER = msgspec.structs.replace(SMALL, batch_commits_waiting_max=3)


class CountedSteps:
    """Takes each piece of work when it is let (satisfies StepRunner)."""

    def __init__(self) -> None:
        self.begun = 0
        self._works: list[tuple[Iterator[None], asyncio.Future[None]]] = []

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._works.append((steps, ended))
        self.begun += 1
        return ended

    async def finish(self) -> None:
        """Let the work that is under way end."""
        ((steps, ended),) = self._works
        self._works.clear()
        for _ in steps:
            pass
        ended.set_result(None)
        await run_passes()

    def close(self) -> None: ...


async def start(
    tmp_path: Path, limits: CommitLogLimits = EAGER
) -> tuple[CommitLogBench, CountedSteps]:
    flusher = CountedSteps()
    bench = CommitLogBench(tmp_path, limits=limits, flusher=flusher)
    starting = asyncio.create_task(bench.start())
    await run_passes()
    await flusher.finish()  # the recovery
    await starting
    flusher.begun = 0
    return bench, flusher


async def test_a_few_commits_wait_for_the_next_pass_and_share_its_batch(tmp_path: Path) -> None:
    bench, flusher = await start(tmp_path)
    database = bench.open("a")
    commits = [bench.commit("a", database) for _ in range(2)]
    assert flusher.begun == 0
    await run_passes()
    assert flusher.begun == 1
    await flusher.finish()
    assert all(commit.done() for commit in commits)
    assert flusher.begun == 1


async def test_many_commits_begin_their_batch_at_once_and_later_ones_are_the_next(
    tmp_path: Path,
) -> None:
    bench, flusher = await start(tmp_path)
    database = bench.open("a")
    commits = [bench.commit("a", database) for _ in range(5)]
    assert flusher.begun == 1
    await run_passes()
    assert flusher.begun == 1  # what was to begin in this pass has begun
    await flusher.finish()
    assert [commit.done() for commit in commits] == [True] * 3 + [False] * 2
    assert flusher.begun == 2
    await flusher.finish()
    assert all(commit.done() for commit in commits)
    await bench.path.settle()


async def test_commits_of_the_passes_that_follow_join_until_one_brings_none(
    tmp_path: Path,
) -> None:
    bench, flusher = await start(tmp_path, SMALL)
    database = bench.open("a")
    commits: list[Promise] = []
    loop = asyncio.get_running_loop()

    def join(times: int) -> None:
        """One in each pass, before the batch looks again."""
        assert flusher.begun == 0
        commits.append(bench.commit("a", database))
        if times:
            loop.call_soon(join, times - 1)

    commits.append(bench.commit("a", database))
    join(4)
    await run_passes()
    assert flusher.begun == 1
    await flusher.finish()
    assert [commit.done() for commit in commits] == [True] * 6
    assert flusher.begun == 1


async def test_the_next_batch_begins_before_anybody_hears_of_the_one_that_ended(
    tmp_path: Path,
) -> None:
    bench, flusher = await start(tmp_path)
    database = bench.open("a")
    first = [bench.commit("a", database) for _ in range(3)]
    last = [bench.commit("a", database) for _ in range(3)][-1]
    begun: list[int] = []
    first[0].add_done_callback(lambda _: begun.append(flusher.begun))
    await flusher.finish()
    assert begun == [2]
    assert not last.done()
    await flusher.finish()
    assert last.done()
