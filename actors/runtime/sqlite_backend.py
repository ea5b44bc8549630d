"""Storage of one host on SQLite files: commit path, alarm indexes and scheduler, put together.

Theory of operation. `start` opens the indexes of the classes that have alarms and begins to
deliver; `open` gives one object its storage; `stop_alarms` comes before the objects are closed,
`aclose` after. Durable is what the commit path synced; a crash at any point loses at most what no
reply has told, and the next start delivers the alarms that had not ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from boomtown.actors.runtime.alarm_index import WAKES_FILE, AlarmIndex, AlarmRow
from boomtown.actors.runtime.alarm_scheduler import Abandon, AlarmScheduler, Deliver
from boomtown.actors.runtime.closed_logs import ClosedLogs
from boomtown.actors.runtime.commit_log import LogCommitPath
from boomtown.actors.runtime.commit_log_start import CommitLogParts, recover_log, start_log
from boomtown.actors.runtime.commit_path import FileCommitPath, FlushRunner
from boomtown.actors.runtime.database import Database, DatabaseOptions, database_path
from boomtown.actors.runtime.ports import (
    CommitPath,
    Durability,
    FlushPort,
    Instrument,
    ObjectGate,
    ObjectKey,
)
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.storage import Storage
from boomtown.clock import Clock
from boomtown.entropy import Entropy
from boomtown.limits import RuntimeLimits

log = logging.getLogger(__name__)

ID_PREFIX_DIGITS = 2  # of an id, which name the folder of its file (decisions 14)


class SqliteBackend:
    """Satisfies StorageBackend. `serve_alarms` is called once, before `start`."""

    def __init__(
        self,
        *,
        data_dir: Path,
        classes_with_alarms: Sequence[str],
        durability: Durability,
        flush: FlushPort,
        runner: FlushRunner,
        log: CommitLogParts | None,
        options: DatabaseOptions,
        clock: Clock,
        entropy: Entropy,
        limits: RuntimeLimits,
        instrument: Instrument,
        on_broken: Callable[[DurableObjectError], None],
    ) -> None:
        """`log`: None where there never was one. `runner` syncs where no log is written;
        `on_broken` is told once, on the loop's thread, when nothing becomes durable any more."""
        self._data_dir = data_dir
        self._classes_with_alarms = sorted(classes_with_alarms)
        self._options = options
        self._flush = flush
        self._durability = durability
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._instrument = instrument
        self._log = log
        self._log_path: LogCommitPath | None = None
        self._on_broken = on_broken
        self._commit_path: CommitPath = FileCommitPath(
            flush=flush,
            runner=runner,
            durability=durability,
            data_dir=data_dir,
            instrument=instrument,
            on_broken=on_broken,
        )
        self._closed_logs = ClosedLogs()
        self._indexes: dict[str, AlarmIndex] = {}
        self._callbacks: tuple[Deliver, Abandon] | None = None
        self._scheduler: AlarmScheduler | None = None
        self._wakes = _WakeIndexes(self._open_wakes)
        self._wake_callbacks: tuple[Deliver, Abandon] | None = None
        self._wake_classes: frozenset[str] = frozenset()
        self._wake_scheduler: AlarmScheduler | None = None

    def serve_alarms(self, deliver: Deliver, abandon: Abandon) -> None:
        """Say who runs alarms (AlarmScheduler)."""
        self._callbacks = (deliver, abandon)

    def serve_schedules(self, deliver: Deliver, abandon: Abandon, classes: Collection[str]) -> None:
        """Say who runs the schedules of these classes, as `serve_alarms`."""
        self._wake_callbacks = (deliver, abandon)
        self._wake_classes = frozenset(classes)  # membership only

    async def start(self) -> None:
        """Bring the files up to the commit log, open the alarm indexes and begin to deliver;
        overdue alarms come first. Raises OSError where the log cannot be read or written."""
        assert self._callbacks is not None, "serve_alarms comes before start"
        assert self._wake_callbacks is not None, "serve_schedules comes before start"
        self._options.make_folders(self._data_dir)
        await self._start_log()
        for class_name in self._classes_with_alarms:
            self._indexes[class_name] = AlarmIndex(
                data_dir=self._data_dir,
                class_name=class_name,
                options=self._options,
                limits=self._limits,
                commit_path=self._commit_path,
            )
        for class_name in self._options.list_folder(self._data_dir / "actors"):
            if WAKES_FILE not in self._options.list_folder(self._data_dir / "actors" / class_name):
                continue
            if class_name in self._wake_classes:
                self._wakes[class_name] = self._open_wakes(class_name)
            else:
                # As alarms without a handler: kept, and nobody is woken for nothing.
                log.warning("schedules_wait_for_their_class class=%s", class_name)
        self._scheduler = self._new_scheduler(self._indexes, *self._callbacks)
        self._wake_scheduler = self._new_scheduler(self._wakes, *self._wake_callbacks)
        self._scheduler.start()
        self._wake_scheduler.start()

    async def _start_log(self) -> None:
        log, limits = self._log, self._limits.log
        if log is None:
            return
        if not log.is_written or self._durability is Durability.PROCESS:
            await recover_log(log, self._data_dir, limits)
            return
        self._commit_path = self._log_path = await start_log(
            log,
            data_dir=self._data_dir,
            page_size=self._options.page_size,
            limits=limits,
            instrument=self._instrument,
            on_broken=self._on_broken,
        )
        self._options = msgspec.structs.replace(self._options, make_missing=self._make_missing)

    def _make_missing(self, file: Path, wal_path: Path) -> None:
        assert self._log is not None
        assert self._log_path is not None
        if not self._log.disk.exists(file):
            self._log_path.make_database(file, wal_path)

    def _new_scheduler(
        self, indexes: Mapping[str, AlarmIndex], deliver: Deliver, abandon: Abandon
    ) -> AlarmScheduler:
        return AlarmScheduler(
            indexes=indexes,
            deliver=deliver,
            abandon=abandon,
            clock=self._clock,
            entropy=self._entropy,
            limits=self._limits,
            instrument=self._instrument,
        )

    def _open_wakes(self, class_name: str) -> AlarmIndex:
        return AlarmIndex(
            data_dir=self._data_dir,
            class_name=class_name,
            options=self._options,
            limits=self._limits,
            commit_path=self._commit_path,
            file_name=WAKES_FILE,
        )

    def open(
        self, key: ObjectKey, name: str | None, gate: ObjectGate, *, has_alarm: bool
    ) -> Storage:
        """The storage of an object. Raises where the file cannot be opened (apsw.Error,
        OSError). Its first replies wait for what a killed process left in the log."""
        assert self._scheduler is not None, "the backend is started"
        assert self._wake_scheduler is not None, "the backend is started"
        database = Database(database_path(self._data_dir, key), self._options, self._limits)
        storage = Storage(
            database=database,
            key=key,
            name=name,
            gate=gate,
            commit_path=self._commit_path,
            alarms=self._scheduler,
            wakes=self._wake_scheduler,
            closed_logs=self._closed_logs,
            has_alarm=has_alarm,
            clock=self._clock,
            limits=self._limits,
        )
        storage.start()
        return storage

    def find_next_alarm_at_ms(self) -> int | None:
        """When the next alarm of this host, or the next schedule, is due."""
        schedulers = (self._scheduler, self._wake_scheduler)
        found = [each.find_next_at_ms() for each in schedulers if each is not None]
        return min((at_ms for at_ms in found if at_ms is not None), default=None)

    def list_alarms(self) -> list[AlarmRow]:
        """Every alarm that is set, the earliest first."""
        rows = [row for index in self._indexes.values() for row in index.rows()]
        return sorted(rows, key=lambda row: (row.scheduled_at_ms, row.key.object_id))

    def list_object_ids(self, class_name: str) -> list[str]:
        """The ids of the class that have a file, sorted; the alarm index is none."""
        folder = self._data_dir / "actors" / class_name
        list_folder = self._options.list_folder
        return [
            name.removesuffix(".sqlite")
            for prefix in list_folder(folder)
            if len(prefix) == ID_PREFIX_DIGITS
            for name in list_folder(folder / prefix)
            if name.endswith(".sqlite")
        ]

    async def erase(self) -> None:
        """Delete every file, of classes that are not registered too, and start anew. No object
        is open. A crash leaves any part of the files; each is whole."""
        await self.stop_alarms()
        await self._close_indexes()
        self._closed_logs = ClosedLogs()
        if self._log is not None and self._log_path is not None:
            # Emptied first: the next start would make the files again from it.
            await self._log_path.settle()
            await recover_log(self._log, self._data_dir, self._limits.log)
        list_folder = self._options.list_folder
        actors = self._data_dir / "actors"
        for class_name in list_folder(actors):
            self._remove_databases(actors / class_name)
            for prefix in list_folder(actors / class_name):
                if len(prefix) == ID_PREFIX_DIGITS:
                    self._remove_databases(actors / class_name / prefix)
        await self.start()

    def _remove_databases(self, folder: Path) -> None:
        # Main files first: a log without its file means nothing, a file without its log is old.
        for suffix in (".sqlite", ".sqlite-wal"):
            for name in self._options.list_folder(folder):
                if name.endswith(suffix):
                    self._options.remove_file(folder / name)
        if self._durability is Durability.FULL:
            self._flush.sync_dir(folder)

    async def stop_alarms(self) -> None:
        """Deliver no more alarms; those under way are let go and run again after a start."""
        for scheduler in (self._scheduler, self._wake_scheduler):
            if scheduler is not None:
                await scheduler.aclose()

    async def aclose(self) -> None:
        """Close the indexes and make durable what was submitted."""
        await self._close_indexes()
        await self._commit_path.aclose()
        if self._log is not None and self._log_path is None:
            self._log.flusher.close()
            self._log.upkeeper.close()

    async def _close_indexes(self) -> None:
        for class_name in self._classes_with_alarms:
            index = self._indexes.pop(class_name, None)
            if index is not None:
                await index.aclose()
        while self._wakes:
            _, wakes = self._wakes.popitem()
            await wakes.aclose()


class _WakeIndexes(dict[str, AlarmIndex]):
    """The indexes of schedules by class, each made when the first object of its class schedules:
    most classes never do."""

    def __init__(self, open_index: Callable[[str], AlarmIndex]) -> None:
        super().__init__()
        self._open_index = open_index

    def __missing__(self, class_name: str) -> AlarmIndex:
        index = self._open_index(class_name)
        self[class_name] = index
        return index
