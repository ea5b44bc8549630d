"""What the parts of the runtime need of each other and of the outside, as protocols.

Two seams matter most. `ObjectGate` stands between an object's storage and its gates, so that
storage can be tested without gates and gates without SQLite. `CommitPath` is where commits become
durable (design 4.2): in one shared log (commit_log.py), or each in its own (commit_path.py);
storage only learns when a commit is durable. `FlushPort` is the disk's side of it, real or
simulated.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from boomtown.actors.runtime.promises import Promise

T = TypeVar("T")


class Durability(enum.StrEnum):
    """What a reply, and everything else that leaves an object, waits for."""

    FULL = "full"  # the commit is synced: it survives a power cut
    PROCESS = "process"  # the commit is in the page cache: it survives kill -9


class CommitPathKind(enum.StrEnum):
    """How a commit is made durable, where that is asked for."""

    LOG = "log"  # one shared log: a sync for all commits of a batch
    FILES = "files"  # a sync of each database's own log: the simple way, kept as the reference


class ObjectKey(msgspec.Struct, frozen=True):
    """Names one object on this host."""

    class_name: str
    object_id: str  # 64 hex digits


class Commit(msgspec.Struct, frozen=True):
    """What a committed transaction left in its object's write-ahead log."""

    object_key: ObjectKey
    wal_path: Path
    wal_generation: int  # grows by one at every checkpoint that restarts the log
    wal_end: int  # bytes of the log that hold committed frames; 0 when nothing was written
    is_found: bool = False  # nothing was committed since the file was opened: `wal_end` is its size


class ObjectGate(Protocol):
    """An object's gates, as its storage sees them (instance.py satisfies it)."""

    def check_turn(self, what: str) -> None:
        """Raise unless the code that runs now is a turn of this live object. `what` names the
        operation in the message ("storage.put")."""
        ...

    def request_commit(self) -> None:
        """Have the storage's `commit()` called once, when the present turn ends; idempotent
        within a turn."""
        ...

    def hold_output(self, durable: Promise) -> None:
        """Lock the output gate until `durable` is done. Its failure resets the
        object; later locks do not extend earlier waiters (durable-actors 3.3)."""
        ...

    def reset(self, reason: Exception) -> None:
        """Break the object: uncommitted writes are gone, callers get `reason`."""
        ...

    def block_concurrency_while(self, callback: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Run `callback` as a critical section of the present turn's scope."""
        ...


class CommitPath(Protocol):
    """Where commits become durable."""

    @property
    def durability(self) -> Durability: ...

    def submit(self, commit: Commit) -> Promise | None:
        """Take over a commit. The promise is kept when it is durable, in the order of submission
        for one object; None where replies need not wait (`Durability.PROCESS`)."""
        ...

    def run_checkpoint(
        self, checkpoint: Callable[[], bool], wal_path: Path
    ) -> asyncio.Future[None]:
        """Run `checkpoint`, which says whether it emptied the log, off the loop thread, after
        every commit submitted so far. The caller keeps everybody else from that connection until
        the future is done."""
        ...

    async def close_database(
        self, close: Callable[[], None], wal_path: Path, *, checkpoint: Callable[[], bool] | None
    ) -> None:
        """Run `close` off the loop thread, after every commit of that log is durable; before it,
        where the path thinks it worth it, `checkpoint`."""
        ...

    async def aclose(self) -> None:
        """Make durable what was submitted, then stop."""
        ...


class FlushPort(Protocol):
    """The disk, as far as durability needs it; called in the flush thread."""

    def sync(self, file: Path) -> None:
        """fdatasync of the file's content. Raises OSError; never tried again (fsyncgate)."""
        ...

    def sync_dir(self, folder: Path) -> None:
        """fsync of a folder, which makes the names in it durable."""
        ...


class AlarmRegistry(Protocol):
    """The alarm scheduler, as an object's storage sees it. Invariant: the registered instant is
    never later than the durable one in the object's own database (durable-actors 5.6)."""

    def register(self, key: ObjectKey, name: str | None, at_ms: int | None) -> Promise | None:
        """Set, move or (None) remove the object's alarm. Earlier: before the commit, which waits
        for the promise; later or none: after it is durable. The promise is kept when the index is
        durable, None where nobody need wait. Raises where the index cannot be written."""
        ...


class Instrument(Protocol):
    """Hooks for observers; each is called on the loop thread and must not block."""

    def object_started(self, key: ObjectKey) -> None: ...

    def object_stopped(self, key: ObjectKey, reason: str) -> None: ...

    def alarm_ran(self, key: ObjectKey, late_ms: int, outcome: str) -> None: ...

    def commits_synced(self, commits: int, files: int) -> None: ...


class SilentInstrument:
    """An Instrument that does nothing."""

    def object_started(self, key: ObjectKey) -> None: ...

    def object_stopped(self, key: ObjectKey, reason: str) -> None: ...

    def alarm_ran(self, key: ObjectKey, late_ms: int, outcome: str) -> None: ...

    def commits_synced(self, commits: int, files: int) -> None: ...
