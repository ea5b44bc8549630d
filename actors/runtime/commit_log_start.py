"""Puts a commit log together, once what an earlier life left in it is in the databases.

Both functions do their work in the flusher: a recovery may take seconds. Neither is called while a
database is open, or a commit path of the same data directory lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from boomtown.actors.runtime.commit_log import LogCommitPath, StepRunner
from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.log_recovery import LOG_FOLDER, RecoveredLog, open_log, recover
from boomtown.actors.runtime.log_segments import SegmentBook
from boomtown.actors.runtime.log_upkeep import LogUpkeep
from boomtown.actors.runtime.log_writer import LogWriter
from boomtown.actors.runtime.ports import Instrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.template_files import TemplatePool
from boomtown.limits import CommitLogLimits


class CommitLogParts(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit log works with."""

    disk: LogDisk  # the one that the databases lie on
    flusher: StepRunner
    upkeeper: StepRunner
    is_written: bool  # False: only what an earlier life logged is read, at the start


async def recover_log(
    parts: CommitLogParts, data_dir: Path, limits: CommitLogLimits
) -> RecoveredLog:
    """Put the log's commits into the databases and leave it empty. Raises OSError."""
    return await _run(parts, data_dir, limits, recover)


async def start_log(
    parts: CommitLogParts,
    *,
    data_dir: Path,
    page_size: int,
    limits: CommitLogLimits,
    instrument: Instrument,
    on_broken: Callable[[DurableObjectError], None],
) -> LogCommitPath:
    """Recover, and begin to log. `page_size` is that of new databases. Raises OSError."""
    found = await _run(parts, data_dir, limits, open_log)
    folder = data_dir / LOG_FOLDER
    book = SegmentBook(
        found.spares, next_use_id=found.next_use_id, segments_max=limits.segments_max
    )
    assert book.active is not None
    writer = LogWriter(
        disk=parts.disk, data_dir=data_dir, folder=folder, limits=limits, active=book.active
    )
    pool = TemplatePool(
        parts.disk, folder, page_size=page_size, files_max=limits.template_files_max
    )
    upkeep = LogUpkeep(
        disk=parts.disk, data_dir=data_dir, folder=folder, limits=limits, book=book, pool=pool
    )
    return LogCommitPath(
        writer=writer,
        upkeep=upkeep,
        flusher=parts.flusher,
        upkeeper=parts.upkeeper,
        wal_bytes_kept_max=limits.wal_bytes_kept_max,
        batch_commits_waiting_max=limits.batch_commits_waiting_max,
        instrument=instrument,
        on_broken=on_broken,
    )


async def _run(
    parts: CommitLogParts,
    data_dir: Path,
    limits: CommitLogLimits,
    recovery: Callable[[LogDisk, Path, CommitLogLimits], RecoveredLog],
) -> RecoveredLog:
    found: list[RecoveredLog] = []

    def steps() -> Iterator[None]:
        found.append(recovery(parts.disk, data_dir, limits))
        yield

    await parts.flusher.start(steps())
    return found[0]
