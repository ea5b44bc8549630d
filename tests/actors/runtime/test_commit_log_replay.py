"""What a recovery writes, from what the log and the disk hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.log_records import FramesRecord, NameRecord, Record, Segment
from boomtown.actors.runtime.log_replay import (
    WAL_HEADER_BYTES,
    Found,
    Run,
    WalRange,
    last_runs,
    page_size_of,
    plan_repair,
    salts_of,
)

OLD, NEW = b"oldsalts", b"newsalts"
THERE = Found(has_main_file=True, wal_salts=None)
MISSING = Found(has_main_file=False, wal_salts=None)


def frames(offset: int, data: bytes, *, salts: bytes = OLD, database: int = 1) -> FramesRecord:
    return FramesRecord(database, salts, offset, data)


def segment(use_id: int, *records: Record, is_new: bool = False) -> Segment:
    return Segment(use_id, (NameRecord(1, "a.sqlite", is_new), *records), end=0)


def run_of(*segments: Segment) -> Run:
    (run,) = last_runs(segments)
    return run


def wal_header(page_size: int) -> bytes:
    return bytes(8) + page_size.to_bytes(4, "big") + bytes(4) + OLD + bytes(8)


def test_records_that_continue_one_another_are_one_run_across_segments() -> None:
    run = run_of(segment(2, frames(3, b"de")), segment(1, frames(0, b"abc")))
    assert run.ranges == (WalRange(0, b"abc"), WalRange(3, b"de"))


def test_only_the_last_generation_counts() -> None:
    run = run_of(segment(1, frames(0, b"abc"), frames(0, b"x", salts=NEW)))
    assert (run.salts, run.ranges) == (NEW, (WalRange(0, b"x"),))


def test_a_record_from_the_beginning_takes_the_place_of_the_run() -> None:
    run = run_of(segment(1, frames(0, b"abc"), frames(0, b"abcde")))
    assert run.ranges == (WalRange(0, b"abcde"),)


def test_what_lies_before_a_gap_was_synced_and_is_dropped() -> None:
    """Kept, it would be a prefix that leads a main file backwards which has taken the rest."""
    run = run_of(segment(1, frames(0, b"abc"), frames(9, b"")))
    assert run.ranges == ()
    run = run_of(segment(1, frames(0, b"abc"), frames(9, b""), frames(9, b"j")))
    assert run.ranges == (WalRange(9, b"j"),)


def test_numbers_are_names_of_their_own_segment() -> None:
    first = Segment(1, (NameRecord(1, "a", False), frames(0, b"a")), end=0)
    second = Segment(2, (NameRecord(1, "b", False), frames(0, b"b")), end=0)
    assert [(run.path, run.ranges) for run in last_runs([second, first])] == [
        ("a", (WalRange(0, b"a"),)),
        ("b", (WalRange(0, b"b"),)),
    ]


def test_a_run_from_the_beginning_is_written_whatever_the_disk_holds() -> None:
    run = run_of(segment(1, frames(0, b"abc")))
    for salts in (None, OLD, NEW):
        repair = plan_repair(run, Found(has_main_file=True, wal_salts=salts))
        assert (repair.template_page_size, repair.writes) == (None, run.ranges)


def test_a_later_run_is_written_only_over_its_own_generation() -> None:
    run = run_of(segment(1, frames(3, b"de")))
    assert plan_repair(run, Found(has_main_file=True, wal_salts=OLD)).writes == run.ranges
    for found in (THERE, MISSING, Found(has_main_file=True, wal_salts=NEW)):
        assert plan_repair(run, found).writes == ()


def test_a_missing_file_is_made_only_where_its_name_was_not_durable() -> None:
    record = frames(0, wal_header(512))
    new = run_of(segment(1, record, is_new=True))
    assert plan_repair(new, MISSING).template_page_size == 512
    assert plan_repair(new, THERE).template_page_size is None
    removed = run_of(segment(1, record))
    assert plan_repair(removed, MISSING) == plan_repair(run_of(segment(1)), MISSING)


def test_salts_and_page_size_are_read_from_a_whole_header_only() -> None:
    header = wal_header(1024)
    assert (salts_of(header), page_size_of(header)) == (OLD, 1024)
    assert salts_of(header[:-1]) is None
    assert salts_of(bytes(WAL_HEADER_BYTES)) is None


@given(st.data())
def test_the_log_and_the_own_log_give_the_last_generation_whole(data: st.DataObject) -> None:
    """A model: a database whose own log grows, is emptied, and is synced past the records before
    a segment goes. Whatever suffix of segments is left, the repair completes its last generation,
    or what it leaves out was in the main file."""
    generation, own, synced, emptied = 0, b"", 0, 0
    records: list[tuple[int, int, bytes]] = []
    for step in data.draw(st.lists(st.sampled_from("cccpe"), min_size=1, max_size=12)):
        if step == "c":
            added = bytes([len(records) + 1]) * data.draw(st.integers(1, 4))
            records.append((generation, len(own), added))
            own += added
        elif step == "p":
            synced, emptied = len(own), len(records)
        else:
            generation, own, synced = generation + 1, b"", 0
    left = records[data.draw(st.integers(0, emptied)) :]
    log = Segment(
        1,
        (
            NameRecord(1, "a", False),
            *(frames(at, added, salts=b"%08d" % number) for number, at, added in left),
        ),
        end=0,
    )
    disk = bytearray(own[:synced])
    found = Found(has_main_file=True, wal_salts=b"%08d" % generation if synced else None)
    (run,) = last_runs([log])
    for each in plan_repair(run, found).writes:
        if run.salts == b"%08d" % generation:
            assert each.offset <= len(disk)
            disk[each.offset : each.offset + len(each.data)] = each.data
        else:
            # An earlier generation, which the main file has: written whole or not at all.
            assert each.offset == 0 or each != run.ranges[0]
    assert bytes(disk[: len(own)]) == own
