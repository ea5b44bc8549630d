"""What stands in a segment of the commit log, byte by byte. Pure.

A segment is a file of fixed size. Its first sector holds the header: magic, the *use id*, the
size, a checksum. A use id is given once in the life of a log, to a file that is about to be filled
(again); later uses have higher ids. From the next sector on there are records, back to back.
Numbers are little-endian.

    u32 length of the data | u32 checksum | u64 database | 8 bytes salts | u64 offset
    | u8 kind | 7 zero bytes | data

The checksum is a CRC-32 of all that follows it, begun with the use id. For equal bytes two CRCs
are equal only if they began equally, so a record of the file's earlier use never passes for one
of this use. A segment ends at its first record that does not check: what a power cut tore is the
end, and so are the zeros that were never written.

Databases are numbers within one life of a server; a NAME says which file a number means, and
stands before the number's first frames in each segment. FRAMES are a range of the database's
write-ahead log, of the generation with these salts; without data they say that the range before
their offset is durable in that file itself (log_replay.py).
"""

from __future__ import annotations

import struct
from typing import assert_never
from zlib import crc32

import msgspec

SECTOR_BYTES = 512  # what a disk writes as one; the header shares its own with nothing
SALTS_BYTES = 8
NO_SALTS = bytes(SALTS_BYTES)  # of no generation: SQLite draws its salts
_MAGIC = b"BOOMLOG1"
_HEADER = struct.Struct("<8sQQI")
_RECORD = struct.Struct("<IIQ8sQB7x")
_UNCHECKED = struct.Struct("<II")  # its two parts: length and checksum, and what they are of
_CHECKED = struct.Struct("<Q8sQB7x")
_AFTER_CHECKSUM = _UNCHECKED.size
RECORD_HEADER_BYTES = _RECORD.size
_NAME = 1
_NEW_NAME = 2
_FRAMES = 3
_CHECKSUM_SPAN = 1 << 32


class NameRecord(msgspec.Struct, frozen=True):
    """Which file a number means."""

    database: int
    path: str  # of the main file, relative to the data directory, with slashes
    is_new: bool  # its name may be on no disk yet; then it is a template, or missing


class FramesRecord(msgspec.Struct, frozen=True):
    """A range of a database's write-ahead log."""

    database: int
    salts: bytes  # of the generation
    offset: int
    data: bytes


Record = NameRecord | FramesRecord


class Segment(msgspec.Struct, frozen=True):
    """What one use of a segment holds."""

    use_id: int
    records: tuple[Record, ...]
    end: int  # where the next record would stand


def encode_header(use_id: int, segment_bytes: int) -> bytes:
    """The first bytes of a segment."""
    fields = _HEADER.pack(_MAGIC, use_id, segment_bytes, 0)[:-4]
    return fields + struct.pack("<I", crc32(fields))


def find_use_id(image: bytes) -> int | None:
    """The use id in a segment's first sector; None where there is no whole header."""
    if len(image) < _HEADER.size:
        return None
    magic, use_id, segment_bytes, _ = _HEADER.unpack_from(image)
    if magic != _MAGIC or image[: _HEADER.size] != encode_header(use_id, segment_bytes):
        return None
    return int(use_id)


def encode_record(record: Record, use_id: int) -> bytes:
    """The record's bytes, for that use of a segment only."""
    match record:
        case NameRecord(database, path, is_new):
            kind, salts, offset = _NEW_NAME if is_new else _NAME, NO_SALTS, 0
            data = path.encode()
        case FramesRecord(database, salts, offset, data):
            kind = _FRAMES
        case _:
            assert_never(record)
    return _encode(database, salts, offset, kind, data, use_id)


def encode_frames(database: int, salts: bytes, offset: int, data: bytes, use_id: int) -> bytes:
    """The bytes of a FramesRecord with these fields; nearly all records are one."""
    return _encode(database, salts, offset, _FRAMES, data, use_id)


def _encode(database: int, salts: bytes, offset: int, kind: int, data: bytes, use_id: int) -> bytes:
    assert len(salts) == SALTS_BYTES
    checked = _CHECKED.pack(database, salts, offset, kind)
    checksum = crc32(data, crc32(checked, use_id % _CHECKSUM_SPAN))
    return _UNCHECKED.pack(len(data), checksum) + checked + data


def record_bytes(record: Record) -> int:
    """How long the record is."""
    data = record.path.encode() if isinstance(record, NameRecord) else record.data
    return RECORD_HEADER_BYTES + len(data)


def read_segment(image: bytes) -> Segment | None:
    """What a segment's bytes hold, up to the first record that does not check; None where its
    header does not."""
    use_id = find_use_id(image)
    if use_id is None:
        return None
    records: list[Record] = []
    at = SECTOR_BYTES
    while (record := _find_record(image, at, use_id)) is not None:
        records.append(record)
        at += record_bytes(record)
    return Segment(use_id, tuple(records), at)


def _find_record(image: bytes, at: int, use_id: int) -> Record | None:
    if at + RECORD_HEADER_BYTES > len(image):
        return None
    length, checksum, database, salts, offset, kind = _RECORD.unpack_from(image, at)
    start = at + RECORD_HEADER_BYTES
    if kind not in (_NAME, _NEW_NAME, _FRAMES) or length > len(image) - start:
        return None
    data = image[start : start + length]
    if _checksum(image[at:start], data, use_id) != checksum:
        return None
    if kind == _FRAMES:
        return FramesRecord(database, salts, offset, data)
    return NameRecord(database, data.decode(), kind == _NEW_NAME)


def _checksum(header: bytes, data: bytes, use_id: int) -> int:
    return crc32(data, crc32(header[_AFTER_CHECKSUM:], use_id % _CHECKSUM_SPAN))
