"""The folder that a server owns while it runs.

Layout (decisions 14): `actors/<Class>/<2 hex>/<id>.sqlite`, `repos/ worktrees/ containers/ keys/
LOCK VERSION`. LOCK is held by flock for the life of the process and names its holder: pid, start
time and, once it listens, its address. flock dies with the process, so a lock that can be taken
is free, whatever the file says; a killed server leaves nothing to clean up. Keys have mode 0600
and are made once.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

import msgspec

from boomtown.clock import Clock
from boomtown.entropy import Secrets
from boomtown.wire import encode_json, iso_from_ms

LAYOUT_VERSION = "1"
FOLDERS = ("actors", "repos", "worktrees", "containers", "keys")
SIGNING_KEY = "signing"
OPERATOR_KEY = "operator"


class LockHolder(msgspec.Struct, frozen=True):
    """Who holds a data directory."""

    pid: int
    started_at: str  # ISO
    address: str | None = None


class DataDirectoryInUse(Exception):
    """Another server holds the folder; `holder` is None when it is too young to have said so."""

    def __init__(self, folder: Path, holder: LockHolder | None) -> None:
        self.folder = folder
        self.holder = holder
        who = "another process"
        if holder is not None:
            where = f" at {holder.address}" if holder.address else ""
            who = f"process {holder.pid}, started {holder.started_at}{where}"
        super().__init__(f"data directory {folder} is in use by {who}")


class DataDirectoryUnusable(Exception):
    """The folder cannot be made or written, or is of another version."""


class DataDirectory:
    """An opened, locked data directory; `close` gives it up."""

    def __init__(self, folder: Path, lock_descriptor: int, holder: LockHolder) -> None:
        self.folder = folder
        self._lock_descriptor = lock_descriptor
        self._holder = holder

    @classmethod
    def open(cls, folder: Path, *, clock: Clock) -> Self:
        """Make the folder where it is missing, and lock it. Raises DataDirectoryInUse,
        DataDirectoryUnusable."""
        folder = folder.resolve()
        try:
            for name in FOLDERS:
                (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / "keys").chmod(0o700)
            (folder / ".gitignore").write_text("*\n")
            descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(f"data directory {folder}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DataDirectoryInUse(folder, read_holder(folder)) from error
        holder = LockHolder(os.getpid(), iso_from_ms(clock.now_ms()))
        directory = cls(folder, descriptor, holder)
        directory._write_holder(holder)
        directory._check_version()
        return directory

    def announce(self, address: str) -> None:
        """Write where the server listens, for `boomtown status` and for a second start."""
        self._write_holder(msgspec.structs.replace(self._holder, address=address))

    def close(self) -> None:
        """Give the folder up; harmless when called again."""
        if self._lock_descriptor >= 0:
            os.ftruncate(self._lock_descriptor, 0)
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1

    def find_key(self, name: str) -> str | None:
        """A key that was made before."""
        path = self.folder / "keys" / name
        return path.read_text().strip() if path.exists() else None

    def keep_key(self, name: str, text: str) -> None:
        """Write a key, mode 0600, synced, whole or not at all."""
        path = self.folder / "keys" / name
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, text.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(path)

    def get_or_make_key(self, name: str, secrets: Secrets) -> str:
        """The key of that name, made at the first call."""
        if (known := self.find_key(name)) is not None:
            return known
        made = secrets.token_text(32)
        self.keep_key(name, made)
        return made

    def _write_holder(self, holder: LockHolder) -> None:
        os.ftruncate(self._lock_descriptor, 0)
        os.pwrite(self._lock_descriptor, encode_json(holder), 0)

    def _check_version(self) -> None:
        path = self.folder / "VERSION"
        if not path.exists():
            path.write_text(LAYOUT_VERSION + "\n")
        elif (found := path.read_text().strip()) != LAYOUT_VERSION:
            self.close()
            raise DataDirectoryUnusable(
                f"data directory {self.folder} has version {found}; this is {LAYOUT_VERSION}"
            )


def read_holder(folder: Path) -> LockHolder | None:
    """What the LOCK file says of its holder; None where it says nothing. Only a process that
    fails to take the lock may believe it."""
    try:
        return msgspec.json.decode((folder / "LOCK").read_bytes(), type=LockHolder)
    except (OSError, msgspec.DecodeError):
        return None


def find_running_server(folder: Path) -> LockHolder | None:
    """The server that holds the folder now; None where none does."""
    try:
        descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(folder)
    finally:
        os.close(descriptor)
    return None
