"""Writes batches of commits to the commit log: the flusher's side of it.

Theory of operation. Everything here is used by one flusher, a batch at a time; nobody else knows
how far a database is logged. For each commit the range of the database's own log that is not
logged yet is read and appended to the active segment; a batch is one write and one sync, two
where a segment ends in it. What does not fit, and has no segment to go to, is left for a later
batch (`is_full`).

A range begins at offset 0 where the generation is another one than was logged, or where the file
was opened again and its salts say so. Three cases are not logged, but synced in the database's own
log, and an empty record says so (log_replay.py):

* a database that this process has not met: after a kill the page cache may show commits that are
  on no disk;
* a range longer than `record_bytes_max`;
* its name, where it matters: the folders are synced too.

What a found log ends with need not be a commit, so the next commit is logged from offset 0.

A database is checkpointed only here, after the batch in which all its commits became durable, and
never after an error: a main file that has taken more than the log knows would be led backwards by
a recovery. An OSError from any step means that nothing may be written any more.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from boomtown.actors.runtime.database import WAL_SUFFIX
from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.log_records import (
    NO_SALTS,
    SECTOR_BYTES,
    NameRecord,
    encode_frames,
    encode_record,
)
from boomtown.actors.runtime.log_replay import WAL_HEADER_BYTES, salts_of
from boomtown.actors.runtime.log_segments import SegmentFile
from boomtown.actors.runtime.ports import Commit
from boomtown.limits import CommitLogLimits

READ_AHEAD_BYTES_MAX = 64 * 1024  # of one commit; a longer range would hold up the loop


class WriteOrder(msgspec.Struct, frozen=True):
    """What a batch is to do, in this order."""

    begin: SegmentFile | None  # the earlier one was full when the last batch ended
    forgotten: tuple[Path, ...]  # logs of closed databases on which no segment rests
    created: tuple[Path, ...]  # logs of databases that were made from the template
    commits: tuple[Commit, ...]  # one for each log: its last
    ahead: Mapping[Path, bytes]  # what `read_ahead` gave for them
    spare: SegmentFile | None  # to go on in when the active segment is full


class WriteOutcome(msgspec.Struct):
    """What it did; filled in as it goes."""

    left: tuple[Commit, ...] = ()  # not written, for want of a segment
    written: dict[int, dict[Path, None]] = msgspec.field(
        default_factory=dict[int, dict[Path, None]]
    )  # by use of a segment
    released: list[Path] = msgspec.field(default_factory=list[Path])  # by checkpoints
    syncs: int = 0
    segments_filled: int = 0
    is_full: bool = False
    fill_percent: int = 0  # of the active segment


class _Logged(msgspec.Struct, frozen=True):
    """How far one database is logged."""

    number: int
    name: str
    is_name_durable: bool
    salts: bytes = NO_SALTS
    end: int = 0
    generation: int | None = None  # of the open file; None: look at the salts


class _Entry(msgspec.Struct, frozen=True):
    """A record of frames to be written, and what holds when it is."""

    salts: bytes
    offset: int
    data: bytes
    logged: _Logged


class LogWriter:
    """The end of the log, and how far each database is in it."""

    def __init__(
        self,
        *,
        disk: LogDisk,
        data_dir: Path,
        folder: Path,
        limits: CommitLogLimits,
        active: SegmentFile,
    ) -> None:
        self._disk = disk
        self._data_dir = data_dir
        self._folder = folder
        self._limits = limits
        self._active = active
        self._at = SECTOR_BYTES
        self._named: set[int] = set()  # membership only: databases with a NAME in this segment
        self._logged: dict[Path, _Logged] = {}
        self._numbers = 0
        self._known_folders = {data_dir}  # membership only: their own names are durable

    def read_ahead(self, commits: Sequence[Commit]) -> dict[Path, bytes]:
        """The new bytes of those commits whose range is known and short, for `write`; changes
        nothing. The one method for another thread than the flusher's, while no batch is under
        way: SQLite has just written these bytes, so that no disk is waited for."""
        ahead: dict[Path, bytes] = {}
        read, find_logged = self._disk.read, self._logged.get
        bytes_max = min(READ_AHEAD_BYTES_MAX, self._limits.record_bytes_max)
        with contextlib.suppress(Exception):  # the flusher meets it, and ends
            for commit in commits:
                wal_path = commit.wal_path
                logged = find_logged(wal_path)
                if logged is None or commit.is_found or logged.generation != commit.wal_generation:
                    continue
                count = commit.wal_end - logged.end
                if 0 < count <= bytes_max:
                    data = read(wal_path, logged.end, count)
                    if len(data) == count:
                        ahead[wal_path] = data
        return ahead

    def write(self, order: WriteOrder, outcome: WriteOutcome) -> Iterator[None]:
        """Write the batch; a step is one operation of the disk."""
        if order.begin is not None:
            self._begin(order.begin)
        for wal_path in order.forgotten:
            self._logged.pop(wal_path, None)
        for wal_path in order.created:
            self._logged[wal_path] = self._new(wal_path, is_name_durable=False)
        spare, ahead = order.spare, order.ahead
        buffer = bytearray()
        written: dict[Path, None] = {}
        for place, commit in enumerate(order.commits):
            wal_path = commit.wal_path
            entry = self._entry_ahead(commit, ahead.get(wal_path))
            is_ahead = entry is not None
            if entry is None:
                entry = yield from self._find_entry(commit, outcome)
            if entry is not None:
                encoded = self._encode(entry)
                if self._at + len(buffer) + len(encoded) > self._limits.segment_bytes:
                    yield from self._append(buffer, outcome)
                    buffer.clear()
                    outcome.segments_filled += 1
                    if spare is None:
                        outcome.is_full = True
                        outcome.left = order.commits[place:]
                        break
                    self._begin(spare)
                    spare = None
                    written = {}
                    encoded = self._encode(entry)
                buffer += encoded
                self._named.add(entry.logged.number)
                if not is_ahead:
                    # Under this very path: looking up an equal one compares its parts each time.
                    self._logged.pop(wal_path, None)
                self._logged[wal_path] = entry.logged
                if not written:
                    outcome.written[self._active.use_id] = written
                written[wal_path] = None
        yield from self._append(buffer, outcome)
        outcome.fill_percent = 100 * self._at // self._limits.segment_bytes

    def checkpoint(
        self, wal_path: Path, run: Callable[[], bool], outcome: WriteOutcome
    ) -> Iterator[None]:
        """Run a checkpoint of a database whose every commit is durable."""
        logged = self._logged.get(wal_path)
        if logged is None:
            run()
            return
        if not logged.is_name_durable:
            # From here on its main file is more than a template: it must not be made again.
            yield from self._sync_names(wal_path.parent, outcome)
        # Even a checkpoint that fails may let SQLite begin a new generation.
        logged = msgspec.structs.replace(logged, is_name_durable=True, generation=None)
        self._logged[wal_path] = logged
        is_emptied = run()
        yield
        if is_emptied:
            self._logged[wal_path] = msgspec.structs.replace(logged, salts=NO_SALTS, end=0)
            outcome.released.append(wal_path)

    def logged_bytes(self, wal_path: Path) -> int:
        """How much of a database's own log is logged."""
        logged = self._logged.get(wal_path)
        return 0 if logged is None else logged.end

    def note_closed(self, wal_path: Path) -> None:
        """Its file was closed; when it is opened again, its generations are counted anew."""
        logged = self._logged.get(wal_path)
        if logged is not None:
            self._logged[wal_path] = msgspec.structs.replace(logged, generation=None)

    def _begin(self, segment: SegmentFile) -> None:
        self._active = segment
        self._at = SECTOR_BYTES
        self._named.clear()

    def _new(self, wal_path: Path, *, is_name_durable: bool) -> _Logged:
        self._numbers += 1
        name = wal_path.relative_to(self._data_dir).as_posix().removesuffix(WAL_SUFFIX)
        return _Logged(self._numbers, name, is_name_durable)

    def _entry_ahead(self, commit: Commit, data: bytes | None) -> _Entry | None:
        """The record of a commit whose bytes were read ahead, where they are still what it
        takes."""
        before = None if data is None else self._logged.get(commit.wal_path)
        if data is None or before is None or before.generation != commit.wal_generation:
            return None
        if before.end + len(data) != commit.wal_end:
            return None
        logged = _Logged(
            before.number,
            before.name,
            before.is_name_durable,
            before.salts,
            commit.wal_end,
            before.generation,
        )
        return _Entry(before.salts, before.end, data, logged)

    def _find_entry(
        self, commit: Commit, outcome: WriteOutcome
    ) -> Generator[None, None, _Entry | None]:
        """The record of a commit; None where nothing of it is missing."""
        logged = self._logged.get(commit.wal_path)
        if logged is None:
            logged = self._new(commit.wal_path, is_name_durable=False)
            return (yield from self._sync_itself(commit, logged, outcome))
        if commit.is_found:
            if commit.wal_end <= logged.end:
                return None  # it was closed by this process, when all of it was durable
            # A commit that failed may stand there all the same, and is shown from now on.
            return (yield from self._sync_itself(commit, logged, outcome))
        start = logged.end
        salts: bytes | None = logged.salts
        if logged.generation != commit.wal_generation:
            header = self._disk.read(commit.wal_path, 0, WAL_HEADER_BYTES)
            salts = salts_of(header)
            if salts != logged.salts:
                start = 0
        if salts is None or salts == NO_SALTS:
            raise OSError(errno.EIO, "a write-ahead log has no header", str(commit.wal_path))
        logged = _Logged(
            logged.number,
            logged.name,
            logged.is_name_durable,
            salts,
            commit.wal_end,
            commit.wal_generation,
        )
        count = commit.wal_end - start
        assert count >= 0, "a write-ahead log does not shrink within a generation"
        if count > self._limits.record_bytes_max:
            return (yield from self._sync_itself(commit, logged, outcome))
        data = self._disk.read(commit.wal_path, start, count)
        yield
        if len(data) != count:
            raise OSError(errno.EIO, "a write-ahead log is too short", str(commit.wal_path))
        return _Entry(salts, start, data, logged)

    def _sync_itself(
        self, commit: Commit, logged: _Logged, outcome: WriteOutcome
    ) -> Generator[None, None, _Entry]:
        """Make the commit durable in the database's own log, and say so in this one."""
        self._disk.sync(commit.wal_path)
        outcome.syncs += 1
        yield
        if not logged.is_name_durable:
            yield from self._sync_names(commit.wal_path.parent, outcome)
        salts = salts_of(self._disk.read(commit.wal_path, 0, WAL_HEADER_BYTES)) or NO_SALTS
        # A found log may end in what is no commit: logged from the beginning next time.
        logged = msgspec.structs.replace(
            logged,
            is_name_durable=True,
            salts=NO_SALTS if commit.is_found else salts,
            end=0 if commit.is_found else commit.wal_end,
            generation=None if commit.is_found else commit.wal_generation,
        )
        return _Entry(salts, commit.wal_end, b"", logged)

    def _encode(self, entry: _Entry) -> bytes:
        """The entry's records, for the active segment only."""
        logged, use_id = entry.logged, self._active.use_id
        frames = encode_frames(logged.number, entry.salts, entry.offset, entry.data, use_id)
        if logged.number in self._named:
            return frames
        name = NameRecord(logged.number, logged.name, not logged.is_name_durable)
        return encode_record(name, use_id) + frames

    def _append(self, buffer: bytearray, outcome: WriteOutcome) -> Iterator[None]:
        if not buffer:
            return
        file = self._active.path_in(self._folder)
        self._disk.write(file, self._at, bytes(buffer))
        self._at += len(buffer)
        yield
        self._disk.sync(file)
        outcome.syncs += 1
        yield

    def _sync_names(self, folder: Path, outcome: WriteOutcome) -> Iterator[None]:
        """Of the files in `folder`, and of the folders above it that were not synced yet."""
        while True:
            self._disk.sync_dir(folder)
            outcome.syncs += 1
            yield
            if folder in self._known_folders:
                return
            self._known_folders.add(folder)
            folder = folder.parent
