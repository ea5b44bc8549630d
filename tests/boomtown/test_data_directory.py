"""One holder at a time, named; keys made once, for one reader."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from boomtown.data_directory import (
    DataDirectory,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    find_running_server,
)
from boomtown.entropy import SystemSecrets
from boomtown.testing import ManualClock


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = DataDirectory.open(tmp_path / "data", clock=ManualClock())
    first.announce("http://127.0.0.1:1")
    with pytest.raises(DataDirectoryInUse) as refused:
        DataDirectory.open(tmp_path / "data", clock=ManualClock())
    assert f"process {os.getpid()}" in str(refused.value)
    assert "2027-01-15T08:00:00.000Z" in str(refused.value)
    assert "http://127.0.0.1:1" in str(refused.value)
    first.close()
    DataDirectory.open(tmp_path / "data", clock=ManualClock()).close()


def test_a_lock_file_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    DataDirectory.open(folder, clock=ManualClock()).close()
    (folder / "LOCK").write_text('{"pid": 1, "started_at": "long ago"}')
    assert find_running_server(folder) is None
    again = DataDirectory.open(folder, clock=ManualClock())
    found = find_running_server(folder)
    assert found is not None
    assert found.pid == os.getpid()
    again.close()


def test_keys_are_made_once_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    data = DataDirectory.open(tmp_path, clock=ManualClock())
    made = data.get_or_make_key("signing", SystemSecrets())
    assert data.get_or_make_key("signing", SystemSecrets()) == made
    assert stat.S_IMODE((tmp_path / "keys" / "signing").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert data.find_key("other") is None
    data.close()


def test_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    DataDirectory.open(tmp_path, clock=ManualClock()).close()
    (tmp_path / "VERSION").write_text("99\n")
    with pytest.raises(DataDirectoryUnusable, match="version 99"):
        DataDirectory.open(tmp_path, clock=ManualClock())
    assert (tmp_path / "VERSION").read_text() == "99\n"
    assert find_running_server(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="data directory"):
        DataDirectory.open(tmp_path / "file" / "data", clock=ManualClock())
