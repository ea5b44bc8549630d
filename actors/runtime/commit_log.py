"""Where commits become durable, the fast way: one log for all databases of a host.

Theory of operation. A commit is in the page cache, at the end of its database's own write-ahead
log, when it is submitted. Commits that wait are taken as one batch by the flusher (log_writer.py),
which copies the new bytes of all of them to the commit log with one write and one sync; while it
works, new commits gather in the next batch. Then the promises are kept, in the order of
submission. A batch begins when a pass of the loop has brought no further commit, or at once when
many wait, in either case not before the last one has ended. The bytes are read on the loop's
thread where that is no more than a look into the page cache: a flusher that needs the interpreter
for each of a hundred reads gets in its way. A power cut may leave the databases' own logs in any
state: the next start writes them anew from the commit log (log_recovery.py).

Alarm indexes stand in the log too, and before the objects in each batch: a log that ends early
then still has every index that an object's commit relies on, and an alarm costs no sync of its own.

Jobs that need a connection off the loop's thread (checkpoints, closing) ride in the same batches,
after the commits. A database with a short log is closed without a checkpoint: the commit log has
it, and forgets it only after the database's own log was synced.

The *upkeep* works beside the flusher, one task at a time, on nothing that the flusher writes: it
makes segments and template files ahead of need, and empties the oldest segments, once the own logs
of the databases that they name are synced. Where it falls behind, batches wait for a segment; the
log never grows past its bound. Where it cannot make files (no room), the log makes do with the
segments that it has.

An error of a write or a sync, here or in the upkeep, is the end (fail-stop): the kernel may have
dropped the pages and will call the next sync a success. Every waiting and later commit fails with
a message that says so, `on_broken` is told once, nothing is synced or checkpointed any more, and
closing still works. What was acknowledged is in the log. A slow disk delays the promises of the
commits that wait for it, and nothing else.

A crash loses commits that no reply has told, whole ones, from the end of each database's log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from boomtown.actors.runtime.commit_path import FlushRunner
from boomtown.actors.runtime.log_upkeep import LogUpkeep, Upkeep
from boomtown.actors.runtime.log_writer import LogWriter, WriteOrder, WriteOutcome
from boomtown.actors.runtime.ports import Commit, Durability, Instrument
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError


class StepRunner(Protocol):
    """Takes steps one after the other, off the loop's thread or between its passes."""

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        """Take every step; the future is done, on the loop, when they are taken or one raised."""
        ...

    def close(self) -> None:
        """Release what it holds; nothing is under way."""
        ...


class WholeSteps:
    """Takes all steps as one piece of work of a FlushRunner (satisfies StepRunner)."""

    def __init__(self, runner: FlushRunner) -> None:
        self._runner = runner

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        def work() -> None:
            for _ in steps:
                pass

        return self._runner.start(work)

    def close(self) -> None:
        self._runner.close()


class _Waiter(msgspec.Struct, frozen=True):
    commit: Commit
    durable: Promise


class _Job(msgspec.Struct):
    wal_path: Path
    checkpoint: Callable[[], bool] | None
    close: Callable[[], None] | None
    ended: asyncio.Future[None]
    error: Exception | None = None


class _Batch(msgspec.Struct):
    waiters: list[_Waiter] = msgspec.field(default_factory=list[_Waiter])
    jobs: list[_Job] = msgspec.field(default_factory=list[_Job])
    created: dict[Path, None] = msgspec.field(default_factory=dict[Path, None])
    forgotten: dict[Path, None] = msgspec.field(default_factory=dict[Path, None])
    error: OSError | None = None


class LogCommitPath:
    """Logs the commits of every database of a host (satisfies ports.CommitPath). Used on the
    loop's thread."""

    def __init__(
        self,
        *,
        writer: LogWriter,
        upkeep: LogUpkeep,
        flusher: StepRunner,
        upkeeper: StepRunner,
        wal_bytes_kept_max: int,
        batch_commits_waiting_max: int,
        instrument: Instrument,
        on_broken: Callable[[DurableObjectError], None],
    ) -> None:
        """`writer` writes to the active segment of the upkeep's book. The two runners do not wait
        for one another."""
        self._writer = writer
        self._upkeep = upkeep
        self._book = upkeep.book
        self._flusher = flusher
        self._upkeeper = upkeeper
        self._wal_bytes_kept_max = wal_bytes_kept_max
        self._batch_commits_waiting_max = batch_commits_waiting_max
        self._instrument = instrument
        self._on_broken = on_broken
        self._next = _Batch()
        self._closed: dict[Path, None] = {}  # logs of closed databases that the writer knows
        self._is_due = False  # a batch is to begin in a later pass of the loop
        self._seen = 0  # commits that waited for it in the pass before
        self._is_under_way = False  # at most one batch
        self._is_tended = False  # at most one task of the upkeep
        self._waits_for_segment = False  # a batch that is under way
        self._begins_segment = False  # in the next batch
        self._is_closed = False
        self._broken: DurableObjectError | None = None
        self._idle: asyncio.Future[None] | None = None

    @property
    def durability(self) -> Durability:
        return Durability.FULL

    @property
    def is_broken(self) -> bool:
        """Whether a write or sync failed: nothing becomes durable any more."""
        return self._broken is not None

    def make_database(self, file: Path, wal_path: Path) -> None:
        """Put an empty database, and its log, where there is none. Raises OSError."""
        self._upkeep.pool.take(file, wal_path)
        self._next.created[wal_path] = None
        self._tend()

    def submit(self, commit: Commit) -> Promise | None:
        assert not self._is_closed, "a commit after the path was closed"
        durable = Promise()
        if self._broken is not None:
            durable.reject(self._broken.copy())
            return durable
        if self._closed:
            self._closed.pop(commit.wal_path, None)
        if self._next.forgotten:
            self._next.forgotten.pop(commit.wal_path, None)
        self._next.waiters.append(_Waiter(commit, durable))
        is_large = len(self._next.waiters) >= self._batch_commits_waiting_max
        if is_large and not self._is_under_way:
            self._start()  # the flusher's time is the loop's, too
        else:
            self._start_soon()
        return durable

    def run_checkpoint(
        self, checkpoint: Callable[[], bool], wal_path: Path
    ) -> asyncio.Future[None]:
        """As the port says; fails without a checkpoint where the path is broken."""
        return self._run_job(wal_path, checkpoint, None)

    async def close_database(
        self, close: Callable[[], None], wal_path: Path, *, checkpoint: Callable[[], bool] | None
    ) -> None:
        """As the port says. A long log is checkpointed, a short one is left; `close` runs also
        when the path is broken, and its error is raised here."""
        await self._run_job(wal_path, checkpoint, close)
        self._closed[wal_path] = None
        self._forget([wal_path])

    def _run_job(
        self,
        wal_path: Path,
        checkpoint: Callable[[], bool] | None,
        close: Callable[[], None] | None,
    ) -> asyncio.Future[None]:
        assert not self._is_closed, "a job after the path was closed"
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.jobs.append(_Job(wal_path, checkpoint, close, ended))
        self._start_soon()
        return ended

    async def settle(self) -> None:
        """Return when everything submitted is durable and nothing is under way."""
        while self._is_due or self._is_under_way or self._is_tended:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def aclose(self) -> None:
        """Make durable what was submitted, then stop. Idempotent. The log keeps what it holds:
        the next start reads it."""
        await self.settle()
        self._is_closed = True
        self._flusher.close()
        self._upkeeper.close()

    # The flusher.

    def _start_soon(self) -> None:
        if not self._is_under_way and not self._is_due:
            self._is_due = True
            self._seen = len(self._next.waiters)
            asyncio.get_running_loop().call_soon(self._start_due)

    def _start_due(self) -> None:
        if not self._is_due:
            return  # it has begun meanwhile
        waiting = len(self._next.waiters)
        if waiting > self._seen and not self._next.jobs:
            # A batch costs two threads' waking one another, and a pass next to nothing.
            self._seen = waiting
            asyncio.get_running_loop().call_soon(self._start_due)
        else:
            self._start()

    def _start(self) -> None:
        self._is_due, self._is_under_way = False, True
        if self._broken is None and self._book.active is None:
            self._waits_for_segment = True
            self._tend()
            return
        batch, self._next = self._next, _Batch()
        outcome = WriteOutcome()
        running = self._flusher.start(self._work(batch, self._order(batch), outcome))
        running.add_done_callback(lambda ended: self._finish(batch, outcome, ended))

    def _order(self, batch: _Batch) -> WriteOrder:
        # Indexes first: an alarm's instant is never durable before the index knows it. Of each
        # database the last commit, in the place of its first.
        indexes: dict[Path, Commit] = {}
        objects: dict[Path, Commit] = {}
        for waiter in batch.waiters:
            commit = waiter.commit
            (objects if commit.object_key.object_id else indexes)[commit.wal_path] = commit
        commits = (*indexes.values(), *objects.values())
        begin = self._book.active if self._begins_segment else None
        self._begins_segment = False
        return WriteOrder(
            begin=begin,
            forgotten=tuple(batch.forgotten),
            created=tuple(batch.created),
            commits=commits,
            ahead=self._writer.read_ahead(commits),
            spare=self._book.spare,
        )

    def _work(self, batch: _Batch, order: WriteOrder, outcome: WriteOutcome) -> Iterator[None]:
        """In the flusher."""
        if self._broken is None:
            try:
                yield from self._writer.write(order, outcome)
            except OSError as error:
                batch.error = error
        if outcome.is_full and batch.error is None:
            return  # the jobs come after every commit
        for job in batch.jobs:
            try:
                yield from self._run(job, batch, outcome)
            except Exception as error:
                job.error = error

    def _run(self, job: _Job, batch: _Batch, outcome: WriteOutcome) -> Iterator[None]:
        try:
            if self._broken is None and batch.error is None:
                yield from self._checkpoint(job, batch, outcome)
            elif job.close is None:
                raise DurableObjectError("The commit log is broken", durable_object_reset=True)
        finally:
            if job.close is not None:
                self._writer.note_closed(job.wal_path)
                job.close()

    def _checkpoint(self, job: _Job, batch: _Batch, outcome: WriteOutcome) -> Iterator[None]:
        is_kept = self._writer.logged_bytes(job.wal_path) <= self._wal_bytes_kept_max
        if job.checkpoint is None or (job.close is not None and is_kept):
            return
        try:
            yield from self._writer.checkpoint(job.wal_path, job.checkpoint, outcome)
        except OSError as error:
            batch.error = error
            raise

    def _finish(self, batch: _Batch, outcome: WriteOutcome, ended: asyncio.Future[None]) -> None:
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None:
            batch.error = OSError(f"the flusher died: {failure!r}")
        if batch.error is not None:
            self._break(batch.error)
        for use_id, wal_paths in outcome.written.items():
            self._book.note_written(use_id, wal_paths)
        for _ in range(outcome.segments_filled):
            self._book.fill_next()
        self._begins_segment = outcome.is_full
        self._book.release(outcome.released, before_use_id=None)
        self._forget(outcome.released)
        self._upkeep.fill_percent = outcome.fill_percent
        if outcome.is_full and self._broken is None:
            self._put_off(batch, outcome)
        self._is_under_way = False
        if len(self._next.waiters) >= self._batch_commits_waiting_max:
            self._start()  # first of all: the flusher works while replies leave
        elif self._next.waiters or self._next.jobs:
            self._start_soon()
        self._complete(batch, outcome)
        self._tend()
        self._note_idle()

    def _put_off(self, batch: _Batch, outcome: WriteOutcome) -> None:
        """What found no room goes first in the next batch, and all jobs, which come after it."""
        left = {commit.wal_path for commit in outcome.left}  # membership only
        waiters = batch.waiters
        self._next.waiters[:0] = [each for each in waiters if each.commit.wal_path in left]
        batch.waiters = [each for each in waiters if each.commit.wal_path not in left]
        self._next.jobs[:0], batch.jobs = batch.jobs, []

    def _complete(self, batch: _Batch, outcome: WriteOutcome) -> None:
        """Release who waited."""
        for waiter in batch.waiters:
            if self._broken is None:
                waiter.durable.resolve()
            else:
                waiter.durable.reject(self._broken.copy())
        for job in batch.jobs:
            _finish_job(job)
        if batch.waiters and self._broken is None:
            self._instrument.commits_synced(len(batch.waiters), outcome.syncs)

    # The upkeep.

    def _tend(self) -> None:
        if self._is_tended or self._broken is not None or self._is_closed:
            return
        task = self._upkeep.next_task()
        if task is None:
            return
        self._is_tended = True
        running = self._upkeeper.start(task.steps)
        running.add_done_callback(lambda ended: self._finish_upkeep(task, ended))

    def _finish_upkeep(self, task: Upkeep, ended: asyncio.Future[None]) -> None:
        self._is_tended = False
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None and (task.is_vital or not isinstance(failure, OSError)):
            self._break(failure)
        elif failure is not None:
            self._upkeep.make_no_more()
        else:
            self._forget(self._upkeep.finish(task))
        if self._broken is None and self._book.active is None and self._book.spare is not None:
            self._book.fill_next()
        self._tend()
        may_go_on = self._book.active is not None or self._broken is not None
        if self._waits_for_segment and may_go_on:
            self._waits_for_segment = False
            asyncio.get_running_loop().call_soon(self._start)
        self._note_idle()

    def _forget(self, wal_paths: list[Path]) -> None:
        for wal_path in wal_paths:
            if wal_path in self._closed and not self._book.rests_on_log(wal_path):
                del self._closed[wal_path]
                self._next.forgotten[wal_path] = None

    def _break(self, error: BaseException) -> None:
        if self._broken is not None:
            return
        self._broken = DurableObjectError(
            f"The commit log could not be written, and nothing more is acknowledged: {error}",
            durable_object_reset=True,
        )
        self._broken.__cause__ = error
        self._on_broken(self._broken)

    def _note_idle(self) -> None:
        is_busy = self._is_due or self._is_under_way or self._is_tended
        if self._idle is not None and not is_busy:
            self._idle.set_result(None)
            self._idle = None


def _finish_job(job: _Job) -> None:
    if job.ended.done():
        return
    if job.error is not None:
        job.ended.set_exception(job.error)
    else:
        job.ended.set_result(None)
