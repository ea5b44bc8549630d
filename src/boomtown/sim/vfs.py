"""SQLite on the simulated disk, and the flush port over it.

Theory of operation. `SimulatedVfs` is a VFS of apsw over one life of a `Disk`; the next life gets a
new one. What SQLite's own unix VFS does for durability is done here too, no more and no less: a
journal or WAL that was opened for creation syncs its folder at its first sync, and a delete syncs
the folder when SQLite asks for it. There is no shared memory, so WAL needs
`locking_mode=EXCLUSIVE`, as in production. A lock is exclusive per name within one life: a second
connection to an open database is busy. Temporary files live outside the disk and vanish.

SQLite draws its randomness (`random()`, WAL salts) once per process from the *default* VFS, and
reads the clock from the connection's own. `virtual_sqlite` makes one VFS the default for a while
and makes SQLite forget what it drew before.

A fault reaches SQLite as its own error: no room as FULL, everything else as IOERR, a stopped
machine as `MachineStopped`, which apsw hands through to the caller of the statement.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, cast

import apsw

from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, parent_of

JULIAN_EPOCH_MS = 210_866_760_000_000  # SQLite counts from noon, 24 November 4714 BC
PATH_BYTES_MAX = 512

_numbers = itertools.count(1)


class SimulatedVfs(apsw.VFS):
    """A VFS over one life of a disk. `name` goes into `apsw.Connection(path, vfs=name)`."""

    def __init__(
        self,
        disk: Disk,
        *,
        now_ms: Callable[[], int],
        choices: Choices,
        is_default: bool = False,
    ) -> None:
        self.name = f"simulated-{next(_numbers)}"
        self.disk = disk
        self.locked: set[str] = set()  # membership only, never iterated
        self._now_ms = now_ms
        self._choices = choices
        self._temporaries = itertools.count(1)
        super().__init__(self.name, "", makedefault=is_default, maxpathname=PATH_BYTES_MAX)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name if isinstance(name, str) or name is None else name.filename()
        wanted = flags[0]
        flags[1] = wanted
        if not path or wanted & apsw.SQLITE_OPEN_DELETEONCLOSE:
            return cast("apsw.VFSFile", MemoryFile())  # apsw asks for methods, not for a class
        with _as_sqlite_errors():
            if not self.disk.exists(path):
                if not wanted & apsw.SQLITE_OPEN_CREATE:
                    raise apsw.CantOpenError(path)
                if not self.disk.is_dir(parent_of(path)):
                    raise apsw.CantOpenError(path)
                self.disk.create(path)
        return cast("apsw.VFSFile", SimulatedFile(self, path, wanted))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with _as_sqlite_errors():
            if not self.disk.exists(filename):
                raise _io_error(apsw.SQLITE_IOERR_DELETE_NOENT)
            self.disk.delete(filename)
            if syncdir:
                self.disk.sync_dir(parent_of(filename))

    def xAccess(self, pathname: str, flags: int) -> bool:
        return self.disk.exists(pathname)

    def xFullPathname(self, name: str) -> str:
        return name if name.startswith("/") else f"/{name}"

    def xRandomness(self, numbytes: int) -> bytes:
        return self._choices.noise(numbytes, label="sqlite")

    def xCurrentTimeInt64(self) -> int:
        return self._now_ms() + JULIAN_EPOCH_MS

    def xCurrentTime(self) -> float:
        return self.xCurrentTimeInt64() / 86_400_000

    def xSleep(self, microseconds: int) -> int:
        return microseconds


class SimulatedFile:
    """An open file, as SQLite sees it."""

    def __init__(self, vfs: SimulatedVfs, path: str, flags: int) -> None:
        self._vfs = vfs
        self._disk = vfs.disk
        self._path = path
        self._has_lock = False
        created = bool(flags & apsw.SQLITE_OPEN_CREATE)
        is_log = bool(flags & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))
        # os_unix.c sets UNIXFILE_DIRSYNC at such an open, and clears it at the first sync.
        self._syncs_folder = created and is_log

    # Reading and writing are what a run does most: no context manager here.

    def xRead(self, amount: int, offset: int) -> bytes:
        try:
            return self._disk.read(self._path, offset, amount)
        except OSError as error:
            raise _sqlite_error(error) from error

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            self._disk.write(self._path, offset, data)
        except OSError as error:
            raise _sqlite_error(error) from error

    def xTruncate(self, newsize: int) -> None:
        with _as_sqlite_errors():
            self._disk.truncate(self._path, newsize)

    def xSync(self, flags: int) -> None:
        with _as_sqlite_errors():
            self._disk.sync(self._path)
            if self._syncs_folder:
                self._syncs_folder = False
                self._disk.sync_dir(parent_of(self._path))

    def xFileSize(self) -> int:
        with _as_sqlite_errors():
            return self._disk.size(self._path)

    def xClose(self) -> None:
        self._unlock()

    def xLock(self, level: int) -> None:
        if self._has_lock:
            return
        if self._path in self._vfs.locked:
            raise apsw.BusyError("locked by another connection")
        self._vfs.locked.add(self._path)
        self._has_lock = True

    def xUnlock(self, level: int) -> None:
        if level == apsw.SQLITE_LOCK_NONE:
            self._unlock()

    def xCheckReservedLock(self) -> bool:
        return self._path in self._vfs.locked and not self._has_lock

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0

    def _unlock(self) -> None:
        if self._has_lock:
            self._vfs.locked.discard(self._path)
            self._has_lock = False


class MemoryFile:
    """A file that is on no disk, as SQLite's temporary ones."""

    def __init__(self) -> None:
        self._content = bytearray()

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        if len(self._content) < offset:
            self._content.extend(bytes(offset - len(self._content)))
        self._content[offset : offset + len(data)] = data

    def xTruncate(self, newsize: int) -> None:
        del self._content[newsize:]

    def xSync(self, flags: int) -> None: ...

    def xFileSize(self) -> int:
        return len(self._content)

    def xClose(self) -> None: ...

    def xLock(self, level: int) -> None: ...

    def xUnlock(self, level: int) -> None: ...

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0


class DiskFlush:
    """Satisfies boomtown.actors.runtime.ports.FlushPort over one life of a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def sync(self, file: Path) -> None:
        self._disk.sync(str(file))

    def sync_dir(self, folder: Path) -> None:
        self._disk.sync_dir(str(folder))


def folder_maker(disk: Disk) -> Callable[[Path], None]:
    """For `DatabaseOptions.make_folders`: makes a folder and what is missing above it. The names
    are volatile until somebody syncs their parents."""

    def make_folders(folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not disk.exists(str(path))]
        for path in reversed(missing):
            disk.mkdir(str(path))

    return make_folders


def folder_lister(disk: Disk) -> Callable[[Path], Sequence[str]]:
    """For `DatabaseOptions.list_folder`: the names in a folder, none where it is not there."""
    return lambda folder: disk.listdir(str(folder)) if disk.is_dir(str(folder)) else ()


@contextlib.contextmanager
def virtual_sqlite(
    disk: Disk, *, now_ms: Callable[[], int], choices: Choices
) -> Generator[SimulatedVfs]:
    """A VFS that is also the default, with SQLite's own randomness drawn from it. On leaving the
    stock VFS is the default again and draws afresh."""
    vfs = SimulatedVfs(disk, now_ms=now_ms, choices=choices, is_default=True)
    apsw.randomness(0)
    try:
        yield vfs
    finally:
        vfs.unregister()
        apsw.randomness(0)


@contextlib.contextmanager
def _as_sqlite_errors() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _sqlite_error(error) from error


def _sqlite_error(error: OSError) -> apsw.Error:
    if error.errno == errno.ENOSPC:
        return apsw.FullError(str(error))
    return _io_error(apsw.SQLITE_IOERR, str(error))


def _io_error(extended: int, message: str = "") -> apsw.IOError:
    error = apsw.IOError(message)
    described: Any = error  # the attribute is documented, and missing in apsw's stubs
    described.extendedresult = extended
    return error
