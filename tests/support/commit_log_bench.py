"""A commit log on a disk of the test's choice, with databases on it, and what it did there."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from boomtown.actors.runtime.commit_log import LogCommitPath, StepRunner, WholeSteps
from boomtown.actors.runtime.commit_log_start import CommitLogParts, start_log
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import WAL_SUFFIX, Database, DatabaseOptions, database_path
from boomtown.actors.runtime.log_disk import OsLogDisk
from boomtown.actors.runtime.ports import ObjectKey, SilentInstrument
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.limits import CommitLogLimits, RuntimeLimits

SMALL = CommitLogLimits(
    segment_bytes=65_536,
    segments_max=3,
    record_bytes_max=32_768,
    wal_bytes_kept_max=32_768,
    template_files_max=4,
    name_bytes_max=1_024,
)


class WatchedDisk(OsLogDisk):
    """The real disk; notes reads, writes and syncs of the log and of own logs, fails when told
    to."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.syncs: list[str] = []
        self.failing_sync: str | None = None  # the beginning of a name
        self.has_room = True

    def read(self, file: Path, offset: int, count: int) -> bytes:
        self.reads.append(file.name)
        return super().read(file, offset, count)

    def write(self, file: Path, offset: int, data: bytes) -> None:
        self.writes.append(file.name)
        super().write(file, offset, data)

    def create(self, file: Path) -> None:
        if not self.has_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        super().create(file)

    def sync(self, file: Path) -> None:
        self.syncs.append(file.name)
        if self.failing_sync is not None and file.name.startswith(self.failing_sync):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))
        super().sync(file)

    def clear(self) -> None:
        """Forget what was noted."""
        self.reads.clear()
        self.writes.clear()
        self.syncs.clear()


class HeldSteps:
    """Takes no step before it is let (satisfies StepRunner)."""

    def __init__(self) -> None:
        self.may_go = asyncio.Event()

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_task(self._take(steps))

    async def _take(self, steps: Iterator[None]) -> None:
        await self.may_go.wait()
        for _ in steps:
            pass

    def close(self) -> None: ...


class CommitLogBench:
    """A log in `data_dir`. Use `start`, then `open`, then `commit`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        limits: CommitLogLimits = SMALL,
        flusher: StepRunner | None = None,
        upkeeper: StepRunner | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.disk = WatchedDisk()
        self.failures: list[DurableObjectError] = []
        self._limits = limits
        self._flusher = flusher or WholeSteps(FlushInline())
        self._upkeeper = upkeeper or WholeSteps(FlushInline())
        self.path: LogCommitPath

    async def start(self) -> CommitLogBench:
        self.path = await start_log(
            CommitLogParts(
                disk=self.disk, flusher=self._flusher, upkeeper=self._upkeeper, is_written=True
            ),
            data_dir=self.data_dir,
            page_size=1024,
            limits=self._limits,
            instrument=SilentInstrument(),
            on_broken=self.failures.append,
        )
        self.disk.clear()
        return self

    def open(self, name: str) -> Database:
        """A database, made where it is not there, with a table."""
        file = database_path(self.data_dir, key_of(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            self.path.make_database(file, file.with_name(file.name + WAL_SUFFIX))
        return Database(file, DatabaseOptions(), RuntimeLimits())

    def commit(self, name: str, database: Database, value: bytes = b"x") -> Promise:
        """Add a row; the promise of its commit."""
        database.run("BEGIN")
        database.run("CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, value)")
        database.run("INSERT INTO row (value) VALUES (?)", (value,))
        database.run("COMMIT")
        return self.submit(name, database)

    def submit(self, name: str, database: Database) -> Promise:
        """Submit what the database has."""
        durable = self.path.submit(database.commit_of(key_of(name)))
        assert durable is not None
        return durable

    async def close(self, database: Database) -> None:
        """Close a database through the path."""
        await self.path.close_database(
            database.close, database.wal_path, checkpoint=database.checkpoint
        )


def key_of(name: str) -> ObjectKey:
    return ObjectKey("C", name.ljust(64, "0"))
