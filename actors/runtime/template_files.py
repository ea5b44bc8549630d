"""New databases from a pool of files that were written and synced before anybody asked.

Theory of operation. SQLite takes milliseconds and several syncs to make a file, and a file that
is made in place can be torn by a power cut. So an empty database in WAL mode, one page, is
written under another name, synced, and kept; a new object gets it by a rename, which happens
whole or not at all. Its name becomes durable later, or the commit log's record of it makes the
file again (log_replay.py). With it comes its write-ahead log, an empty file: to make one takes the
file system longer than all that SQLite does with it, where many were removed lately.

The pool begins empty. One that is missing is made on the spot, in the loop's thread, and the pool
is to be twice as large from then on, up to `files_max`: a sync holds up the loop, so a burst of new
objects must meet few. It is filled in the upkeep's thread, by `FILES_AT_ONCE` at most, so that the
first are soon there. `take` and `keep` are for the loop's thread.

The log is renamed first. A crash after that leaves a log without a database, which means nothing:
the object is new as before, and another empty log takes its place, as it takes the place of one
that outlived its database in any other way. What a crash leaves in the pool is removed at the next
start: nobody knows whether it was synced.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import apsw
import msgspec

from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.sqlite_surface import SqliteConnection

PREFIX = "template-"
_WRITE_VERSION_AT, _READ_VERSION_AT = 18, 19
_WAL_MODE = 2  # sqlite.org/fileformat2.html 1.3.3
FILES_AT_ONCE = 32
_FEW = 4  # a fourth of the pool missing is worth the while


def make_image(page_size: int) -> bytes:
    """An empty database of that page size, in WAL mode."""
    connection = cast("SqliteConnection", apsw.Connection(":memory:"))
    try:
        connection.execute(f"PRAGMA page_size = {page_size}").fetchall()
        image = bytearray(connection.serialize("main"))
    finally:
        connection.close()
    image[_WRITE_VERSION_AT] = image[_READ_VERSION_AT] = _WAL_MODE
    return bytes(image)


class Template(msgspec.Struct, frozen=True):
    """A new database and its log, under names that no others have had."""

    file: Path
    log: Path


def write_template(disk: LogDisk, file: Path, image: bytes) -> Iterator[None]:
    """Make `file`, whole and synced; its name is not."""
    disk.write_new(file, image)
    yield


class TemplatePool:
    """Files for new databases of one page size."""

    def __init__(self, disk: LogDisk, folder: Path, *, page_size: int, files_max: int) -> None:
        """`folder` is there, and holds no template."""
        self._disk = disk
        self._folder = folder
        self._image = make_image(page_size)
        self._files_max = files_max
        self._numbers = itertools.count(1)
        self._ready: deque[Template] = deque()
        self._wanted = 0

    def take(self, target: Path, log: Path) -> None:
        """Put an empty database at `target` and its write-ahead log at `log`, with their folder
        where it is not there. Raises OSError."""
        if self._ready:
            template = self._ready.popleft()
        else:
            self._wanted = min(self._files_max, 2 * self._wanted + 1)
            template = self.next_template()
            for _ in self.make(template):
                pass
        try:
            self._disk.rename(template.log, log)
        except FileNotFoundError:  # rarely: a class has 256 folders
            self._disk.make_folders(log.parent)
            self._disk.rename(template.log, log)
        self._disk.rename(template.file, target)

    @property
    def files_missing(self) -> int:
        """How many files to make now; none while only a few are missing."""
        missing = self._wanted - len(self._ready)
        return min(missing, FILES_AT_ONCE) if missing * _FEW > self._wanted else 0

    def next_template(self) -> Template:
        """Names, and nothing on the disk."""
        name = f"{PREFIX}{next(self._numbers)}"
        return Template(self._folder / f"{name}.sqlite", self._folder / f"{name}.log")

    def make(self, template: Template) -> Iterator[None]:
        """Write one, in any thread."""
        self._disk.create(template.log)
        yield from write_template(self._disk, template.file, self._image)

    def keep(self, template: Template) -> None:
        """One that `make` has made."""
        self._ready.append(template)
