"""Starts on real files: what the log held is in the databases, and a path may be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObject, Host
from boomtown.actors.runtime.database import Database, DatabaseOptions
from boomtown.actors.runtime.log_disk import OsLogDisk
from boomtown.actors.runtime.log_records import read_segment
from boomtown.actors.runtime.log_recovery import recover
from boomtown.actors.runtime.ports import CommitPathKind
from boomtown.actors.runtime.template_files import make_image
from boomtown.entropy import SeededEntropy
from boomtown.limits import CommitLogLimits, RuntimeLimits
from boomtown.sim.choices import CountingSecrets
from boomtown.testing import ManualClock
from support.commit_log_bench import SMALL, CommitLogBench

LIMITS = RuntimeLimits()


class Cell(DurableObject):
    """Keeps one value."""

    async def write(self, value: int) -> None:
        await self.ctx.storage.put("value", value)

    async def read(self) -> Any:
        return await self.ctx.storage.get("value")


def host_in(folder: Path, kind: CommitPathKind) -> Host:
    return Host(
        classes={"Cell": Cell},
        data_dir=folder,
        clock=ManualClock(),
        entropy=SeededEntropy(1),
        secrets=CountingSecrets(),
        commit_path=kind,
    )


def records_in(folder: Path) -> int:
    """How many records the log of a data directory holds."""
    segments = [read_segment(file.read_bytes()) for file in (folder / "log").glob("segment*")]
    return sum(len(segment.records) for segment in segments if segment is not None)


async def test_what_was_only_in_the_log_is_there_after_a_start(tmp_path: Path) -> None:
    """The own log is as a power cut may leave it: empty."""
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database, b"kept")
    database.close()
    await bench.path.aclose()
    database.wal_path.write_bytes(b"")
    assert recover(OsLogDisk(), tmp_path, SMALL).databases == 1
    again = Database(database.path, DatabaseOptions(), LIMITS)
    assert again.rows("SELECT value FROM row") == [(b"kept",)]
    again.close()


async def test_a_file_whose_name_was_lost_is_made_again(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database, b"kept")
    database.close()
    await bench.path.aclose()
    database.path.unlink()
    database.wal_path.unlink()
    recover(OsLogDisk(), tmp_path, SMALL)
    again = Database(database.path, DatabaseOptions(), LIMITS)
    assert again.rows("SELECT value FROM row") == [(b"kept",)]
    again.close()


async def test_a_recovery_empties_the_log_and_may_be_run_again(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    database.close()
    await bench.path.aclose()
    assert records_in(tmp_path) > 0
    first = recover(OsLogDisk(), tmp_path, SMALL)
    assert records_in(tmp_path) == 0
    again = recover(OsLogDisk(), tmp_path, SMALL)
    assert (first.databases, again.databases) == (1, 0)
    assert again.spares[0].use_id > first.spares[0].use_id


def test_without_a_log_a_recovery_makes_nothing(tmp_path: Path) -> None:
    assert recover(OsLogDisk(), tmp_path, SMALL).spares == ()
    assert list(tmp_path.iterdir()) == []


async def test_segments_of_another_size_are_read_and_removed(tmp_path: Path) -> None:
    bench = await CommitLogBench(tmp_path).start()
    database = bench.open("a")
    await bench.commit("a", database)
    database.close()
    await bench.path.aclose()
    other = CommitLogLimits(segment_bytes=1_048_576)
    found = recover(OsLogDisk(), tmp_path, other)
    assert (found.databases, found.spares) == (1, ())
    assert [file.name for file in (tmp_path / "log").iterdir()] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CommitPathKind.LOG, CommitPathKind.FILES),
        (CommitPathKind.FILES, CommitPathKind.LOG),
        (CommitPathKind.LOG, CommitPathKind.LOG),
    ],
)
async def test_a_data_directory_may_change_its_commit_path(
    tmp_path: Path, before: CommitPathKind, after: CommitPathKind
) -> None:
    async with host_in(tmp_path, before) as host:
        await host.namespace("Cell").get_by_name("a").write(7)
    async with host_in(tmp_path, after) as host:
        assert await host.namespace("Cell").get_by_name("a").read() == 7
        await host.namespace("Cell").get_by_name("a").write(8)
    async with host_in(tmp_path, before) as host:
        assert await host.namespace("Cell").get_by_name("a").read() == 8


async def test_what_was_erased_does_not_come_back_from_the_log(tmp_path: Path) -> None:
    async with host_in(tmp_path, CommitPathKind.LOG) as host:
        await host.namespace("Cell").get_by_name("a").write(7)
        await host.erase()
        await host.namespace("Cell").get_by_name("b").write(8)
    async with host_in(tmp_path, CommitPathKind.LOG) as host:
        assert len(host.list_object_ids("Cell")) == 1
        assert await host.namespace("Cell").get_by_name("b").read() == 8


def test_a_template_is_an_empty_database_in_wal_mode(tmp_path: Path) -> None:
    for page_size in (512, 1024, 4096):
        file = tmp_path / f"{page_size}.sqlite"
        file.write_bytes(make_image(page_size))
        database = Database(file, DatabaseOptions(page_size=1024), LIMITS)
        assert database.page_size == page_size
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
        assert database.rows("SELECT * FROM sqlite_schema") == []
        assert database.wal_end == 0
        database.close()
        assert file.read_bytes() == make_image(page_size)  # opening it writes nothing in place
