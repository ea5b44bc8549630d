"""Where commits become durable: each database's own log is synced, in batches, by one flusher.

Theory of operation. A commit is in the page cache when it is submitted. Commits that wait are
grouped by log; one batch is under way at a time, and while it runs new commits gather in the
next, so the busier the host, the more commits share a sync. The flusher (a thread; or the loop
itself, for simulation) syncs the batch's logs, alarm indexes first, then the folders of files
that this process had not met before, from the file's own up to the data directory; then the
loop keeps the promises in the order of submission. A folder's sync covers every file of a
batch in it. Because a batch begins after everything in it was submitted, and batches do not
overlap, the commits of one log become durable in order.

Jobs that need a connection off the loop thread (checkpoints, closing) ride in the same batches,
after the syncs: when a job runs, every commit submitted before it is durable.

An error of a sync is the end (fail-stop): the kernel may have dropped the pages and will call
the next sync a success. The path is broken, every waiting and later future fails, and no sync is
tried again. Closing still works, so that a process can end in order.

A crash before the sync loses what was not acknowledged, whole commits from the end of each log.
After a kill the page cache may hold commits that no disk has: whoever opens a log that is not
empty submits it once and holds its replies (transactions.py).

With `Durability.PROCESS` nothing is synced here; checkpoints and closing work the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import msgspec

from boomtown.actors.runtime.ports import Commit, Durability, FlushPort, Instrument
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError

Job = Callable[[], object]


class FlushRunner(Protocol):
    """Runs one batch at a time, somewhere."""

    def start(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Run `work`; the future is done, on the loop, when it has ended."""
        ...

    def close(self) -> None:
        """Release what it holds; nothing is under way."""
        ...


class FlushThread:
    """One thread of its own: a slow disk does not stop the loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flush")

    def start(self, work: Callable[[], None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        self._executor.shutdown(wait=True)


class FlushInline:
    """The loop's own thread, in a later pass: the same order of events at every run."""

    def start(self, work: Callable[[], None]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            try:
                work()
            except Exception as error:
                ended.set_exception(error)
            else:
                ended.set_result(None)

        loop.call_soon(run)
        return ended

    def close(self) -> None:
        """Nothing to release."""


class _Waiter(msgspec.Struct, frozen=True):
    commit: Commit
    durable: Promise


class _RunningJob(msgspec.Struct):
    job: Job
    ended: asyncio.Future[None]
    error: Exception | None = None


class _Batch(msgspec.Struct):
    waiters: list[_Waiter] = msgspec.field(default_factory=list[_Waiter])
    jobs: list[_RunningJob] = msgspec.field(default_factory=list[_RunningJob])
    files: list[Path] = msgspec.field(default_factory=list[Path])
    folders: list[Path] = msgspec.field(default_factory=list[Path])
    error: OSError | None = None


class FileCommitPath:
    """Syncs each database's own log (satisfies ports.CommitPath). Used on the loop thread."""

    def __init__(
        self,
        *,
        flush: FlushPort,
        runner: FlushRunner,
        durability: Durability,
        data_dir: Path,
        instrument: Instrument,
        on_broken: Callable[[DurableObjectError], None],
    ) -> None:
        """`data_dir` is there and durable; every log lies under it. `on_broken` is told once."""
        self._flush = flush
        self._runner = runner
        self._durability = durability
        self._data_dir = data_dir
        self._instrument = instrument
        self._on_broken = on_broken
        self._next = _Batch()
        self._is_under_way = False
        self._is_closed = False
        self._broken: DurableObjectError | None = None
        self._known_files: set[Path] = set()
        self._known_folders: set[Path] = {data_dir}
        self._idle: asyncio.Future[None] | None = None

    @property
    def durability(self) -> Durability:
        return self._durability

    @property
    def is_broken(self) -> bool:
        """Whether a sync failed: nothing becomes durable any more."""
        return self._broken is not None

    def submit(self, commit: Commit) -> Promise | None:
        if self._durability is Durability.PROCESS:
            return None
        assert not self._is_closed, "a commit after the path was closed"
        durable = Promise()
        if self._broken is not None:
            durable.reject(self._broken.copy())
            return durable
        self._next.waiters.append(_Waiter(commit, durable))
        self._start_soon()
        return durable

    def run_checkpoint(
        self, checkpoint: Callable[[], bool], wal_path: Path
    ) -> asyncio.Future[None]:
        return self.run_job(checkpoint)

    async def close_database(
        self, close: Callable[[], None], wal_path: Path, *, checkpoint: Callable[[], bool] | None
    ) -> None:
        """As the port says; each log is left empty. A log that comes back is looked at as at
        first; `close` runs also when the path is broken, and its error is raised here."""

        def end() -> None:
            try:
                if checkpoint is not None:
                    checkpoint()
            finally:
                close()

        await self.run_job(end)
        self._known_files.discard(wal_path)

    def run_job(self, job: Job) -> asyncio.Future[None]:
        """Run `job` where the syncs run, after every commit submitted so far is durable (or the
        path broken). The future carries its error."""
        assert not self._is_closed, "a job after the path was closed"
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.jobs.append(_RunningJob(job, ended))
        self._start_soon()
        return ended

    async def aclose(self) -> None:
        """Make durable what was submitted, then stop. Idempotent."""
        while self._is_under_way:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)
        self._is_closed = True
        self._runner.close()

    def _start_soon(self) -> None:
        if not self._is_under_way:
            self._is_under_way = True
            # A pass later, so that every turn of this pass shares the batch.
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        batch, self._next = self._next, _Batch()
        if self._broken is None:
            self._plan(batch)  # else only its jobs are left to do
        running = self._runner.start(lambda: self._work(batch))
        running.add_done_callback(lambda ended: self._finish(batch, ended))

    def _plan(self, batch: _Batch) -> None:
        # Indexes first: an alarm's instant is never durable before the index knows it.
        commits = sorted(
            (waiter.commit for waiter in batch.waiters),
            key=lambda commit: commit.object_key.object_id != "",
        )
        batch.files = list(dict.fromkeys(commit.wal_path for commit in commits))
        folders: dict[Path, None] = {}
        for file in batch.files:
            if file not in self._known_files:
                self._known_files.add(file)
                folders.update(dict.fromkeys(self._folders_to_sync(file.parent)))
        batch.folders = list(folders)

    def _folders_to_sync(self, folder: Path) -> list[Path]:
        """The folder that holds a new name, and those above it whose names may be new."""
        wanted = [folder]
        while folder not in self._known_folders:
            self._known_folders.add(folder)
            folder = folder.parent
            wanted.append(folder)
        return wanted

    def _work(self, batch: _Batch) -> None:
        """In the flusher."""
        if batch.error is None:
            try:
                for file in batch.files:
                    self._flush.sync(file)
                for folder in batch.folders:
                    self._flush.sync_dir(folder)
            except OSError as error:
                batch.error = error
        for running in batch.jobs:
            try:
                running.job()
            except Exception as error:
                running.error = error

    def _finish(self, batch: _Batch, ended: asyncio.Future[None]) -> None:
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None:
            batch.error = OSError(f"the flusher died: {failure!r}")
        if batch.error is not None and self._broken is None:
            self._broken = DurableObjectError(
                f"A commit could not be made durable: {batch.error}", durable_object_reset=True
            )
            self._broken.__cause__ = batch.error
            self._on_broken(self._broken)
        for waiter in batch.waiters:
            if self._broken is not None:
                waiter.durable.reject(self._broken.copy())
            else:
                waiter.durable.resolve()
        for running in batch.jobs:
            _finish_job(running)
        if self._broken is None and batch.waiters:
            self._instrument.commits_synced(len(batch.waiters), len(batch.files))
        self._is_under_way = False
        if self._next.waiters or self._next.jobs:
            self._start_soon()
        elif self._idle is not None:
            self._idle.set_result(None)
            self._idle = None


def _finish_job(running: _RunningJob) -> None:
    if running.ended.done():
        return
    if running.error is not None:
        running.ended.set_exception(running.error)
    else:
        running.ended.set_result(None)
