"""What is done for the commit log beside the flusher: files made ahead, old segments emptied.

Theory of operation. `next_task` looks at the book and the pool and says what to do next; the
task's steps run in the upkeep's thread and touch no state; `finish` tells book and pool, on the
loop's thread again. Tasks, the most urgent first:

* empty the oldest filled segment: sync the own logs of the databases that it names, and their
  folders, then begin a new use of it. One sync of a database's log lets go of it in every segment
  that was filled before, so a round over all databases frees the whole log.
* make a segment, once the active one is half full and no spare is there;
* make the template files that are missing.

A crash during any of them leaves a log that a recovery reads as before: an emptied segment is one
that nothing rested on. Emptying is *vital*: its error ends the commit path. Making is not: without
room the log goes on with the segments that it has, and new databases are made on the spot.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from boomtown.actors.runtime.log_disk import LogDisk
from boomtown.actors.runtime.log_recovery import empty_segment, make_segment
from boomtown.actors.runtime.log_segments import SegmentBook, SegmentFile
from boomtown.actors.runtime.template_files import Template, TemplatePool
from boomtown.limits import CommitLogLimits

HALF_PERCENT = 50


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """A task, and what `finish` needs of it."""

    steps: Iterator[None]
    is_vital: bool
    spare: SegmentFile | None = None  # there is one more, when it has ended
    templates: tuple[Template, ...] = ()
    synced: tuple[Path, ...] = ()  # own logs, durable up to where the task began
    before_use_id: int | None = None  # the use that was active then


class LogUpkeep:
    """Plans and books the upkeep of one log. Used on the loop's thread."""

    def __init__(
        self,
        *,
        disk: LogDisk,
        data_dir: Path,
        folder: Path,
        limits: CommitLogLimits,
        book: SegmentBook,
        pool: TemplatePool,
    ) -> None:
        self.book = book
        self.pool = pool
        self.fill_percent = 0  # of the active segment
        self._disk = disk
        self._data_dir = data_dir
        self._folder = folder
        self._limits = limits
        self._makes_files = True
        self._known_folders = {data_dir}  # membership only; used in the upkeep's steps

    def next_task(self) -> Upkeep | None:
        """What to do now; None when all is in order. One task at a time."""
        book = self.book
        needs_spare = book.spare is None and (
            book.active is None or self.fill_percent >= HALF_PERCENT
        )
        can_make = self._makes_files and book.may_grow
        if book.is_short or (needs_spare and not can_make):
            oldest = book.oldest_filled()
            if oldest is not None:
                return self._empty(oldest)
        if needs_spare and can_make:
            made = book.new_use(book.next_number())
            steps = make_segment(self._disk, self._folder, made, self._limits)
            return Upkeep(steps=steps, is_vital=False, spare=made)
        if self._makes_files and self.pool.files_missing:
            templates = tuple(self.pool.next_template() for _ in range(self.pool.files_missing))
            steps = self._make_templates(templates)
            return Upkeep(steps=steps, is_vital=False, templates=templates)
        return None

    def finish(self, task: Upkeep) -> list[Path]:
        """The task has ended well. Returns the logs that it let go of."""
        for template in task.templates:
            self.pool.keep(template)
        self.book.release(task.synced, before_use_id=task.before_use_id)
        if task.spare is not None:
            self.book.add_spare(task.spare)
        return list(task.synced)

    def make_no_more(self) -> None:
        """A file could not be made, perhaps for want of room."""
        self._makes_files = False

    def _empty(self, oldest: SegmentFile) -> Upkeep:
        named = self.book.named_in(oldest)
        active = self.book.active
        if named:
            return Upkeep(
                steps=self._sync(named),
                is_vital=True,
                synced=named,
                before_use_id=None if active is None else active.use_id,
            )
        self.book.take_oldest()
        spare = self.book.new_use(oldest.number)
        steps = empty_segment(self._disk, self._folder, spare, self._limits)
        return Upkeep(steps=steps, is_vital=True, spare=spare)

    def _make_templates(self, templates: tuple[Template, ...]) -> Iterator[None]:
        for template in templates:
            yield from self.pool.make(template)

    def _sync(self, wal_paths: tuple[Path, ...]) -> Iterator[None]:
        for wal_path in wal_paths:
            self._disk.sync(wal_path)
            yield
        for folder in dict.fromkeys(wal_path.parent for wal_path in wal_paths):
            yield from self._sync_names(folder)

    def _sync_names(self, folder: Path) -> Iterator[None]:
        while True:
            self._disk.sync_dir(folder)
            yield
            if folder in self._known_folders:
                return
            self._known_folders.add(folder)
            folder = folder.parent
