"""What the doctor makes of what it finds."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from boomtown.clock import SystemClock
from boomtown.data_directory import DataDirectory
from boomtown.doctor import (
    GIT_MIN,
    SYNCS,
    Level,
    check_clock,
    check_data_directory,
    check_git,
    check_open_files,
    check_orphans,
    check_port,
    check_python,
    check_sqlite,
    check_sync,
    judge_sync,
)
from boomtown.settings import Settings
from boomtown.testing import ManualClock


def test_an_old_python_fails() -> None:
    assert check_python((3, 10, 9)).level is Level.FAIL
    assert check_python((3, 11, 0)).level is Level.OK


@pytest.mark.parametrize(
    ("said", "level"),
    [
        (None, Level.FAIL),
        ("no version at all", Level.FAIL),
        (f"git version {GIT_MIN[0]}.{GIT_MIN[1] - 1}.9", Level.FAIL),
        (f"git version {GIT_MIN[0]}.{GIT_MIN[1]}.0", Level.OK),
        ("git version 3.0.0.rc1", Level.OK),
    ],
)
def test_git_must_be_there_and_new_enough(said: str | None, level: Level) -> None:
    assert check_git(said).level is level


def test_open_files_are_measured_against_the_open_objects() -> None:
    assert check_open_files(100, 1_000).level is Level.FAIL
    assert check_open_files(1_024, 1_000).level is Level.WARN
    assert check_open_files(20_000, 1_000).level is Level.OK


def test_sqlite_reads_its_pragmas_back_and_leaves_nothing(tmp_path: Path) -> None:
    assert check_sqlite(tmp_path, Settings(data_dir=tmp_path)).level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_syncs_are_counted_and_leave_nothing(tmp_path: Path) -> None:
    found = check_sync(tmp_path, SystemClock())
    assert f"of {SYNCS}" in found.message
    assert list(tmp_path.iterdir()) == []


def test_slow_syncs_are_a_warning_by_their_99th_percentile() -> None:
    assert judge_sync([1] * 99 + [900]).level is Level.WARN
    assert judge_sync([1] * 199 + [900]).level is Level.OK


class SteppingClock(ManualClock):
    """The wall goes on twice as fast as the monotonic clock."""

    def monotonic_ms(self) -> int:
        return super().monotonic_ms() // 2

    async def sleep_until_ms(self, at_ms: int) -> None:
        await self.advance_to_ms(at_ms)


class SteadyClock(ManualClock):
    async def sleep_until_ms(self, at_ms: int) -> None:
        await self.advance_to_ms(at_ms)


async def test_a_wall_clock_that_leaves_the_monotonic_one_is_a_warning() -> None:
    assert (await check_clock(SteppingClock())).level is Level.WARN
    assert (await check_clock(SteadyClock())).level is Level.OK


def test_a_data_directory_names_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert "will be made" in check_data_directory(folder).message
    directory = DataDirectory.open(folder, clock=SystemClock())
    directory.announce("http://127.0.0.1:1")
    held = check_data_directory(folder)
    assert held.level is Level.OK
    assert held.facts["address"] == "http://127.0.0.1:1"
    directory.close()
    assert "is free" in check_data_directory(folder).message


def test_a_data_directory_of_another_version_fails(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("99\n")
    assert check_data_directory(tmp_path).level is Level.FAIL


def test_a_data_directory_that_cannot_be_made_fails() -> None:
    assert check_data_directory(Path("/dev/null/data")).level is Level.FAIL


def test_a_port_that_a_stranger_holds_is_a_warning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert check_port(Settings(port=port), tmp_path).level is Level.WARN
    assert check_port(Settings(port=port), tmp_path).level is Level.OK


def test_a_port_that_our_own_server_holds_is_in_order(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path, clock=SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        directory.announce(f"http://127.0.0.1:{port}")
        assert check_port(Settings(port=port), tmp_path).level is Level.OK
    directory.close()


def test_no_containers_have_no_orphans(tmp_path: Path) -> None:
    assert check_orphans(tmp_path).level is Level.OK
    (tmp_path / "containers" / "instance").mkdir(parents=True)
    assert check_orphans(tmp_path).facts["dead_ledgers"] == 1
