"""The journal on a disk: what was appended is read again, and a torn line is nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.forge.entries import PullClosed, ThreadMarked, TokenGranted
from boomtown.container_sim.forge.journal import FileJournal, ForgeBook, JournalInUse

GRANTED = TokenGranted(login="ann", is_bot=False, token_hash="00")
CLOSED = PullClosed(repo="acme/widgets", number=1, head_sha="ab", at_ms=5)
MARKED = ThreadMarked(thread_id="PRRT_1", is_resolved=True)


def write(path: Path, *entries: TokenGranted | PullClosed | ThreadMarked) -> None:
    journal = FileJournal(path)
    for entry in entries:
        journal.append(entry)
    journal.close()


def read(path: Path) -> list[object]:
    journal = FileJournal(path)
    journal.close()
    return list(journal.entries)


def test_entries_are_read_again_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, GRANTED, CLOSED)
    write(path, MARKED)
    assert read(path) == [GRANTED, CLOSED, MARKED]


def test_torn_line_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, GRANTED)
    first = path.stat().st_size
    write(path, CLOSED)
    whole = path.read_bytes()
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert read(path) == [GRANTED]
        write(path, MARKED)
        assert read(path) == [GRANTED, MARKED]


def test_two_servers_cannot_have_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    first = FileJournal(path)
    with pytest.raises(JournalInUse):
        FileJournal(path)
    first.close()
    FileJournal(path).close()


def test_book_has_an_entry_on_the_disk_before_it_is_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path)
    book = ForgeBook(journal)
    journal.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        book.record(GRANTED)
    assert book.state.accounts == {}
