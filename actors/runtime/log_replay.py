"""What a recovery has to write: the log's records in, a list of writes out. Pure.

Theory of operation. Of each database only the *last run* counts: the records that came after the
last one which did not continue its forerunner. A run begins anew

* with another generation of the write-ahead log: what the earlier one held is in the main file,
  for a log is emptied only when all of it is durable in the commit log, and synced before;
* at offset 0: such a record carries its generation from the beginning;
* past a gap: what lies before it was synced in the database's own log.

A run from offset 0 is the whole generation up to its end, so it is written whatever the disk
holds. Even where the main file has already taken it all, reading it again changes nothing. (A
*prefix* of what the main file has taken would undo the rest: that is why a log is never emptied
before everything in it is durable here, and why nothing empties one while a recovery runs.)

A run from further on rests on what the disk has before it: it is written only where the disk's
log still is of that generation. If it is not, it was emptied since, and the main file has it all.

A main file that is missing can only be one whose name was never durable: it is made again from
the template, of the page size that its log's header names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from boomtown.actors.runtime.log_records import (
    NO_SALTS,
    SALTS_BYTES,
    FramesRecord,
    NameRecord,
    Record,
    Segment,
)

WAL_HEADER_BYTES = 32
_PAGE_SIZE_AT = 8
_SALTS_AT = 16


class WalRange(msgspec.Struct, frozen=True):
    """Bytes of a write-ahead log."""

    offset: int
    data: bytes


class Run(msgspec.Struct, frozen=True):
    """What the commit log knows of one database."""

    path: str  # of its main file, relative to the data directory
    is_new: bool
    salts: bytes
    ranges: tuple[WalRange, ...]  # each continues the one before


class Found(msgspec.Struct, frozen=True):
    """What the disk knows of it."""

    has_main_file: bool
    wal_salts: bytes | None  # None: no log, or one without a whole header


class Repair(msgspec.Struct, frozen=True):
    """What is to be done to one database. Doing it twice is doing it once."""

    template_page_size: int | None  # make the main file from the template, then
    writes: tuple[WalRange, ...]  # into its log, which is made where it is missing


class _Growing(msgspec.Struct):
    is_new: bool = False
    salts: bytes = NO_SALTS
    ranges: list[WalRange] = msgspec.field(default_factory=list[WalRange])
    end: int = -1


def last_runs(segments: Iterable[Segment]) -> tuple[Run, ...]:
    """The last run of each database, by path. The segments of one log, in any order."""
    growing: dict[str, _Growing] = {}
    for segment in sorted(segments, key=lambda segment: segment.use_id):
        _grow(growing, segment.records)
    return tuple(
        Run(path, run.is_new, run.salts, tuple(run.ranges)) for path, run in sorted(growing.items())
    )


def _grow(growing: dict[str, _Growing], records: Sequence[Record]) -> None:
    paths: dict[int, str] = {}
    for record in records:
        match record:
            case NameRecord(database, path, is_new):
                paths[database] = path
                run = growing.setdefault(path, _Growing())
                run.is_new = run.is_new or is_new
            case FramesRecord(database, salts, offset, data):
                run = growing[paths[database]]
                if salts != run.salts or offset == 0 or offset != run.end:
                    run.salts, run.ranges = salts, []
                if data:
                    run.ranges.append(WalRange(offset, data))
                run.end = offset + len(data)


def plan_repair(run: Run, found: Found) -> Repair:
    """What a database needs, given what the disk has of it."""
    if not run.ranges:
        return Repair(None, ())
    first = run.ranges[0]
    if first.offset != 0:
        is_continued = found.has_main_file and found.wal_salts == run.salts
        return Repair(None, run.ranges if is_continued else ())
    if found.has_main_file:
        return Repair(None, run.ranges)
    return Repair(page_size_of(first.data), run.ranges) if run.is_new else Repair(None, ())


def salts_of(wal_header: bytes) -> bytes | None:
    """The salts of a write-ahead log, from its first bytes; None where they are no header."""
    if len(wal_header) < WAL_HEADER_BYTES:
        return None
    salts = bytes(wal_header[_SALTS_AT : _SALTS_AT + SALTS_BYTES])
    return None if salts == NO_SALTS else salts


def page_size_of(wal_header: bytes) -> int:
    """The page size that a write-ahead log's first bytes name."""
    return int.from_bytes(wal_header[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 4], "big")
