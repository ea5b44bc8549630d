"""The durable side of our forge: a file of one JSON line per entry, appended and synced.

Invariants. An entry is on the disk before it is applied, and applied before anything is answered
because of it. Lines are never changed or removed. One writer: the file is locked for the life of
the journal. A crash while a line is written leaves a torn last line, which nobody was told of; it
is cut off at the next start, so that what is appended then begins a line. The calls block the
event loop for the time of a sync, on purpose: requests that change something run one at a time.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

import msgspec

from boomtown.container_sim.forge.entries import AnyEntry
from boomtown.container_sim.forge.forge_state import ForgeState
from boomtown.wire import encode_json

_DECODER: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)


class JournalInUse(Exception):
    """Another server has this folder."""


class Journal(Protocol):
    """Where entries go."""

    def append(self, entry: AnyEntry) -> None:
        """Returns when it is durable."""
        ...


class FileJournal:
    """Satisfies Journal. `entries` are those of earlier lives."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise JournalInUse(f"another forge runs on {path.parent}") from error
        _sync_folder(path.parent)
        whole = path.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        os.ftruncate(self._descriptor, len(whole))
        self.entries = [_DECODER.decode(line) for line in whole.splitlines()]

    def append(self, entry: AnyEntry) -> None:
        line = encode_json(entry) + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written")
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class MemoryJournal:
    """Satisfies Journal in a simulation: what is appended outlives the forge, not the world."""

    def __init__(self) -> None:
        self.entries: list[AnyEntry] = []

    def append(self, entry: AnyEntry) -> None:
        self.entries.append(entry)


class ForgeBook:
    """The state and its journal together."""

    def __init__(self, journal: FileJournal | MemoryJournal) -> None:
        self._journal: Journal = journal
        self.state = ForgeState()
        for entry in journal.entries:
            self.state.apply(entry)

    def record(self, entry: AnyEntry) -> None:
        """Make it durable, then so."""
        self._journal.append(entry)
        self.state.apply(entry)

    def next_id(self) -> int:
        """For a check, a review or a comment that is recorded at once."""
        return self.state.last_id + 1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
