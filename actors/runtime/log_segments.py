"""Which segments a commit log has, and which databases each of them still stands for. Pure.

Theory of operation. A segment is *spare* (its use has begun and nothing is in it), *active* (the
next batch goes there) or *filled*. Uses are numbered in the order in which they are filled. A
filled segment may be used again once no database rests on it: each that it names had its own log
synced past the records, or was checkpointed, since. They are emptied oldest first, always: a
recovery that met an older segment without a newer one would go backwards.

Kept on the loop's thread, from what finished batches report. `released` at a moment counts for
segments that were filled before it: nothing is written to those any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

SEGMENT_PREFIX = "segment-"
MAKING_PREFIX = "making-"
RESERVE_SHARE = 4  # segments are emptied when less than this part of all is free


class SegmentFile(msgspec.Struct, frozen=True):
    """One use of one file."""

    number: int  # of the file
    use_id: int

    def path_in(self, folder: Path) -> Path:
        """Where it lies."""
        return folder / f"{SEGMENT_PREFIX}{self.number}.log"


class SegmentBook:
    """All segments of one log. `spares` in the order of their uses, one at least."""

    def __init__(
        self, spares: Iterable[SegmentFile], *, next_use_id: int, segments_max: int
    ) -> None:
        self._spares = deque(spares)
        self._next_use_id = next_use_id
        self._segments_max = segments_max
        self._filled: deque[SegmentFile] = deque()
        self._named: dict[int, dict[Path, None]] = {}  # by use: the logs that rest on it
        self._active: SegmentFile | None = self._spares.popleft()

    @property
    def active(self) -> SegmentFile | None:
        return self._active

    @property
    def spare(self) -> SegmentFile | None:
        """The segment to fill after the active one."""
        return self._spares[0] if self._spares else None

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self._spares) + len(self._filled) + (self._active is not None)

    @property
    def may_grow(self) -> bool:
        return self.segments < self._segments_max

    @property
    def is_short(self) -> bool:
        """Whether it is time to empty the oldest."""
        free = self._segments_max - len(self._filled) - 1
        return bool(self._filled) and free < max(1, self._segments_max // RESERVE_SHARE)

    def new_use(self, number: int) -> SegmentFile:
        """The next use, of the file with that number."""
        use_id = self._next_use_id
        self._next_use_id += 1
        return SegmentFile(number, use_id)

    def next_number(self) -> int:
        """Of a file that is not there yet."""
        files = [*self._spares, *self._filled]
        if self._active is not None:
            files.append(self._active)
        return 1 + max((file.number for file in files), default=0)

    def add_spare(self, segment: SegmentFile) -> None:
        """A segment was made or emptied."""
        assert not self._spares or self._spares[-1].use_id < segment.use_id
        self._spares.append(segment)

    def fill_next(self) -> None:
        """The active one is full; the first spare, if any, is active."""
        if self._active is not None:
            self._filled.append(self._active)
        self._active = self._spares.popleft() if self._spares else None

    def note_written(self, use_id: int, wal_paths: Iterable[Path]) -> None:
        """Records of these logs are durable in that use."""
        self._named.setdefault(use_id, {}).update(dict.fromkeys(wal_paths))

    def rests_on_log(self, wal_path: Path) -> bool:
        """Whether any segment still stands for what this log holds."""
        return any(wal_path in named for named in self._named.values())

    def release(self, wal_paths: Iterable[Path], *, before_use_id: int | None) -> None:
        """These logs are durable by themselves as of now, or of the moment when the use
        `before_use_id` was active."""
        released = tuple(wal_paths)
        for use_id, named in self._named.items():
            if before_use_id is None or use_id < before_use_id:
                for wal_path in released:
                    named.pop(wal_path, None)

    def oldest_filled(self) -> SegmentFile | None:
        return self._filled[0] if self._filled else None

    def named_in(self, segment: SegmentFile) -> tuple[Path, ...]:
        """The logs that rest on it, in the order in which they came."""
        return tuple(self._named.get(segment.use_id, ()))

    def take_oldest(self) -> SegmentFile:
        """The oldest filled segment, on which nothing rests, to be emptied."""
        oldest = self._filled.popleft()
        assert not self._named.pop(oldest.use_id, None)
        return oldest
