"""The real disk, as far as durability needs it.

Files are opened anew for each sync: the kernel syncs the inode, not the descriptor, and an own
descriptor kept per object would cost one of the few that a process has. Only logs are ever
opened so; closing a descriptor of a main database file would drop SQLite's POSIX locks on it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


class OsFlush:
    """The operating system's disk (satisfies ports.FlushPort)."""

    def sync(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync_content(descriptor)
        finally:
            os.close(descriptor)

    def sync_dir(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


if sys.platform == "darwin":
    import fcntl

    def sync_content(descriptor: int) -> None:
        """Write a file's content to the disk. Raises OSError."""
        # macOS: fsync hands the data to the drive, only this makes the drive write it.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)

else:

    def sync_content(descriptor: int) -> None:
        """Write a file's content to the disk. Raises OSError."""
        os.fdatasync(descriptor)
