"""Keeps everybody else away from an open database file.

SQLite finds its own locks, which belong to the process, in a list of every file that the process
has open, and walks that twice for each opening: with 2,000 objects longer than all the rest of an
opening takes. Linux has locks that belong to an open file. There an object's file is opened
through the VFS of SQLite that locks nothing, after this lock was put on the very bytes that SQLite
would lock: a second opening, here or in another process, is refused, and so is a sqlite3 shell,
whose checkpoint would take the log from under us. Where there are no such locks SQLite's own serve.

It costs a descriptor, and ends with it, however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

_FILE_MODE = 0o644  # SQLite's own
_LOCK = struct.Struct("hhqqi0q")  # struct flock: type, whence, start, length, process
# SQLite's os.h: a pending byte, a reserved one, and those that readers share.
_PENDING_BYTE = 0x40000000
_LOCKED_BYTES = 2 + 510

if sys.platform == "linux":
    UNLOCKED_VFS: str | None = "unix-none"

    def lock_database(file: Path) -> int:
        """Make `file` where it is not there, and lock it; the descriptor that holds the lock.
        BlockingIOError where somebody has it; other OSErrors."""
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            lock = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _PENDING_BYTE, _LOCKED_BYTES, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

else:
    UNLOCKED_VFS: str | None = None

    def lock_database(file: Path) -> int:
        raise AssertionError(f"SQLite locks {file}")
