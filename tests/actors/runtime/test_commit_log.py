"""The shared commit log as a commit path: what shares a sync, what an error does, what waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from boomtown.actors.runtime.log_recovery import recover
from boomtown.actors.runtime.log_writer import READ_AHEAD_BYTES_MAX
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.limits import CommitLogLimits
from boomtown.testing.manual_clock import run_passes
from support.commit_log_bench import SMALL, CommitLogBench, HeldSteps, key_of

SEGMENT = "segment-1.log"


async def test_commits_of_one_pass_are_one_write_and_one_sync(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    opened = {name: bench.open(name) for name in ("a", "b", "c")}
    bench.disk.clear()
    await asyncio.gather(*(bench.commit(name, opened[name]) for name in "abca"))
    assert [name for name in bench.disk.writes if name == SEGMENT] == [SEGMENT]
    assert [name for name in bench.disk.syncs if not name.startswith("template")] == [SEGMENT]
    await bench.path.aclose()


async def test_commits_gather_while_a_batch_is_under_way(tmp_path: Path) -> None:
    flusher = HeldSteps()
    flusher.may_go.set()
    bench = await CommitLogBench(tmp_path, flusher=flusher).start()
    database = bench.open("a")
    flusher.may_go.clear()
    first = bench.commit("a", database)
    await run_passes()
    others = [bench.commit("a", database) for _ in range(5)]
    await run_passes()
    assert not first.done()
    flusher.may_go.set()
    await asyncio.gather(first, *others)
    assert bench.disk.syncs.count(SEGMENT) == 2
    await bench.path.aclose()


async def test_after_a_failed_sync_nothing_is_acknowledged_or_synced_any_more(
    tmp_path: Path,
) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    bench.disk.failing_sync = "segment"
    waiting = bench.commit("a", database)
    with pytest.raises(DurableObjectError, match="Input/output error"):
        await waiting
    bench.disk.failing_sync = None
    bench.disk.clear()
    with pytest.raises(DurableObjectError, match="nothing more is acknowledged"):
        await bench.commit("a", database)
    assert bench.disk.syncs == []
    assert bench.path.is_broken
    assert len(bench.failures) == 1


async def test_a_broken_log_checkpoints_nothing_and_still_closes(tmp_path: Path) -> None:
    """A main file that has taken what the log does not hold would be led backwards."""
    bench = await CommitLogBench(
        tmp_path, limits=msgspec.structs.replace(SMALL, wal_bytes_kept_max=0)
    ).start()
    database = bench.open("a")
    await bench.commit("a", database)
    before = database.path.read_bytes()
    bench.disk.failing_sync = "segment"
    await asyncio.gather(bench.commit("a", database), return_exceptions=True)
    with pytest.raises(DurableObjectError):
        await bench.path.run_checkpoint(database.checkpoint, database.wal_path)
    await bench.close(database)
    assert database.path.read_bytes() == before
    await bench.path.aclose()


async def test_the_flusher_need_not_read_what_was_just_committed(tmp_path: Path) -> None:
    flusher = HeldSteps()
    flusher.may_go.set()
    bench = await CommitLogBench(tmp_path, flusher=flusher).start()
    database = bench.open("a")
    await bench.commit("a", database)
    flusher.may_go.clear()
    bench.disk.clear()
    durable = bench.commit("a", database)
    await run_passes()
    assert bench.disk.reads == [database.wal_path.name]
    flusher.may_go.set()
    await durable
    assert bench.disk.reads == [database.wal_path.name]
    await bench.path.aclose()


async def test_a_long_commit_is_left_to_the_flusher(tmp_path: Path) -> None:
    flusher = HeldSteps()
    flusher.may_go.set()
    bench = await CommitLogBench(tmp_path, limits=CommitLogLimits(), flusher=flusher).start()
    database = bench.open("a")
    await bench.commit("a", database)
    flusher.may_go.clear()
    bench.disk.clear()
    durable = bench.commit("a", database, bytes(READ_AHEAD_BYTES_MAX))
    await run_passes()
    assert bench.disk.reads == []
    flusher.may_go.set()
    await durable
    await bench.path.aclose()


async def test_a_short_log_is_left_when_its_database_is_closed(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    await bench.close(database)
    assert database.wal_path.stat().st_size > 0
    bench.disk.clear()
    again = bench.open("a")
    await bench.submit("a", again)
    await bench.commit("a", again)
    assert bench.disk.syncs == [SEGMENT]  # its own log was not: this process knows its end
    await bench.path.aclose()


async def test_what_stands_behind_the_last_commit_is_synced_before_it_is_shown(
    tmp_path: Path,
) -> None:
    """A commit that failed may be whole in the file all the same."""
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    await bench.close(database)
    with database.wal_path.open("ab") as log:
        log.write(bytes(100))
    bench.disk.clear()
    again = bench.open("a")
    await bench.submit("a", again)
    assert again.wal_path.name in bench.disk.syncs
    await bench.commit("a", again)
    assert again.rows("SELECT count(*) FROM row") == [(2,)]
    await bench.path.aclose()


async def test_a_long_log_is_emptied_when_its_database_is_closed(tmp_path: Path) -> None:
    limits = msgspec.structs.replace(SMALL, wal_bytes_kept_max=1_000)
    bench = await CommitLogBench(tmp_path, limits=limits).start()
    database = bench.open("a")
    await bench.commit("a", database)
    await bench.close(database)
    assert database.wal_path.stat().st_size == 0
    again = bench.open("a")
    await bench.commit("a", again)
    assert again.rows("SELECT count(*) FROM row") == [(2,)]
    await bench.path.aclose()


async def test_a_database_that_this_process_has_not_met_is_synced_itself(tmp_path: Path) -> None:
    """What a killed process left in the page cache may be on no disk."""
    first = await CommitLogBench(tmp_path).start()
    database = first.open("a")
    await first.commit("a", database)
    database.close()
    bench = await CommitLogBench(tmp_path).start()
    again = bench.open("a")
    await bench.submit("a", again)
    assert bench.disk.syncs[0] == again.wal_path.name
    await first.path.aclose()
    await bench.path.aclose()


async def test_a_range_that_is_longer_than_a_record_is_synced_in_the_own_log(
    tmp_path: Path,
) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    bench.disk.clear()
    await bench.commit("a", database, bytes(SMALL.record_bytes_max))
    assert bench.disk.syncs == [database.wal_path.name, SEGMENT]
    assert recover(bench.disk, tmp_path, SMALL).databases == 1
    await bench.path.aclose()


async def test_batches_wait_for_a_segment_and_the_log_keeps_its_bound(tmp_path: Path) -> None:
    upkeeper = HeldSteps()
    bench = await CommitLogBench(tmp_path, upkeeper=upkeeper).start()
    database = bench.open("a")
    commits = [bench.commit("a", database, bytes(9_000))]
    while commits[-1].done() or len(commits) < 4:
        commits.append(bench.commit("a", database, bytes(9_000)))
        await run_passes()
    assert not commits[-1].done()  # the only segment is full
    upkeeper.may_go.set()
    await asyncio.gather(*commits)
    for _ in range(60):
        await bench.commit("a", database, bytes(9_000))
    segments = [name for name in bench.disk.list_folder(tmp_path / "log") if "segment" in name]
    assert len(segments) == SMALL.segments_max
    await bench.path.aclose()


async def test_without_room_for_more_the_log_makes_do_with_one_segment(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    bench.disk.has_room = False
    for _ in range(40):
        await bench.commit("a", database, bytes(9_000))
    assert not bench.path.is_broken
    assert bench.disk.list_folder(tmp_path / "log") == [SEGMENT]
    await bench.path.aclose()


async def test_a_failed_sync_of_the_upkeep_breaks_the_path_too(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    bench.disk.has_room = False
    bench.disk.failing_sync = database.wal_path.name

    async def fill() -> None:
        for _ in range(40):
            await bench.commit("a", database, bytes(9_000))

    with pytest.raises(DurableObjectError, match="commit log could not be written"):
        await fill()
    assert len(bench.failures) == 1


async def test_new_databases_come_from_the_templates_and_sync_nothing(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    for name in ("a", "b", "c"):  # the pool learns how many are wanted
        await bench.commit(name, bench.open(name))
    await bench.path.settle()
    bench.disk.clear()
    database = bench.open("d")
    assert bench.disk.syncs == []
    assert database.path.stat().st_size == 1024
    await bench.commit("d", database)
    await bench.path.aclose()


async def test_closed_databases_that_no_segment_needs_are_forgotten(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    await bench.path.run_checkpoint(database.checkpoint, database.wal_path)
    await bench.close(database)
    other = bench.open("b")
    await bench.commit("b", other)  # the batch that forgets
    bench.disk.clear()
    again = bench.open("a")
    await bench.commit("a", again)
    assert again.wal_path.name in bench.disk.syncs  # met as if for the first time
    assert again.rows("SELECT count(*) FROM row") == [(2,)]
    assert key_of("a") != key_of("b")
    await bench.path.aclose()
