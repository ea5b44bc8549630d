"""SQLite on the simulated disk: virtual clock, virtual randomness, faults as its own errors."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from boomtown.actors.runtime.ports import FlushPort
from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, DiskModel, MachineStopped
from boomtown.sim.faults import Fault, FaultKind, PlannedFaults
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, virtual_sqlite

NOW_MS = 1_800_000_000_123


def new_disk(*faults: Fault, model: DiskModel | None = None) -> Disk:
    return Disk(PlannedFaults(faults), model=model)


@contextmanager
def database_on(disk: Disk, path: str = "/a.db") -> Generator[Any]:
    vfs = SimulatedVfs(disk, now_ms=lambda: NOW_MS, choices=Choices(seed=1))
    database: Any = apsw.Connection(path, vfs=vfs.name)
    try:
        database.pragma("locking_mode", "exclusive")
        assert database.pragma("journal_mode", "wal") == "wal"
        yield database
    finally:
        with suppress(MachineStopped):
            database.close(True)
        vfs.unregister()


def drawn_by_sqlite(seed: int) -> tuple[int, str, int]:
    with virtual_sqlite(new_disk(), now_ms=lambda: NOW_MS, choices=Choices(seed=seed)) as vfs:
        database: Any = apsw.Connection("/a.db", vfs=vfs.name)
        drawn = database.execute("select random(), hex(randomblob(8))").fetchall()[0]
        database.pragma("locking_mode", "exclusive")
        database.pragma("journal_mode", "wal")
        database.execute("create table t(a)")
        salt = int.from_bytes(vfs.disk.read("/a.db-wal", 16, 8), "big")
        database.close()
    return (*drawn, salt)


def test_random_and_the_salts_of_the_log_come_from_the_seed() -> None:
    first = drawn_by_sqlite(1)
    assert drawn_by_sqlite(1) == first
    other = drawn_by_sqlite(2)
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_the_stock_vfs_is_the_default_again_afterwards() -> None:
    before = apsw.vfs_names()[0]
    drawn_by_sqlite(1)
    assert apsw.vfs_names()[0] == before
    assert not [name for name in apsw.vfs_names() if name.startswith("simulated-")]


def test_sqlite_s_now_is_the_virtual_instant() -> None:
    with database_on(new_disk()) as database:
        asked = (
            "select strftime('%Y-%m-%dT%H:%M:%f', 'now'), cast(unixepoch('subsec') * 1000 as int)"
        )
        assert database.execute(asked).fetchall() == [("2027-01-15T08:00:00.123", NOW_MS)]


def test_a_second_connection_is_busy() -> None:
    disk = new_disk()
    vfs = SimulatedVfs(disk, now_ms=lambda: NOW_MS, choices=Choices(seed=1))
    first: Any = apsw.Connection("/a.db", vfs=vfs.name)
    first.pragma("locking_mode", "exclusive")
    first.execute("create table t(a)")
    second: Any = apsw.Connection("/a.db", vfs=vfs.name)
    with pytest.raises(apsw.BusyError):
        second.execute("select * from t")
    first.close()
    assert second.execute("select * from t").fetchall() == []
    second.close()
    vfs.unregister()


def test_a_missing_file_or_folder_cannot_be_opened() -> None:
    vfs = SimulatedVfs(new_disk(), now_ms=lambda: NOW_MS, choices=Choices(seed=1))
    read_write = apsw.SQLITE_OPEN_READWRITE
    with pytest.raises(apsw.CantOpenError):
        apsw.Connection("/none.db", vfs=vfs.name, flags=read_write)
    with pytest.raises(apsw.CantOpenError):
        apsw.Connection("/none/a.db", vfs=vfs.name)
    vfs.unregister()


def test_no_room_reaches_sqlite_as_full() -> None:
    disk = new_disk()
    with database_on(disk) as database:
        database.execute("create table t(a)")
        disk.model = DiskModel(bytes_max=40_000)
        with pytest.raises(apsw.FullError):
            database.execute("insert into t values(zeroblob(100000))")
        disk.model = DiskModel()
        database.execute("insert into t values(1)")
        assert database.execute("select a from t").fetchall() == [(1,)]


def test_a_failed_sync_reaches_sqlite_as_an_io_error() -> None:
    disk = new_disk()
    with database_on(disk) as database:
        database.pragma("synchronous", "full")
        disk.faults = PlannedFaults((Fault("disk.sync", 1, FaultKind.IO_ERROR),))
        with pytest.raises(apsw.IOError):
            database.execute("create table t(a)")


def test_a_stopped_machine_stops_the_statement() -> None:
    disk = new_disk()
    with database_on(disk) as database:
        database.execute("create table t(a)")
        disk.stop()
        with pytest.raises(MachineStopped):
            database.execute("insert into t values(1)")


def test_a_new_log_syncs_its_folder_at_its_first_sync() -> None:
    """The third trap of the prototype's disk; os_unix.c does this for journals and logs."""
    disk = new_disk()
    with database_on(disk) as database:
        database.pragma("synchronous", "full")
        database.execute("create table t(a)")
        assert isinstance(disk.faults, PlannedFaults)
        syncs = disk.faults.reached["disk.sync_dir"]
        assert syncs >= 1
        database.execute("insert into t values(1)")
        assert disk.faults.reached["disk.sync_dir"] == syncs
        survivor = disk.after_power_cut(lambda what: False, PlannedFaults())
    assert survivor.listdir("/") == ("a.db", "a.db-wal")


def test_temporary_files_are_not_on_the_disk() -> None:
    disk = new_disk()
    with database_on(disk) as database:
        database.pragma("temp_store", 1)
        database.pragma("cache_size", 2)
        database.execute("create temp table scratch(a)")
        numbers = "with recursive n(i) as (select 1 union all select i + 1 from n limit 500) "
        database.execute(numbers + "insert into scratch select zeroblob(900) from n")
        assert database.execute("select count(*) from scratch").get == 500
        assert disk.listdir("/") == ("a.db",)


def test_the_flush_port_makes_a_log_durable_that_sqlite_did_not_sync() -> None:
    disk = new_disk()
    flush: FlushPort = DiskFlush(disk)
    with database_on(disk) as database:
        database.pragma("synchronous", "off")
        database.execute("create table t(a)")
        flush.sync(Path("/a.db"))
        flush.sync(Path("/a.db-wal"))
        flush.sync_dir(Path("/"))
        database.execute("insert into t values(1)")
        unflushed = disk.after_power_cut(lambda what: False, PlannedFaults())
    with database_on(unflushed) as database:
        assert database.execute("select * from t").fetchall() == []
