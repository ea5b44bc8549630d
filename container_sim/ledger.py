"""The ledger of a container's children: what to end when nobody else is left to do it.

One JSON line per child, appended and synced before the child becomes its program (decisions 46).
The control server writes; the manager reads, after the control server's end or, at a server's
start, for containers of an earlier life. Lines are never changed or removed: an entry whose
process is long gone harms nobody, because pid and start mark must both fit. A crash while a line
is written leaves a torn last line; that child was still waiting for its go, and died.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from boomtown.container_sim.process_groups import find_start_mark, is_of_this_boot
from boomtown.ids import SessionId
from boomtown.wire import decode_json_as, encode_json


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One child; `session_id` is None for the control server itself."""

    pid: int
    start_mark: str
    process_group: int
    session_id: SessionId | None


class Ledger:
    """The writing end. One writer only."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def append(self, entry: LedgerEntry) -> None:
        """Returns when the line is on the disk."""
        os.write(self._descriptor, encode_json(entry) + b"\n")
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def read_ledger(path: Path) -> list[LedgerEntry]:
    """All whole lines; empty when there is no such file."""
    if not path.exists():
        return []
    entries: list[LedgerEntry] = []
    for line in path.read_bytes().splitlines():
        try:
            entries.append(decode_json_as(line, LedgerEntry))
        except msgspec.DecodeError:
            break  # torn: nothing follows it
    return entries


def groups_to_end(entries: list[LedgerEntry]) -> frozenset[int]:
    """The groups whose number cannot have passed to a stranger: their leader is the process of
    the entry, or there is no process of that pid, so that only old members can be in it."""
    return frozenset(
        entry.process_group
        for entry in entries
        if is_of_this_boot(entry.start_mark)
        and find_start_mark(entry.pid) in (entry.start_mark, None)
    )
