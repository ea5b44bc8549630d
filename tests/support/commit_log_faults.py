"""Commit logs with something wrong, for proving that the sweep would notice (commit-log.md 3).

Each is a disk that does what a careless implementation would have the real one do.
"""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.runtime.log_records import (
    SECTOR_BYTES,
    encode_header,
    encode_record,
    find_use_id,
    read_segment,
)
from boomtown.limits import CommitLogLimits
from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.vfs import SimulatedVfs
from boomtown.sim.virtual_loop import START_MS
from support.commit_log_story import KEYS, open_database

# No range is too long for a record, so own logs are synced for nothing else than is asked about.
NOTHING_LARGE = CommitLogLimits(
    segment_bytes=32_768,
    segments_max=2,
    record_bytes_max=24_000,
    batch_commits_waiting_max=2,
    wal_bytes_kept_max=24_000,
    template_files_max=2,
    name_bytes_max=256,
)
NOTHING_EMPTIED = CommitLogLimits(
    segment_bytes=1_048_576,
    segments_max=2,
    record_bytes_max=900_000,
    batch_commits_waiting_max=2,
    wal_bytes_kept_max=24_000,
    template_files_max=2,
    name_bytes_max=256,
)
ONE_USE = 1  # where uses are not told apart


def is_segment(file: Path) -> bool:
    return file.name.startswith("segment-")


def is_log_file(file: Path) -> bool:
    return file.parent.name == "log" and file.suffix == ".log"


def is_own_log(file: Path) -> bool:
    return file.name.endswith("-wal")


class UnsyncedLog(SimulatedLogDisk):
    """The log is written and not synced."""

    def sync(self, file: Path) -> None:
        if not is_segment(file):
            super().sync(file)


class UnsyncedOwnLogs(SimulatedLogDisk):
    """Once the log is open, databases' own logs are never synced: not before their segment is
    used again, and not when a database is opened for the first time after a kill."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self._is_open = False

    def write(self, file: Path, offset: int, data: bytes) -> None:
        super().write(file, offset, data)
        # A recovery's last act is to empty the segments; a first start's, to make one.
        self._is_open = self._is_open or (offset == 0 and is_log_file(file))

    def sync(self, file: Path) -> None:
        if not (self._is_open and is_own_log(file)):
            super().sync(file)


class TemplateInPlace(SimulatedLogDisk):
    """New databases are written where they belong, and nobody syncs them."""

    def rename(self, source: Path, target: Path) -> None:
        if not source.name.startswith("template-"):
            super().rename(source, target)
            return
        image = self.read(source, 0, self.size(source))
        self.remove(source)
        self.create(target)
        self.write(target, 0, image)


class EagerCheckpoint(SimulatedLogDisk):
    """A recovery checkpoints what it has repaired, before it empties the log."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self._has_checkpointed = False

    def write(self, file: Path, offset: int, data: bytes) -> None:
        if is_segment(file) and offset == 0 and not self._has_checkpointed:
            self._has_checkpointed = True
            self._checkpoint_all()
        super().write(file, offset, data)

    def _checkpoint_all(self) -> None:
        vfs = SimulatedVfs(self.disk, now_ms=lambda: START_MS, choices=Choices(seed=1))
        try:
            for key in KEYS:
                database = open_database(vfs, key)
                database.checkpoint()
                database.close()
        finally:
            vfs.unregister()


class UsesAlike(SimulatedLogDisk):
    """Records are checked without the use id: those of an earlier use of the file still count."""

    def write(self, file: Path, offset: int, data: bytes) -> None:
        if is_segment(file) and offset >= SECTOR_BYTES:
            use_id = find_use_id(super().read(file, 0, SECTOR_BYTES))
            assert use_id is not None
            data = _with_use(data, use_id, ONE_USE)
        super().write(file, offset, data)

    def read(self, file: Path, offset: int, count: int) -> bytes:
        image = super().read(file, offset, count)
        use_id = find_use_id(image) if is_segment(file) and offset == 0 else None
        if use_id is None:
            return image
        return image[:SECTOR_BYTES] + _with_use(image[SECTOR_BYTES:], ONE_USE, use_id)


def _with_use(records: bytes, present: int, wanted: int) -> bytes:
    """Records back to back, checked by one use id and encoded for another; what does not check
    stays as it is."""
    header = encode_header(present, len(records))
    padding = bytes(SECTOR_BYTES - len(header))
    segment = read_segment(header + padding + records)
    assert segment is not None
    encoded = b"".join(encode_record(record, wanted) for record in segment.records)
    return encoded + records[len(encoded) :]
