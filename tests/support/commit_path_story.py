"""A story for the power-cut sweep: the runtime's own databases and commit path, without objects.

Three databases in three folders take numbered rows by turns. A number is acknowledged when its
commit's future says that it is durable, as a reply would be sent then. Between them: checkpoints,
a database that is closed and opened again, and in a second life what recovery does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import apsw

from boomtown.actors.runtime.commit_path import FileCommitPath, FlushInline, FlushThread
from boomtown.actors.runtime.database import Database, DatabaseOptions, database_path
from boomtown.actors.runtime.ports import Durability, FlushPort, ObjectKey, SilentInstrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.limits import RuntimeLimits
from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.sweep import OK, Ledger
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, folder_maker
from boomtown.sim.virtual_loop import START_MS, VirtualLoop, run_virtually

DATA_DIR = Path("/data")
KEYS = tuple(ObjectKey("Counter", f"{first:02x}" + "0" * 62) for first in range(3))
ROUNDS = 5  # of one number for each database
STOPPED = (MachineStopped, apsw.Error, DurableObjectError, OSError)


class CommitPathStory:
    """`submits_found_log` off plants the bug of trusting the page cache after a kill."""

    def __init__(
        self,
        *,
        durability: Durability = Durability.FULL,
        flush_of: Callable[[Disk], FlushPort] = DiskFlush,
        is_threaded: bool = False,
        submits_found_log: bool = True,
    ) -> None:
        self._durability = durability
        self._flush_of = flush_of
        self._is_threaded = is_threaded
        self._submits_found_log = submits_found_log

    def work(self, disk: Disk, ledger: Ledger) -> None:
        with contextlib.suppress(*STOPPED):
            if not disk.exists(str(DATA_DIR)):
                disk.mkdir(str(DATA_DIR))
            disk.sync_dir("/")
            choices = Choices(seed=len(ledger.attempted))
            vfs = SimulatedVfs(disk, now_ms=lambda: START_MS, choices=choices)
            try:
                run_virtually(lambda loop: self._live(loop, vfs, ledger), choices)
            finally:
                vfs.unregister()

    def check(self, disk: Disk, ledger: Ledger) -> str:
        vfs = SimulatedVfs(disk, now_ms=lambda: START_MS, choices=Choices(seed=0))
        try:
            return check_databases(vfs, ledger)
        except (apsw.Error, DurableObjectError) as error:
            return type(error).__name__
        finally:
            vfs.unregister()

    async def _live(self, loop: VirtualLoop, vfs: SimulatedVfs, ledger: Ledger) -> None:
        path = FileCommitPath(
            flush=self._flush_of(vfs.disk),
            runner=FlushThread() if self._is_threaded else FlushInline(),
            durability=self._durability,
            data_dir=DATA_DIR,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        opened: list[Database] = []
        try:
            for key in KEYS:
                opened.append(await self._open(vfs, key, path, ledger))
            for round_number in range(ROUNDS):
                replies = [
                    self._write(key, database, path, ledger)
                    for key, database in zip(KEYS, opened, strict=True)
                ]
                await asyncio.gather(*replies)
                turn = round_number % len(KEYS)
                if round_number in (1, 3):
                    await path.run_checkpoint(opened[turn].checkpoint, opened[turn].wal_path)
                if round_number == 2:
                    await path.close_database(
                        opened[turn].close, opened[turn].wal_path, checkpoint=None
                    )
                    opened[turn] = await self._open(vfs, KEYS[turn], path, ledger)
            await path.aclose()
        finally:
            for database in opened:
                with contextlib.suppress(*STOPPED):
                    database.close()

    async def _open(
        self, vfs: SimulatedVfs, key: ObjectKey, path: FileCommitPath, ledger: Ledger
    ) -> Database:
        database = open_database(vfs, key)
        if self._submits_found_log and database.wal_end:
            found = path.submit(database.commit_of(key))
            if found is not None:
                await found
        database.run("BEGIN")
        database.run("CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, filler)")
        database.run("CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY, rows)")
        database.run("INSERT OR IGNORE INTO total VALUES (1, 0)")
        database.run("COMMIT")
        # A reader is told what is there, and who was told may rest on it.
        shown = [number for (number,) in database.rows("SELECT number FROM row ORDER BY 1")]
        ledger.acknowledged += [number for number in shown if isinstance(number, int)]
        return database

    async def _write(
        self, key: ObjectKey, database: Database, path: FileCommitPath, ledger: Ledger
    ) -> None:
        number = len(ledger.attempted)
        ledger.attempted.append(number)
        database.run("BEGIN")
        database.run("INSERT INTO row VALUES (?, ?)", (number, bytes(1_500)))
        database.run("UPDATE total SET rows = rows + 1")
        database.run("COMMIT")
        durable = path.submit(database.commit_of(key))
        if durable is not None:
            await durable
        ledger.acknowledged.append(number)


def open_database(vfs: SimulatedVfs, key: ObjectKey) -> Database:
    """The key's database on the simulated disk, made when it is missing."""
    options = DatabaseOptions(vfs=vfs.name, make_folders=folder_maker(vfs.disk))
    return Database(database_path(DATA_DIR, key), options, RuntimeLimits())


def check_databases(vfs: SimulatedVfs, ledger: Ledger) -> str:
    """The verdict over what a later life finds."""
    found: list[int] = []
    for key in KEYS:
        if not vfs.disk.exists(str(database_path(DATA_DIR, key))):
            continue
        database = open_database(vfs, key)
        try:
            if database.rows("PRAGMA integrity_check") != [("ok",)]:
                return "corrupt"
            if not database.has_table("total"):
                continue
            numbers = [number for (number,) in database.rows("SELECT number FROM row ORDER BY 1")]
            if database.read_int("SELECT coalesce(sum(rows), 0) FROM total") != len(numbers):
                return "partial transaction"
            found += [number for number in numbers if isinstance(number, int)]
        finally:
            database.close()
    if not set(found) <= set(ledger.attempted):
        return "phantom"
    if not set(ledger.acknowledged) <= set(found):
        return "lost"
    return OK


class WithoutFileSync(DiskFlush):
    """A planted fault: contents are never synced."""

    def sync(self, file: Path) -> None: ...


class WithoutFolderSync(DiskFlush):
    """A planted fault: names are never synced."""

    def sync_dir(self, folder: Path) -> None: ...


class WithoutParentSync(DiskFlush):
    """A planted fault: a file's own folder is synced, the new folders above it are not."""

    def sync_dir(self, folder: Path) -> None:
        if folder.parent.name == "Counter":
            super().sync_dir(folder)
