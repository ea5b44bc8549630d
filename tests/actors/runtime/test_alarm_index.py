"""The index's own file: what is in it when, and in how many commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.alarm_index import AlarmIndex
from boomtown.actors.runtime.commit_path import FileCommitPath, FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.ports import Commit, Durability, SilentInstrument
from boomtown.actors.runtime.promises import Promise
from boomtown.limits import RuntimeLimits
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import RecordingFlush


class CountingPath(FileCommitPath):
    """Counts commits."""

    commits = 0

    def submit(self, commit: Commit) -> Promise | None:
        self.commits += 1
        return super().submit(commit)


class Desk:
    """An index with three rows."""

    def __init__(self, data_dir: Path, limits: RuntimeLimits) -> None:
        self._data_dir = data_dir
        self._limits = limits
        self.path = CountingPath(
            flush=RecordingFlush(),
            runner=FlushInline(),
            durability=Durability.FULL,
            data_dir=data_dir,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        self.index = self.open()
        for number in (1, 2, 3):
            self.index.set(str(number), None, number * 1000)

    def open(self) -> AlarmIndex:
        return AlarmIndex(
            data_dir=self._data_dir,
            class_name="Thing",
            options=DatabaseOptions(),
            limits=self._limits,
            commit_path=self.path,
        )

    def instants(self) -> list[int]:
        return [row.scheduled_at_ms for row in self.index.rows()]


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, RuntimeLimits())


async def test_rows_that_go_in_one_pass_go_in_one_commit(desk: Desk) -> None:
    before = desk.path.commits
    for number in (1, 3):
        desk.index.remove(str(number))
    assert desk.path.commits == before
    await run_passes()
    assert desk.path.commits == before + 1
    assert desk.instants() == [2000]


async def test_a_row_that_is_set_again_stays(desk: Desk) -> None:
    desk.index.remove("1")
    desk.index.set("1", None, 1500)
    await run_passes()
    assert desk.instants() == [1500, 2000, 3000]


async def test_what_is_to_go_is_not_shown(desk: Desk) -> None:
    desk.index.remove("2")
    assert desk.instants() == [1000, 3000]


async def test_what_is_to_go_when_the_file_is_closed_has_gone(desk: Desk) -> None:
    desk.index.remove("1")
    await desk.index.aclose()
    desk.index = desk.open()
    assert desk.instants() == [2000, 3000]


async def test_a_row_goes_after_what_a_checkpoint_kept_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, RuntimeLimits(wal_bytes_checkpoint=1))
    desk.index.set("2", None, 2500)  # waits for the checkpoint that the first row asked for
    desk.index.remove("2")
    await run_passes()
    assert desk.instants() == [1000, 3000]


async def test_a_row_that_cannot_be_removed_stays_with_the_others(desk: Desk) -> None:
    await desk.index.aclose()
    desk.index.remove("2")  # of a closed file
    await run_passes()
    desk.index = desk.open()
    assert desk.instants() == [1000, 2000, 3000]
