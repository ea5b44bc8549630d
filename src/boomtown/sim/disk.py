"""An in-memory disk that forgets: volatile write cache, volatile names, faults at any operation.

Theory of operation. A file is an inode with two contents: `live`, what a process reads (the page
cache), and `durable`, what the platter holds, plus the ordered operations between the two. `sync`
makes one file's content durable; it says nothing about the file's name. Names are entries of
folders, with the same two sides: creating, renaming and removing are volatile until the folder is
synced (`sync_dir`), and a new folder is itself a name in its parent. So a file survives a power
cut when its content was synced, and its folder, and every folder above that is new.

Outages end a disk's life; the survivor is a new `Disk`, and the old one raises `MachineStopped`
for ever, whoever still holds it.

* `after_power_cut(landing)`: each unsynced name operation landed or not, each unsynced write
  landed or not sector by sector (512 bytes, so pages tear), each truncation landed or not, as
  `landing` says. Everything left is durable.
* `after_kill()`: the process died. The page cache stays; nothing became durable by it, so a power
  cut in the next life still takes what this life did not sync.

Faults are asked for at each operation, under the points "disk.op" (every change, the nth of all),
"disk.<operation>" and "disk.read". POWER_CUT and KILL stop the machine *before* the operation; an
I/O error fails it. A failed sync leaves the content readable and never durable, as Linux does
after it has marked the pages clean: whoever syncs again and succeeds has learned nothing.

`DiskModel` switches parts of the fidelity off, for proving that a sweep would notice.

Deliberately not modelled: reordering of synced writes (a sync is a barrier here), hard links, bit
rot, permissions, a file's times, a file that stays open after its name is gone. A renamed file
keeps its unsynced content unsynced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn, assert_never

from boomtown.sim.faults import FaultKind, FaultPoints

SECTOR_BYTES: Final = 512
ROOT = "/"

# Called once for each thing that may or may not have landed; the text names it.
Landing = Callable[[str], bool]


class MachineStopped(Exception):
    """The simulated machine is off or its process dead: nothing can be done there any more."""


class DiskModel(NamedTuple):
    """What the disk promises; anything but the default is a lie planted for a test."""

    sync_works: bool = True  # False: a sync answers and does nothing
    dir_sync_works: bool = True  # False: the same for folders
    bytes_max: int | None = None  # of all files; None is endless


class _Write(NamedTuple):
    offset: int
    data: bytes


class _Truncate(NamedTuple):
    size: int


class _Inode:
    def __init__(self, content: bytes = b"", *, number: int) -> None:
        self.number = number
        self.live = bytearray(content)
        self.durable = bytearray(content)
        self.unsynced: list[_Write | _Truncate] = []

    def change(self, operation: _Write | _Truncate) -> None:
        _apply(self.live, operation)
        self.unsynced.append(operation)

    def settle(self) -> None:
        for operation in self.unsynced:
            _apply(self.durable, operation)
        self.unsynced.clear()

    def image_after_cut(self, name: str, landing: Landing) -> bytes:
        image = bytearray(self.durable)
        for operation in self.unsynced:
            match operation:
                case _Truncate():
                    if landing(f"truncate {name}"):
                        _apply(image, operation)
                case _Write(offset, data):
                    for sector in _sectors(offset, data):
                        if landing(f"sector {name}"):
                            _apply(image, sector)
        return bytes(image)

    def copy(self) -> _Inode:
        twin = _Inode(number=self.number)
        twin.live = bytearray(self.live)
        twin.durable = bytearray(self.durable)
        twin.unsynced = list(self.unsynced)
        return twin


def _apply(image: bytearray, operation: _Write | _Truncate) -> None:
    # Where a run spends most of its time on the disk: no pattern to match, one slice.
    if isinstance(operation, _Write):
        offset, data = operation
        end = offset + len(data)
        if len(image) < end:
            image.extend(bytes(end - len(image)))
        image[offset:end] = data
        return
    size = operation.size
    if size < len(image):
        del image[size:]
    else:
        image.extend(bytes(size - len(image)))


def _sectors(offset: int, data: bytes) -> list[_Write]:
    """The parts of a write that land as one: cut where the disk's sectors begin."""
    parts: list[_Write] = []
    start = 0
    while start < len(data):
        size = SECTOR_BYTES - (offset + start) % SECTOR_BYTES
        parts.append(_Write(offset + start, data[start : start + size]))
        start += size
    return parts


class _NameChange(NamedTuple):
    """An entry set, removed, or both at once (a rename, which lands whole or not at all)."""

    what: str
    removed: str | None
    added: str | None
    target: _Inode | None  # None: `added` is a folder

    def folders(self) -> tuple[str, ...]:
        return tuple(parent_of(path) for path in (self.removed, self.added) if path is not None)


Names = dict[str, _Inode | None]  # path -> file, or None for a folder


def _apply_name(names: Names, change: _NameChange) -> None:
    if change.removed is not None:
        names.pop(change.removed, None)
    if change.added is not None:
        names[change.added] = change.target


def parent_of(path: str) -> str:
    """The folder that holds this name."""
    return path.rpartition("/")[0] or ROOT


class Disk:
    """One life of a simulated disk. Paths are absolute and normal ("/a/b")."""

    def __init__(self, faults: FaultPoints, *, model: DiskModel | None = None) -> None:
        self.faults = faults
        self.model = model or DiskModel()
        self.is_stopped = False
        self.stopped_by: FaultKind | None = None  # the fault that ended this life, if one did
        self.on_stop: Callable[[], None] | None = None  # called once, within the operation
        self.syncs = 0  # of files and folders, the lying ones included
        self.changes = 0  # of what a process reads: contents and names
        self._live: Names = {ROOT: None}
        self._durable: Names = {ROOT: None}
        self._unsynced_names: list[_NameChange] = []
        self._inodes = 0
        self._bytes = 0

    # Reading.

    def exists(self, path: str) -> bool:
        """Whether a file or folder has this name now."""
        self._check_running()
        return path in self._live

    def is_dir(self, path: str) -> bool:
        """Whether a folder has this name now."""
        self._check_running()
        return path in self._live and self._live[path] is None

    def listdir(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""
        self._find_dir(folder)
        return tuple(
            sorted(
                path.rpartition("/")[2]
                for path in self._live
                if path != ROOT and parent_of(path) == folder
            )
        )

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return len(self._find(path).live)

    def read(self, path: str, offset: int = 0, count: int | None = None) -> bytes:
        """Up to `count` bytes from `offset`, fewer at the end of the file."""
        inode = self._find(path)
        kind = self.faults.reach("disk.read")
        if kind is not None:
            self._strike(kind, "disk.read", path)
        end = None if count is None else offset + count
        return bytes(inode.live[offset:end])

    def view(self, path: str) -> memoryview:
        """A whole file as a process would read it now, for whoever looks on from outside: no
        operation of the machine, so no fault strikes and none is counted. It has to be released
        before the disk is used again."""
        return memoryview(self._find(path).live).toreadonly()

    # Changing; each is one operation at which a fault can strike.

    def mkdir(self, folder: str) -> None:
        """Make a folder; its parent must be there. FileExistsError when the name is taken."""
        self._operate("disk.mkdir", folder)
        if folder in self._live:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), folder)
        self._find_dir(parent_of(folder))
        self._change_names(_NameChange(f"mkdir {folder}", None, folder, None))

    def create(self, path: str) -> None:
        """Make an empty file; its folder must be there. FileExistsError when the name is taken."""
        self._operate("disk.create", path)
        if path in self._live:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._find_dir(parent_of(path))
        self._inodes += 1
        inode = _Inode(number=self._inodes)
        self._change_names(_NameChange(f"create {path}", None, path, inode))

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Overwrite or extend; a gap is filled with zeros."""
        inode = self._find(path)
        self._operate("disk.write", path)
        growth = max(0, offset + len(data) - len(inode.live))
        if self.model.bytes_max is not None and self._bytes + growth > self.model.bytes_max:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        self._bytes += growth
        self.changes += 1
        inode.change(_Write(offset, bytes(data)))

    def truncate(self, path: str, size: int) -> None:
        """Cut the file off, or extend it with zeros."""
        inode = self._find(path)
        self._operate("disk.truncate", path)
        self._bytes += size - len(inode.live)
        self.changes += 1
        inode.change(_Truncate(size))

    def rename(self, source: str, target: str) -> None:
        """Move a file, replacing what stood there. Atomic: after a cut it happened or it did
        not."""
        inode = self._find(source)
        self._find_dir(parent_of(target))
        self._operate("disk.rename", target)
        self._change_names(_NameChange(f"rename {target}", source, target, inode))

    def delete(self, path: str) -> None:
        """Remove a file's name."""
        inode = self._find(path)
        self._operate("disk.delete", path)
        self._bytes -= len(inode.live)
        self._change_names(_NameChange(f"delete {path}", path, None, None))

    def sync(self, path: str) -> None:
        """Make a file's content durable; not its name."""
        inode = self._find(path)
        self.syncs += 1
        try:
            self._operate("disk.sync", path)
        except OSError:
            inode.unsynced.clear()  # the pages are clean now, and on no disk
            raise
        if self.model.sync_works:
            inode.settle()

    def sync_dir(self, folder: str) -> None:
        """Make the names in a folder durable; not its own name in its parent."""
        self._find_dir(folder)
        self.syncs += 1
        self._operate("disk.sync_dir", folder)
        if not self.model.dir_sync_works:
            return
        kept: list[_NameChange] = []
        for change in self._unsynced_names:
            if folder in change.folders():
                _apply_name(self._durable, change)
            else:
                kept.append(change)
        self._unsynced_names = kept

    # Outages.

    def stop(self, cause: FaultKind | None = None) -> None:
        """End this life; harmless when it has ended."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self.stopped_by = cause
        if self.on_stop is not None:
            self.on_stop()

    def after_power_cut(self, landing: Landing, faults: FaultPoints) -> Disk:
        """The disk as the next life finds it; ends this one."""
        self.stop()
        names: Names = dict(self._durable)
        for change in self._unsynced_names:
            if landing(change.what):
                _apply_name(names, change)
        survivor = Disk(faults, model=self.model)
        for path in sorted(names):
            inode = names[path]
            if not _has_its_folders(path, names):
                continue
            if inode is None:
                found = None
            else:
                found = _Inode(inode.image_after_cut(path, landing), number=inode.number)
                survivor._bytes += len(found.live)
            survivor._live[path] = survivor._durable[path] = found
        survivor._inodes = self._inodes
        return survivor

    def after_kill(self, faults: FaultPoints) -> Disk:
        """The disk as the next process finds it; ends this life."""
        self.stop()
        survivor = Disk(faults, model=self.model)
        twins = {
            id(inode): inode.copy()
            for inode in (
                *self._live.values(),
                *self._durable.values(),
                *(change.target for change in self._unsynced_names),
            )
            if inode is not None
        }

        def twin_of(inode: _Inode | None) -> _Inode | None:
            return None if inode is None else twins[id(inode)]

        survivor._live = {path: twin_of(inode) for path, inode in self._live.items()}
        survivor._durable = {path: twin_of(inode) for path, inode in self._durable.items()}
        survivor._unsynced_names = [
            change._replace(target=twin_of(change.target)) for change in self._unsynced_names
        ]
        survivor._inodes = self._inodes
        survivor._bytes = self._bytes
        return survivor

    # Within.

    def _check_running(self) -> None:
        if self.is_stopped:
            raise MachineStopped("the machine has stopped")

    def _find(self, path: str) -> _Inode:
        self._check_running()
        inode = self._live.get(path)
        if inode is None:
            code = errno.EISDIR if path in self._live else errno.ENOENT
            raise OSError(code, os.strerror(code), path)
        return inode

    def _find_dir(self, folder: str) -> None:
        self._check_running()
        if self._live.get(folder) is not None:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
        if folder not in self._live:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)

    def _change_names(self, change: _NameChange) -> None:
        _apply_name(self._live, change)
        self._unsynced_names.append(change)
        self.changes += 1

    def _operate(self, operation: str, path: str) -> None:
        self._check_running()
        reach = self.faults.reach
        kind = reach("disk.op")
        if kind is not None:
            self._strike(kind, "disk.op", path)
        kind = reach(operation)
        if kind is not None:
            self._strike(kind, operation, path)

    def _strike(self, kind: FaultKind, point: str, path: str) -> NoReturn:
        match kind:
            case FaultKind.POWER_CUT | FaultKind.KILL:
                self.stop(kind)
                raise MachineStopped(f"{kind.value} at {point} of {path}")
            case FaultKind.DISK_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            case FaultKind.IO_ERROR | FaultKind.ERROR | FaultKind.HANG:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            case _:
                assert_never(kind)


def _has_its_folders(path: str, names: Names) -> bool:
    while path != ROOT:
        path = parent_of(path)
        if path not in names or names[path] is not None:
            return False
    return True
