"""Files as they were at one instant, for SQLite to read.

A checker opens the town's database as a process would that starts now: with its log, by SQLite's
own recovery. What SQLite writes meanwhile goes into the images and is thrown away with them.
Nothing of the simulated disk is passed here, so no fault strikes, and a read costs a slice.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import apsw

from boomtown.sim.vfs import PATH_BYTES_MAX, MemoryFile

_numbers = itertools.count(1)


class ImageVfs(apsw.VFS):
    """A VFS over images by path; `name` goes into `apsw.Connection(path, vfs=name)`. One
    connection per file at a time: locks are granted to whoever asks."""

    def __init__(self, images: Mapping[str, bytes]) -> None:
        self.name = f"images-{next(_numbers)}"
        self._files = {path: MemoryFile(image) for path, image in images.items()}
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
        self._files.pop(filename, None)

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self._files

    def xFullPathname(self, name: str) -> str:
        return name
