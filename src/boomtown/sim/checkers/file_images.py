"""Files as they were at one instant, for SQLite to read.

A checker opens the town's database as a process would that starts now: with its log, by SQLite's
own recovery. The images are the disk's own bytes, not copies, as long as SQLite only reads; what
it writes goes into a copy, and is thrown away. Nothing of the simulated disk is passed here, so
no fault strikes, and a read costs a slice. Meanwhile nobody may use the disk: it could not grow.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterable
from typing import cast

import apsw

from boomtown.sim.disk import Disk
from boomtown.sim.vfs import PATH_BYTES_MAX, MemoryFile

_numbers = itertools.count(1)


class _Image(MemoryFile):
    """A file whose bytes are another's until it is written to."""

    def __init__(self, view: memoryview) -> None:
        super().__init__()
        self._view: memoryview | None = view

    def xRead(self, amount: int, offset: int) -> bytes:
        if self._view is None:
            return super().xRead(amount, offset)
        return bytes(self._view[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.part()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self.part()
        super().xTruncate(newsize)

    def xFileSize(self) -> int:
        return super().xFileSize() if self._view is None else len(self._view)

    def part(self) -> None:
        """Have bytes of its own from here on."""
        if self._view is not None:
            self._content.extend(self._view)
            self._view.release()
            self._view = None

    def let_go(self) -> None:
        """Look at nobody's bytes any more."""
        if self._view is not None:
            self._view.release()
            self._view = None


class ImageVfs(apsw.VFS):
    """A VFS over images by path; `name` goes into `apsw.Connection(path, vfs=name)`. One
    connection per file at a time: locks are granted to whoever asks."""

    def __init__(self, disk: Disk, paths: Iterable[str]) -> None:
        self.name = f"images-{next(_numbers)}"
        self._files: dict[str, MemoryFile] = {path: _Image(disk.view(path)) for path in paths}
        self.paths = tuple(self._files)  # in the order in which they came
        super().__init__(self.name, "", maxpathname=PATH_BYTES_MAX)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name if isinstance(name, str) or name is None else name.filename()
        flags[1] = flags[0]
        if not path or flags[0] & apsw.SQLITE_OPEN_DELETEONCLOSE:
            return cast("apsw.VFSFile", MemoryFile())  # apsw asks for methods, not for a class
        if path not in self._files and not flags[0] & apsw.SQLITE_OPEN_CREATE:
            raise apsw.CantOpenError(path)
        return cast("apsw.VFSFile", self._files.setdefault(path, MemoryFile()))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        deleted = self._files.pop(filename, None)
        if isinstance(deleted, _Image):
            deleted.let_go()

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self._files

    def xFullPathname(self, name: str) -> str:
        return name

    def close(self) -> None:
        """End the looking; every connection was closed."""
        self.unregister()
        for file in self._files.values():
            if isinstance(file, _Image):
                file.let_go()


@contextlib.contextmanager
def open_images(disk: Disk, paths: Iterable[str]) -> Generator[ImageVfs]:
    """Images of these files of the disk, as long as the block lasts."""
    vfs = ImageVfs(disk, paths)
    try:
        yield vfs
    finally:
        vfs.close()
