"""The disk, as far as the commit log needs it: the port, and the operating system's side.

Beside a segment and a template only write-ahead logs are opened. A main file is never: closing a
descriptor of it would drop SQLite's POSIX locks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from boomtown.actors.runtime.database import list_folder, make_folders
from boomtown.actors.runtime.flush_port import OsFlush, sync_content
from boomtown.actors.runtime.ports import FlushPort

FILE_MODE = 0o644  # SQLite's own


class LogDisk(FlushPort, Protocol):
    """Called in any thread. Every method raises OSError."""

    def exists(self, file: Path) -> bool: ...

    def size(self, file: Path) -> int: ...

    def read(self, file: Path, offset: int, count: int) -> bytes:
        """Fewer bytes at the end of the file."""
        ...

    def create(self, file: Path) -> None:
        """Make an empty file; FileExistsError where there is one."""
        ...

    def write(self, file: Path, offset: int, data: bytes) -> None:
        """Write all of `data` over what is there, or past its end."""
        ...

    def write_new(self, file: Path, data: bytes) -> None:
        """Make a file of `data`, synced; its name is not. As `create`, `write` and `sync`."""
        ...

    def rename(self, source: Path, target: Path) -> None: ...

    def remove(self, file: Path) -> None: ...

    def make_folders(self, folder: Path) -> None:
        """Make `folder` and what is missing above it."""
        ...

    def list_folder(self, folder: Path) -> Sequence[str]:
        """Its names, sorted; none where it is not there."""
        ...


class OsLogDisk(OsFlush):
    """The operating system's disk (satisfies LogDisk)."""

    def exists(self, file: Path) -> bool:
        return os.path.exists(file)

    def size(self, file: Path) -> int:
        return file.stat().st_size

    def read(self, file: Path, offset: int, count: int) -> bytes:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts: list[bytes] = []
            while count > 0 and (part := os.pread(descriptor, count, offset)):
                parts.append(part)
                offset += len(part)
                count -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(descriptor)

    def create(self, file: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(file, flags, FILE_MODE))

    def write(self, file: Path, offset: int, data: bytes) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write_all(descriptor, offset, data)
        finally:
            os.close(descriptor)

    def write_new(self, file: Path, data: bytes) -> None:
        # One descriptor for all: where thousands are made, each call asks for the interpreter.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(file, flags, FILE_MODE)
        try:
            _write_all(descriptor, 0, data)
            sync_content(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def remove(self, file: Path) -> None:
        file.unlink()

    def make_folders(self, folder: Path) -> None:
        make_folders(folder)

    def list_folder(self, folder: Path) -> Sequence[str]:
        return list_folder(folder)


def _write_all(descriptor: int, offset: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        offset += written
        rest = rest[written:]
