"""Brings the databases of a data directory up to its commit log, and empties the log.

Theory of operation. Runs at every start, before any database is opened, whatever commit path is
configured. In this order:

1. Files that an earlier life had not finished, templates and segments, are removed.
2. Every segment is read to its first bad record, and each database's last run is kept.
3. Main files that are missing are made from the template; the runs are written into the
   databases' own logs; these are synced, then the folders.
4. The segments are emptied, oldest first: a new header, synced, one after the other.

No database is opened and none is checkpointed: a prefix that was read back over a file which had
taken more would undo it. A crash at any point leaves a log of which a suffix is whole, and running
again writes the same bytes. After the last step the log holds nothing, and every commit that it
held is durable in its database's own log.

A segment of another size than the configured one, or beyond the configured number, is removed in
step 4 and not used again. A log whose database was deleted by hand is skipped (`skipped` counts).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from boomtown.actors.runtime.database import WAL_SUFFIX
from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.log_records import SECTOR_BYTES, Segment, encode_header, read_segment
from boomtown.actors.runtime.log_replay import (
    WAL_HEADER_BYTES,
    Found,
    Run,
    last_runs,
    plan_repair,
    salts_of,
)
from boomtown.actors.runtime.log_segments import MAKING_PREFIX, SEGMENT_PREFIX, SegmentFile
from boomtown.actors.runtime.template_files import PREFIX as TEMPLATE_PREFIX
from boomtown.actors.runtime.template_files import make_image, write_template
from boomtown.limits import CommitLogLimits

LOG_FOLDER = "log"
_CHUNK_BYTES = 1024 * 1024  # of zeros, at once
_SUFFIX = ".log"


class RecoveredLog(msgspec.Struct, frozen=True):
    """An empty log, and what it held."""

    spares: tuple[SegmentFile, ...]  # in the order of their uses
    next_use_id: int
    databases: int
    bytes_read: int
    skipped: int  # databases of which the log has frames, and whose main file is gone


def recover(disk: LogDisk, data_dir: Path, limits: CommitLogLimits) -> RecoveredLog:
    """Make every commit of the log durable in its own database; empty the log. Harmless where
    there is none, and makes nothing then. Raises OSError; may be run again."""
    folder = data_dir / LOG_FOLDER
    _remove_unfinished(disk, folder)
    images = {
        number: disk.read(_path(folder, number), 0, disk.size(_path(folder, number)))
        for number in _segment_numbers(disk, folder)
    }
    segments = {number: read_segment(image) for number, image in images.items()}
    runs = last_runs(segment for segment in segments.values() if segment is not None)
    skipped = _repair(disk, data_dir, runs)
    use_ids = [segment.use_id for segment in segments.values() if segment is not None]
    next_use_id = max(use_ids, default=0) + 1
    spares: list[SegmentFile] = []
    for number in sorted(segments, key=lambda number: _use_id(segments[number])):
        is_usable = len(images[number]) == limits.segment_bytes
        if not is_usable or len(spares) == limits.segments_max:
            disk.remove(_path(folder, number))
            disk.sync_dir(folder)
            continue
        spare = SegmentFile(number, next_use_id)
        next_use_id += 1
        _exhaust(empty_segment(disk, folder, spare, limits))
        spares.append(spare)
    bytes_read = sum(len(image) for image in images.values())
    return RecoveredLog(tuple(spares), next_use_id, len(runs), bytes_read, skipped)


def open_log(disk: LogDisk, data_dir: Path, limits: CommitLogLimits) -> RecoveredLog:
    """Recover, then see that there is a segment to write to."""
    folder = data_dir / LOG_FOLDER
    disk.make_folders(folder)
    disk.sync_dir(data_dir)
    recovered = recover(disk, data_dir, limits)
    if recovered.spares:
        return recovered
    first = SegmentFile(1, recovered.next_use_id)
    _exhaust(make_segment(disk, folder, first, limits))
    return msgspec.structs.replace(
        recovered, spares=(first,), next_use_id=recovered.next_use_id + 1
    )


def make_segment(
    disk: LogDisk, folder: Path, segment: SegmentFile, limits: CommitLogLimits
) -> Iterator[None]:
    """Make a file full of zeros, under another name until it is whole. A crash leaves nothing,
    an unfinished file, or an empty segment. The zeros matter: overwriting blocks that are there
    needs no metadata, and takes half the time of a sync (commit-log.md 1)."""
    making = folder / f"{MAKING_PREFIX}{segment.number}{_SUFFIX}"
    disk.create(making)
    header = encode_header(segment.use_id, limits.segment_bytes)
    disk.write(making, 0, header + bytes(SECTOR_BYTES - len(header)))
    yield
    for offset in range(SECTOR_BYTES, limits.segment_bytes, _CHUNK_BYTES):
        count = min(_CHUNK_BYTES, limits.segment_bytes - offset)
        disk.write(making, offset, bytes(count))
        yield
    disk.sync(making)
    yield
    disk.rename(making, segment.path_in(folder))
    disk.sync_dir(folder)
    yield


def empty_segment(
    disk: LogDisk, folder: Path, segment: SegmentFile, limits: CommitLogLimits
) -> Iterator[None]:
    """Begin that use of a file: once this is durable, no record of an earlier use counts."""
    file = segment.path_in(folder)
    disk.write(file, 0, encode_header(segment.use_id, limits.segment_bytes))
    yield
    disk.sync(file)
    yield


def _exhaust(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def _path(folder: Path, number: int) -> Path:
    return SegmentFile(number, 0).path_in(folder)


def _use_id(segment: Segment | None) -> int:
    return -1 if segment is None else segment.use_id


def _segment_numbers(disk: LogDisk, folder: Path) -> list[int]:
    return sorted(
        int(name.removeprefix(SEGMENT_PREFIX).removesuffix(_SUFFIX))
        for name in disk.list_folder(folder)
        if name.startswith(SEGMENT_PREFIX)
    )


def _remove_unfinished(disk: LogDisk, folder: Path) -> None:
    for name in disk.list_folder(folder):
        if name.startswith((MAKING_PREFIX, TEMPLATE_PREFIX)):
            disk.remove(folder / name)


def _repair(disk: LogDisk, data_dir: Path, runs: tuple[Run, ...]) -> int:
    """How many runs have no main file any more."""
    skipped = 0
    folders: dict[Path, None] = {}
    for run in runs:
        main = data_dir / run.path
        _repair_database(disk, data_dir, run, main)
        if not disk.exists(main):
            skipped += 1
            continue
        wal = _wal_of(main)
        if disk.exists(wal):
            disk.sync(wal)
        folder = main.parent
        while folder not in folders:
            folders[folder] = None
            if folder == data_dir:
                break
            folder = folder.parent
    for folder in folders:
        disk.sync_dir(folder)
    return skipped


def _repair_database(disk: LogDisk, data_dir: Path, run: Run, main: Path) -> None:
    wal = _wal_of(main)
    header = disk.read(wal, 0, WAL_HEADER_BYTES) if disk.exists(wal) else b""
    repair = plan_repair(run, Found(disk.exists(main), salts_of(header)))
    if repair.template_page_size is not None:
        disk.make_folders(main.parent)
        template = data_dir / LOG_FOLDER / f"{TEMPLATE_PREFIX}recovered.sqlite"
        if disk.exists(template):
            disk.remove(template)
        _exhaust(write_template(disk, template, make_image(repair.template_page_size)))
        disk.rename(template, main)
    if repair.writes and not disk.exists(wal):
        disk.create(wal)
    for each in repair.writes:
        disk.write(wal, each.offset, each.data)


def _wal_of(main: Path) -> Path:
    return main.with_name(main.name + WAL_SUFFIX)
