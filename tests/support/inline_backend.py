"""Storage on real files that is durable within the turn: for tests whose clock outruns a disk."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.flush_port import OsFlush
from boomtown.actors.runtime.ports import Durability, SilentInstrument
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.clock import Clock
from boomtown.entropy import SeededEntropy
from boomtown.limits import RuntimeLimits


def inline_backend(folder: Path, clock: Clock, *classes_with_alarms: str) -> SqliteBackend:
    """A backend without a thread: the same calls take the same passes of the loop."""
    return SqliteBackend(
        data_dir=folder,
        classes_with_alarms=classes_with_alarms,
        durability=Durability.PROCESS,
        flush=OsFlush(),
        runner=FlushInline(),
        log=None,
        options=DatabaseOptions(),
        clock=clock,
        entropy=SeededEntropy(1),
        limits=RuntimeLimits(),
        instrument=SilentInstrument(),
        on_broken=lambda _: None,
    )
