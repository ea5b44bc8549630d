"""Records and segments of the commit log: what is read is what was written, to the first tear."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.log_records import (
    SECTOR_BYTES,
    FramesRecord,
    NameRecord,
    Record,
    encode_header,
    encode_record,
    find_use_id,
    read_segment,
    record_bytes,
)

SEGMENT_BYTES = 4_096
NUMBERS = st.integers(0, 2**63)
RECORDS = st.one_of(
    st.builds(NameRecord, NUMBERS, st.text(max_size=40), st.booleans()),
    st.builds(
        FramesRecord,
        NUMBERS,
        st.binary(min_size=8, max_size=8),
        NUMBERS,
        st.binary(max_size=200),
    ),
)


def segment_of(use_id: int, records: list[Record], *, over: bytes = b"") -> bytes:
    """A segment's bytes, written over what the file held."""
    image = bytearray(over or SEGMENT_BYTES)
    header = encode_header(use_id, SEGMENT_BYTES)
    image[: len(header)] = header
    at = SECTOR_BYTES
    for record in records:
        data = encode_record(record, use_id)
        image[at : at + len(data)] = data
        at += len(data)
    assert len(image) == SEGMENT_BYTES
    return bytes(image)


@given(NUMBERS, st.lists(RECORDS, max_size=8))
def test_a_segment_gives_back_its_records(use_id: int, records: list[Record]) -> None:
    segment = read_segment(segment_of(use_id, records))
    assert segment is not None
    assert (segment.use_id, list(segment.records)) == (use_id, records)
    assert segment.end == SECTOR_BYTES + sum(record_bytes(record) for record in records)


@given(st.lists(RECORDS, min_size=1, max_size=8), st.data())
def test_a_changed_byte_ends_the_segment_before_its_record(
    records: list[Record], data: st.DataObject
) -> None:
    image = bytearray(segment_of(7, records))
    torn = data.draw(st.integers(0, len(records) - 1))
    start = SECTOR_BYTES + sum(record_bytes(record) for record in records[:torn])
    at = data.draw(st.integers(start, start + record_bytes(records[torn]) - 1))
    image[at] ^= data.draw(st.integers(1, 255))
    segment = read_segment(bytes(image))
    assert segment is not None
    assert list(segment.records) == records[:torn]


@given(st.integers(1, 2**31), st.integers(1, 2**31), st.lists(RECORDS, min_size=1, max_size=8))
def test_records_of_an_earlier_use_never_count(
    use_id: int, later: int, records: list[Record]
) -> None:
    """Whatever they hold: equal bytes have equal checksums only if those began equally."""
    old = segment_of(use_id, records)
    segment = read_segment(segment_of(use_id + later, [], over=old))
    assert segment is not None
    assert segment.records == ()


@given(st.lists(RECORDS, min_size=3, max_size=6), RECORDS)
def test_a_new_record_is_not_followed_by_those_that_it_did_not_cover(
    records: list[Record], first: Record
) -> None:
    segment = read_segment(segment_of(2, [first], over=segment_of(1, records)))
    assert segment is not None
    assert segment.records == (first,)


def test_zeros_and_half_a_header_are_no_segment() -> None:
    assert find_use_id(bytes(SEGMENT_BYTES)) is None
    header = encode_header(3, SEGMENT_BYTES)
    assert find_use_id(header) == 3
    assert find_use_id(header[:-1]) is None
    assert read_segment(header[:-1] + b"\0" + bytes(SECTOR_BYTES)) is None
