"""The simulated disk forgets what was not synced, and nothing else."""

from __future__ import annotations

import errno
import os

import pytest

from boomtown.sim.disk import Disk, DiskModel, Landing, MachineStopped
from boomtown.sim.faults import Fault, FaultKind, PlannedFaults


def nothing(what: str) -> bool:
    return False


def everything(what: str) -> bool:
    return True


def new_disk(*faults: Fault, model: DiskModel | None = None) -> Disk:
    return Disk(PlannedFaults(faults), model=model)


def cut(disk: Disk, landing: Landing) -> Disk:
    return disk.after_power_cut(landing, PlannedFaults())


def kill(disk: Disk) -> Disk:
    return disk.after_kill(PlannedFaults())


def durable_file(disk: Disk, path: str, content: bytes) -> None:
    disk.create(path)
    disk.write(path, 0, content)
    disk.sync(path)
    disk.sync_dir("/")


def test_a_synced_file_in_a_synced_folder_survives() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"kept")
    assert cut(disk, nothing).read("/a") == b"kept"


def test_unsynced_content_lands_or_not() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"old")
    disk.write("/a", 0, b"NEWER")
    assert disk.read("/a") == b"NEWER"
    assert cut(disk, nothing).read("/a") == b"old"
    assert cut(disk, everything).read("/a") == b"NEWER"


def test_pages_tear_at_sectors_of_the_disk() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"." * 2_048)
    disk.write("/a", 500, b"x" * 1_024)  # ends of two sectors and a whole one
    asked: list[str] = []

    def second_sector_only(what: str) -> bool:
        asked.append(what)
        return len(asked) == 2

    survivor = cut(disk, second_sector_only)
    assert asked == ["sector /a"] * 3
    assert survivor.read("/a") == b"." * 512 + b"x" * 512 + b"." * 1_024


def test_truncation_lands_or_not() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"12345678")
    disk.truncate("/a", 3)
    assert cut(disk, nothing).read("/a") == b"12345678"
    assert cut(disk, everything).read("/a") == b"123"


def test_a_name_that_was_not_synced_vanishes_with_its_synced_content() -> None:
    disk = new_disk()
    disk.create("/a")
    disk.write("/a", 0, b"content")
    disk.sync("/a")
    assert not cut(disk, nothing).exists("/a")
    assert cut(disk, everything).read("/a") == b"content"


def test_an_unsynced_delete_comes_back() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"zombie")
    disk.delete("/a")
    assert not disk.exists("/a")
    assert cut(disk, nothing).read("/a") == b"zombie"
    assert not cut(disk, everything).exists("/a")


def test_a_synced_delete_stays_deleted() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"gone")
    disk.delete("/a")
    disk.sync_dir("/")
    assert not cut(disk, nothing).exists("/a")


def test_a_folder_sync_after_delete_and_create_keeps_the_new_file() -> None:
    """The first trap of the prototype's disk: it wiped the new file."""
    disk = new_disk()
    durable_file(disk, "/a", b"old")
    disk.delete("/a")
    disk.create("/a")
    disk.write("/a", 0, b"new")
    disk.sync("/a")
    disk.sync_dir("/")
    assert cut(disk, nothing).read("/a") == b"new"


def test_a_kill_makes_nothing_durable() -> None:
    """The second trap: it hid every bug of a kill that a power cut follows."""
    disk = new_disk()
    durable_file(disk, "/a", b"old")
    disk.write("/a", 0, b"new")
    disk.create("/b")
    second = kill(disk)
    assert second.read("/a") == b"new"
    assert second.exists("/b")
    third = cut(second, nothing)
    assert third.read("/a") == b"old"
    assert not third.exists("/b")


def test_lives_do_not_share_content() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"old")
    second = kill(disk)
    third = kill(disk)
    second.write("/a", 0, b"new")
    assert third.read("/a") == b"old"


def test_a_rename_happens_whole_or_not_at_all() -> None:
    disk = new_disk()
    durable_file(disk, "/a", b"old")
    durable_file(disk, "/b", b"new")
    disk.rename("/b", "/a")
    assert disk.listdir("/") == ("a",)
    before = cut(disk, nothing)
    assert (before.read("/a"), before.read("/b")) == (b"old", b"new")
    after = cut(disk, everything)
    assert (after.listdir("/"), after.read("/a")) == (("a",), b"new")


def test_a_renamed_file_keeps_unsynced_content_unsynced() -> None:
    disk = new_disk()
    disk.create("/b")
    disk.write("/b", 0, b"new")
    disk.rename("/b", "/a")
    disk.sync_dir("/")
    assert cut(disk, nothing).read("/a") == b""


def test_a_new_folder_is_a_name_in_its_parent() -> None:
    disk = new_disk()
    disk.mkdir("/shard")
    disk.create("/shard/a")
    disk.sync_dir("/shard")
    assert cut(disk, nothing).listdir("/") == ()
    assert cut(disk, lambda what: what != "mkdir /shard").listdir("/") == ()
    disk = new_disk()
    disk.mkdir("/shard")
    disk.sync_dir("/")
    disk.create("/shard/a")
    disk.sync_dir("/shard")
    assert cut(disk, nothing).listdir("/shard") == ("a",)


@pytest.mark.parametrize("kind", [FaultKind.POWER_CUT, FaultKind.KILL])
def test_the_machine_stops_before_the_nth_operation_and_for_ever(kind: FaultKind) -> None:
    disk = new_disk(Fault("disk.op", 3, kind))
    disk.create("/a")
    disk.write("/a", 0, b"1")
    with pytest.raises(MachineStopped, match=kind.value):
        disk.write("/a", 1, b"2")
    for attempt in (
        lambda: disk.write("/a", 0, b"3"),
        lambda: disk.read("/a"),
        lambda: disk.sync("/a"),
        lambda: disk.exists("/a"),
        lambda: disk.listdir("/"),
    ):
        with pytest.raises(MachineStopped):
            attempt()
    assert kill(disk).read("/a") == b"1"


def test_an_io_error_fails_one_operation() -> None:
    disk = new_disk(Fault("disk.write", 2, FaultKind.IO_ERROR))
    disk.create("/a")
    disk.write("/a", 0, b"1")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.write("/a", 0, b"2")
    disk.write("/a", 1, b"3")
    assert disk.read("/a") == b"13"


def test_after_a_failed_sync_a_second_one_has_nothing_to_save() -> None:
    disk = new_disk(Fault("disk.sync", 2, FaultKind.IO_ERROR))
    durable_file(disk, "/a", b"old")
    disk.write("/a", 0, b"new")
    with pytest.raises(OSError, match="error"):
        disk.sync("/a")
    disk.sync("/a")
    assert disk.read("/a") == b"new"
    assert cut(disk, everything).read("/a") == b"old"


def test_a_full_disk_refuses_growth_until_room_is_made() -> None:
    disk = new_disk(model=DiskModel(bytes_max=10))
    disk.create("/a")
    disk.write("/a", 0, b"x" * 8)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        disk.write("/a", 8, b"xyz")
    disk.write("/a", 0, b"y" * 8)
    disk.truncate("/a", 2)
    disk.write("/a", 2, b"x" * 8)
    assert disk.size("/a") == 10


def test_one_operation_can_find_no_room() -> None:
    disk = new_disk(Fault("disk.create", 1, FaultKind.DISK_FULL))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        disk.create("/a")
    assert not disk.exists("/a")


def test_names_are_refused_as_a_file_system_does() -> None:
    disk = new_disk()
    disk.create("/a")
    disk.mkdir("/d")
    with pytest.raises(FileExistsError):
        disk.create("/a")
    with pytest.raises(FileExistsError):
        disk.mkdir("/d")
    with pytest.raises(FileNotFoundError):
        disk.create("/none/a")
    with pytest.raises(NotADirectoryError):
        disk.create("/a/b")
    with pytest.raises(FileNotFoundError):
        disk.read("/none")
    with pytest.raises(IsADirectoryError):
        disk.read("/d")
    assert disk.is_dir("/d")
    assert not disk.is_dir("/a")
