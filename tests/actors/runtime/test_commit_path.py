"""How commits become durable: which syncs, how many, in which order, and what an error does."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from boomtown.actors.runtime.commit_path import FileCommitPath, FlushInline, FlushThread
from boomtown.actors.runtime.flush_port import OsFlush
from boomtown.actors.runtime.ports import Commit, Durability, ObjectKey, SilentInstrument
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import RecordingFlush

DATA = Path("/data")


def commit_of(name: str, *, wal_end: int = 1, object_id: str = "id") -> Commit:
    return Commit(ObjectKey("C", object_id), DATA / "actors" / name, 1, wal_end)


class CountingInstrument(SilentInstrument):
    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []

    def commits_synced(self, commits: int, files: int) -> None:
        self.batches.append((commits, files))


class Desk:
    def __init__(self, durability: Durability = Durability.FULL) -> None:
        self.flush = RecordingFlush()
        self.instrument = CountingInstrument()
        self.path = FileCommitPath(
            flush=self.flush,
            runner=FlushInline(),
            durability=durability,
            data_dir=DATA,
            instrument=self.instrument,
            on_broken=lambda _: None,
        )

    def submit(self, commit: Commit) -> Promise:
        durable = self.path.submit(commit)
        assert durable is not None
        return durable


async def test_commits_of_one_pass_share_a_sync_per_log() -> None:
    desk = Desk()
    futures = [desk.submit(commit_of(name)) for name in ("a", "b", "a", "a")]
    await asyncio.gather(*futures)
    assert desk.flush.synced == [DATA / "actors/a", DATA / "actors/b"]
    assert desk.instrument.batches == [(4, 2)]


async def test_commits_gather_while_a_batch_is_under_way() -> None:
    desk = Desk()
    first = desk.submit(commit_of("a"))
    await asyncio.sleep(0)  # the batch has been taken, and not yet synced
    second = desk.submit(commit_of("a"))
    third = desk.submit(commit_of("a"))
    await first
    assert not second.done()
    await third
    assert second.done()
    assert desk.instrument.batches == [(1, 1), (2, 1)]


async def test_promises_are_kept_in_the_order_of_submission() -> None:
    desk = Desk()
    order: list[int] = []

    def note(number: int, _: Promise) -> None:
        order.append(number)

    for number, name in enumerate(["b", "a", "b", "c"]):
        desk.submit(commit_of(name)).add_done_callback(partial(note, number))
    await run_passes()
    assert order == [0, 1, 2, 3]


async def test_alarm_indexes_are_synced_before_objects() -> None:
    desk = Desk()
    desk.submit(commit_of("object"))
    await desk.submit(commit_of("index", object_id=""))
    assert desk.flush.synced == [DATA / "actors/index", DATA / "actors/object"]


async def test_new_folders_are_synced_up_to_the_data_directory_once() -> None:
    desk = Desk()
    await desk.submit(commit_of("C/ab/1"))
    assert desk.flush.synced_folders == [
        DATA / each for each in ("actors/C/ab", "actors/C", "actors", "")
    ]
    desk.flush.synced_folders.clear()
    await desk.submit(commit_of("C/ab/1"))
    assert desk.flush.synced_folders == []
    await desk.submit(commit_of("C/ab/2"))
    await desk.submit(commit_of("C/cd/3"))
    assert desk.flush.synced_folders == [
        DATA / each for each in ("actors/C/ab", "actors/C/cd", "actors/C")
    ]


async def test_a_sync_error_is_the_end() -> None:
    desk = Desk()
    failure = desk.flush.failure = OSError(5, "Input/output error")
    first, second = desk.submit(commit_of("a")), desk.submit(commit_of("b"))
    await run_passes()
    desk.flush.failure = None
    third = desk.submit(commit_of("a"))
    await run_passes()
    for durable in (first, second, third):
        error = durable.exception()
        assert isinstance(error, DurableObjectError)
        assert error.durable_object_reset
        assert error.__cause__ is failure
    assert desk.flush.synced == [DATA / "actors/a"]  # never again, and nothing after it
    assert desk.path.is_broken
    assert desk.instrument.batches == []


async def test_a_commit_that_gathered_behind_a_failing_batch_fails_too() -> None:
    desk = Desk()
    desk.flush.failure = OSError(5, "Input/output error")
    desk.submit(commit_of("a"))
    await asyncio.sleep(0)
    behind = desk.submit(commit_of("b"))
    await run_passes()
    assert behind.exception() is not None
    assert desk.flush.synced == [DATA / "actors/a"]


async def test_a_database_is_closed_after_its_commits_are_durable() -> None:
    desk = Desk()
    synced_at_close: list[list[Path]] = []
    durable = desk.submit(commit_of("a"))
    await desk.path.close_database(
        lambda: synced_at_close.append(list(desk.flush.synced)), DATA / "actors/a", checkpoint=None
    )
    assert durable.done()
    assert synced_at_close == [[DATA / "actors/a"]]


async def test_closing_works_on_a_broken_path_and_raises_its_own_error() -> None:
    desk = Desk()
    desk.flush.failure = OSError(5, "Input/output error")
    desk.submit(commit_of("a"))
    await run_passes()
    closed: list[bool] = []
    await desk.path.close_database(lambda: closed.append(True), DATA / "actors/a", checkpoint=None)
    assert closed == [True]

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk.path.close_database(fail, DATA / "actors/a", checkpoint=None)


async def test_process_durability_syncs_nothing_and_still_closes() -> None:
    desk = Desk(Durability.PROCESS)
    assert desk.path.submit(commit_of("a")) is None
    closed: list[bool] = []
    await desk.path.close_database(lambda: closed.append(True), DATA / "actors/a", checkpoint=None)
    assert closed == [True]
    assert desk.flush.synced == []


async def test_aclose_makes_durable_what_was_submitted() -> None:
    desk = Desk()
    durable = desk.submit(commit_of("a"))
    await desk.path.aclose()
    await desk.path.aclose()
    assert durable.done()
    with pytest.raises(AssertionError):
        desk.path.submit(commit_of("a"))


async def test_the_flush_thread_syncs_real_files(tmp_path: Path) -> None:
    threads: list[str] = []

    class WatchedFlush(OsFlush):
        def sync(self, file: Path) -> None:
            threads.append(threading.current_thread().name)
            super().sync(file)

    path = FileCommitPath(
        flush=WatchedFlush(),
        runner=FlushThread(),
        durability=Durability.FULL,
        data_dir=tmp_path,
        instrument=SilentInstrument(),
        on_broken=lambda _: None,
    )
    (tmp_path / "log").write_bytes(b"x")
    durable = path.submit(Commit(ObjectKey("C", "id"), tmp_path / "log", 1, 1))
    assert durable is not None
    await durable
    lost = path.submit(Commit(ObjectKey("C", "id"), tmp_path / "missing", 1, 1))
    assert lost is not None
    with pytest.raises(DurableObjectError):
        await lost
    await path.aclose()
    assert threads == ["flush_0", "flush_0"]
