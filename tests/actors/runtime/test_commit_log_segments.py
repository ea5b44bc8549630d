"""Which segment is filled, which may be used again, and what rests on it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.log_segments import SegmentBook, SegmentFile

A, B = Path("a-wal"), Path("b-wal")


def book_of(spares: int, *, segments_max: int = 8) -> SegmentBook:
    files = [SegmentFile(number, number) for number in range(1, spares + 1)]
    return SegmentBook(files, next_use_id=spares + 1, segments_max=segments_max)


def test_segments_are_filled_and_emptied_in_the_order_of_their_uses() -> None:
    book = book_of(3)
    assert book.active == SegmentFile(1, 1)
    assert book.spare == SegmentFile(2, 2)
    book.fill_next()
    book.fill_next()
    assert book.active == SegmentFile(3, 3)
    assert book.oldest_filled() == SegmentFile(1, 1)
    assert book.new_use(book.take_oldest().number) == SegmentFile(1, 4)
    assert book.oldest_filled() == SegmentFile(2, 2)


def test_a_log_without_a_spare_has_no_active_segment_until_it_gets_one() -> None:
    book = book_of(1)
    book.fill_next()
    assert book.active is None
    book.add_spare(book.new_use(book.next_number()))
    book.fill_next()
    assert book.active == SegmentFile(2, 2)


def test_a_sync_lets_go_of_filled_segments_only() -> None:
    """Records that are written to the active one meanwhile may be newer than the sync."""
    book = book_of(2)
    book.note_written(1, [A, B])
    book.fill_next()
    book.note_written(2, [A])
    book.release([A], before_use_id=2)
    assert book.named_in(SegmentFile(1, 1)) == (B,)
    assert book.named_in(SegmentFile(2, 2)) == (A,)


def test_a_checkpoint_lets_go_of_every_segment() -> None:
    book = book_of(2)
    book.note_written(1, [A])
    book.fill_next()
    book.note_written(2, [A])
    assert book.rests_on_log(A)
    book.release([A], before_use_id=None)
    assert not book.rests_on_log(A)


def test_it_is_time_to_empty_when_a_quarter_is_left() -> None:
    book = book_of(8)
    for _ in range(5):
        book.fill_next()
    assert not book.is_short
    book.fill_next()
    assert book.is_short


@given(st.lists(st.sampled_from("fem"), max_size=40), st.integers(2, 6))
def test_the_number_of_segments_keeps_its_bound_and_uses_never_repeat(
    steps: list[str], segments_max: int
) -> None:
    book = book_of(1, segments_max=segments_max)
    used = [1]
    for step in steps:
        if step == "f" and book.active is not None:
            book.fill_next()
        elif step == "e" and book.oldest_filled() is not None:
            book.add_spare(book.new_use(book.take_oldest().number))
        elif step == "m" and book.may_grow:
            book.add_spare(book.new_use(book.next_number()))
        if book.active is None and book.spare is not None:
            book.fill_next()
        assert book.segments <= segments_max
        if book.active is not None and book.active.use_id != used[-1]:
            used.append(book.active.use_id)
    assert used == sorted(set(used))
