"""The storage of a host on this machine's disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from boomtown.actors.runtime.commit_log_start import CommitLogParts
from boomtown.actors.runtime.commit_path import FlushThread
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.flush_port import OsFlush
from boomtown.actors.runtime.log_disk import OsLogDisk
from boomtown.actors.runtime.ports import CommitPathKind, Durability, Instrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.actors.runtime.steps_thread import StepsThread
from boomtown.clock import Clock
from boomtown.entropy import Entropy
from boomtown.limits import RuntimeLimits


def make_local_backend(
    *,
    data_dir: Path,
    classes_with_alarms: Sequence[str],
    durability: Durability,
    commit_path: CommitPathKind,
    clock: Clock,
    entropy: Entropy,
    limits: RuntimeLimits,
    instrument: Instrument,
    on_broken: Callable[[DurableObjectError], None],
) -> SqliteBackend:
    """Threads of its own, from its start to its end."""
    return SqliteBackend(
        data_dir=data_dir,
        classes_with_alarms=classes_with_alarms,
        durability=durability,
        flush=OsFlush(),
        runner=FlushThread(),
        log=CommitLogParts(
            disk=OsLogDisk(),
            flusher=StepsThread(),
            upkeeper=StepsThread(),
            is_written=commit_path is CommitPathKind.LOG,
        ),
        options=DatabaseOptions(),
        clock=clock,
        entropy=entropy,
        limits=limits,
        instrument=instrument,
        on_broken=on_broken,
    )
