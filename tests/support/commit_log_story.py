"""A story for the power-cut sweep: databases on the shared commit log, without objects.

Three databases and an alarm index take numbered transactions by turns: rows, several pages, a
full-text index, new tables, user_version, and now and then more than a record may hold. Between
them: checkpoints, databases that are closed and opened again, segments that fill and are used
again (they are tiny). Each life begins with a recovery, as a server's does.

`Plan.disk_of` and the switches beside it are where a test plants a fault (commit_log_faults.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec

from boomtown.actors.runtime.commit_log import LogCommitPath, StepRunner, WholeSteps
from boomtown.actors.runtime.commit_log_start import CommitLogParts, start_log
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import WAL_SUFFIX, Database, DatabaseOptions, database_path
from boomtown.actors.runtime.log_recovery import recover
from boomtown.actors.runtime.ports import ObjectKey, SilentInstrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.limits import CommitLogLimits, RuntimeLimits
from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.sweep import OK, Ledger
from boomtown.sim.vfs import SimulatedVfs, folder_maker
from boomtown.sim.virtual_loop import START_MS, VirtualLoop, run_virtually

DATA_DIR = Path("/data")
KEYS = tuple(ObjectKey("Counter", f"{first:02x}" + "0" * 62) for first in range(3))
STOPPED = (MachineStopped, apsw.Error, DurableObjectError, OSError)
KINDS = ("row", "table", "pages", "version", "row", "row", "large")
TOUCH_ONE = (
    "UPDATE row SET touches = touches + 1 WHERE number ="
    " (SELECT number FROM row LIMIT 1 OFFSET ? * 7 % (SELECT max(1, count(*)) FROM row))"
)
# As small as they may be: every few commits fill a segment.
LIMITS = CommitLogLimits(
    segment_bytes=16_384,
    segments_max=3,
    record_bytes_max=9_000,
    batch_commits_waiting_max=2,
    wal_bytes_kept_max=12_000,
    template_files_max=2,
    name_bytes_max=256,
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a story does, and what is wrong with it."""

    rounds: int = 5
    limits: CommitLogLimits = LIMITS
    seed: int = 0
    interleaves: bool = False  # the flusher's and the upkeep's steps among everything else
    disk_of: Callable[[Disk], SimulatedLogDisk] = SimulatedLogDisk
    recovers: bool = True
    trusts_found_end: bool = False


class InterleavedSteps:
    """Takes each step in a later pass of a virtual loop, so its choices decide what comes
    between (satisfies StepRunner)."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_task(self._take(steps))

    async def _take(self, steps: Iterator[None]) -> None:
        for _ in steps:
            for _ in range(self._choices.below(3, label="passes of a step")):
                await asyncio.sleep(0)

    def close(self) -> None: ...


class CommitLogStory:
    """The commit log under test."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or Plan()

    def work(self, disk: Disk, ledger: Ledger) -> None:
        with contextlib.suppress(*STOPPED):
            if not disk.exists(str(DATA_DIR)):
                disk.mkdir(str(DATA_DIR))
            disk.sync_dir("/")
            choices = Choices(seed=self._plan.seed * 100_000 + len(ledger.attempted))
            vfs = SimulatedVfs(disk, now_ms=lambda: START_MS, choices=choices)
            life = Life(self._plan, vfs, ledger, choices)
            try:
                run_virtually(life.run, choices)
            finally:
                vfs.unregister()

    def check(self, disk: Disk, ledger: Ledger) -> str:
        vfs = SimulatedVfs(disk, now_ms=lambda: START_MS, choices=Choices(seed=0))
        try:
            log_disk = self._plan.disk_of(disk)
            if self._plan.recovers:
                recover(log_disk, DATA_DIR, self._plan.limits)
            return check_databases(vfs, ledger)
        except (apsw.Error, OSError) as error:
            return type(error).__name__
        finally:
            vfs.unregister()


class Life:
    """One life of the story, on one loop."""

    def __init__(self, plan: Plan, vfs: SimulatedVfs, ledger: Ledger, choices: Choices) -> None:
        self._plan = plan
        self._vfs = vfs
        self._ledger = ledger
        self._choices = choices
        self._disk = plan.disk_of(vfs.disk)
        self._opened: dict[ObjectKey, Database] = {}

    async def run(self, loop: VirtualLoop) -> None:
        # What a stopped machine's tasks die of is no news; the verdict comes from `check`.
        loop.set_exception_handler(lambda _, context: None)
        if not self._plan.recovers:
            forget_log(self._disk)
        path = await self._start()
        try:
            for key in KEYS:
                await self._open(key, path)
            for round_number in range(self._plan.rounds):
                await asyncio.gather(*(self._write(key, path) for key in KEYS))
                await self._move(KEYS[round_number % len(KEYS)], path)
        finally:
            with contextlib.suppress(*STOPPED):
                await path.aclose()
            for database in self._opened.values():
                with contextlib.suppress(*STOPPED):
                    database.close()

    async def _start(self) -> LogCommitPath:
        parts = CommitLogParts(
            disk=self._disk,
            flusher=self._new_runner(),
            upkeeper=self._new_runner(),
            is_written=True,
        )
        return await start_log(
            parts,
            data_dir=DATA_DIR,
            page_size=512,
            limits=self._plan.limits,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )

    def _new_runner(self) -> StepRunner:
        if self._plan.interleaves:
            return InterleavedSteps(self._choices)
        return WholeSteps(FlushInline())

    async def _move(self, key: ObjectKey, path: LogCommitPath) -> None:
        """Between two rounds: nothing, a checkpoint, or the file is closed and opened again."""
        database = self._opened[key]
        match self._choices.below(4, label="move"):
            case 0:
                await path.run_checkpoint(database.checkpoint, database.wal_path)
            case 1 | 2:
                await path.close_database(
                    database.close, database.wal_path, checkpoint=database.checkpoint
                )
                await self._open(key, path)
            case _:
                pass

    async def _open(self, key: ObjectKey, path: LogCommitPath) -> None:
        file = database_path(DATA_DIR, key)
        folder_maker(self._vfs.disk)(file.parent)
        if not self._vfs.disk.exists(str(file)):
            path.make_database(file, file.with_name(file.name + WAL_SUFFIX))
        database = self._opened[key] = open_database(self._vfs, key)
        if database.wal_end:
            found = database.commit_of(key)
            if self._plan.trusts_found_end:
                found = msgspec.structs.replace(found, is_found=False)
            durable = path.submit(found)
            assert durable is not None
            await durable
        if not database.has_table("total"):
            database.run("BEGIN")
            database.run("CREATE TABLE row (number INTEGER PRIMARY KEY, touches, filler)")
            database.run("CREATE TABLE total (id INTEGER PRIMARY KEY, rows, touches)")
            database.run("INSERT INTO total VALUES (1, 0, 0)")
            database.run("CREATE VIRTUAL TABLE words USING fts5(word)")
            database.run("COMMIT")
        # A reader is told what is there, and who was told may rest on it.
        self._ledger.acknowledged += numbers_in(database)

    async def _write(self, key: ObjectKey, path: LogCommitPath) -> None:
        number = len(self._ledger.attempted)
        self._ledger.attempted.append(number)
        database = self._opened[key]
        kind = kind_of(number)
        filler = {"pages": 1_800, "large": 12_000}.get(kind, 150)
        database.run("BEGIN")
        # One old row each time: a page that the last few commits need not have written.
        database.run(TOUCH_ONE, (number,))
        database.run("INSERT INTO row VALUES (?, 0, ?)", (number, bytes([number % 256]) * filler))
        database.run("UPDATE total SET rows = rows + 1, touches = touches + 1")
        database.run("INSERT INTO words (rowid, word) VALUES (?, ?)", (number, f"word{number}"))
        if kind == "table":
            database.run(f"CREATE TABLE made{number} (value)")
        if kind == "version":
            database.run(f"PRAGMA user_version = {number + 1}")
        database.run("COMMIT")
        durable = path.submit(database.commit_of(key))
        assert durable is not None
        await durable
        self._ledger.acknowledged.append(number)


def kind_of(number: int) -> str:
    """What the transaction of that number does beside its row."""
    return KINDS[number % len(KINDS)]


def forget_log(disk: SimulatedLogDisk) -> None:
    """A planted fault: a start that does not recover."""
    folder = DATA_DIR / "log"
    for name in disk.list_folder(folder):
        disk.remove(folder / name)


def open_database(vfs: SimulatedVfs, key: ObjectKey) -> Database:
    """The key's database on the simulated disk."""
    options = DatabaseOptions(page_size=512, vfs=vfs.name, make_folders=folder_maker(vfs.disk))
    return Database(database_path(DATA_DIR, key), options, RuntimeLimits())


def numbers_in(database: Database) -> list[int]:
    """Of the transactions that a database shows."""
    rows = database.rows("SELECT number FROM row ORDER BY 1")
    return [number for (number,) in rows if isinstance(number, int)]


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
            if not _is_whole(database):
                return "partial transaction"
            found += numbers_in(database)
        finally:
            database.close()
    if not set(found) <= set(ledger.attempted):
        return "phantom"
    return OK if set(ledger.acknowledged) <= set(found) else "lost"


def _is_whole(database: Database) -> bool:
    numbers = numbers_in(database)
    words = [number for (number,) in database.rows("SELECT rowid FROM words ORDER BY rowid")]
    tables = {
        name for (name,) in database.rows("SELECT name FROM sqlite_schema WHERE name GLOB 'made*'")
    }
    versions = [number + 1 for number in numbers if kind_of(number) == "version"]
    return (
        database.read_int("SELECT rows FROM total") == len(numbers)
        and database.read_int("SELECT touches FROM total") == len(numbers)
        and database.read_int("SELECT coalesce(sum(touches), 0) FROM row")
        == max(0, len(numbers) - 1)
        and words == numbers
        and tables == {f"made{number}" for number in numbers if kind_of(number) == "table"}
        and database.read_int("PRAGMA user_version") == max(versions, default=0)
    )
