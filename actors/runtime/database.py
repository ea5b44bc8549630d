"""One SQLite file: its connection, its pragmas, its write-ahead log.

Theory of operation. An object's database is a file that one process opens once: WAL mode with
exclusive locking, so there is no shared-memory file, and a second process gets BusyError. SQLite
itself never syncs a commit (no automatic checkpoint, and synchronous=OFF: NORMAL would sync the
log's header at the first commit of each generation, in the loop): a commit is in the page cache
when COMMIT returns and survives the process; the commit path makes it survive the power
(commit_path.py): the log from its header on, before anything in it is told. A checkpoint runs with
synchronous=NORMAL, which syncs the log before the file and the file before the log is emptied.
What COMMIT left in the log is told by SQLite's WAL hook: with n frames in the log the commit ends
at byte 32 + n * (24 + page size).

Used on the loop thread, except that `checkpoint` and `close` may run in the flush thread while
nothing else uses the connection. The main file is never opened by another descriptor in this
process, but for the lock (database_lock.py): where SQLite locks it itself, closing that would drop
its locks. The log may be.

The connection has two faces. Our own statements carry PREPARE_PERSISTENT, a user's do not, so the
two never share an entry of the statement cache, and the authoriser (sql_authorizer.py), which
SQLite asks when it compiles, cannot be got round by a text that we had compiled before.

A crash at any point leaves what SQLite's recovery makes of file and log. A new file is complete
in its folder only after the first commit, whose acknowledgement waits for the folder's sync.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import apsw
import msgspec

from boomtown.actors.runtime.database_lock import UNLOCKED_VFS, lock_database
from boomtown.actors.runtime.ports import Commit, ObjectKey
from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.actors.runtime.sqlite_surface import (
    SqliteConnection,
    SqliteCursor,
    SqlRow,
    SqlValue,
)
from boomtown.limits import RuntimeLimits

WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
WAL_SUFFIX = "-wal"
_SYNCS_NOTHING = "PRAGMA synchronous = OFF"
_SYNCS_CHECKPOINTS = "PRAGMA synchronous = NORMAL"
# Exclusive before WAL: else SQLite makes a shared-memory file, which a VFS may not have. And SQLite
# takes memory for 20 pages at a cache's first, unless the cache may hold fewer than three: then,
# and as long as it is not empty, each page is taken by itself (25 KiB less for an object).
_FIRST_SETTINGS = "PRAGMA locking_mode = exclusive; PRAGMA cache_size = 2"
# The mode first: the change of a new file's is synced. The version is on the first page: with that
# the cache is not empty any more. All else is SQLite's default, or needs no statement.
_SETTINGS = f"""
PRAGMA journal_mode = wal; {_SYNCS_NOTHING}; PRAGMA page_size; PRAGMA schema_version;
PRAGMA cache_size = -2000
"""


def make_folders(folder: Path) -> None:
    """Make `folder` and what is missing above it, on the real disk."""
    folder.mkdir(parents=True, exist_ok=True)


def list_folder(folder: Path) -> Sequence[str]:
    """The names in `folder` on the real disk, sorted; none where it is not there."""
    return sorted(os.listdir(folder)) if folder.is_dir() else ()


def remove_file(file: Path) -> None:
    """Remove `file` from the real disk."""
    file.unlink()


class DatabaseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How files are opened."""

    page_size: int = 1024  # decisions 19; of new files only
    vfs: str | None = None  # a registered VFS under SQLite; None: the operating system's
    make_folders: Callable[[Path], None] = make_folders  # of the disk that the VFS writes to
    list_folder: Callable[[Path], Sequence[str]] = list_folder  # of that disk, too
    remove_file: Callable[[Path], None] = remove_file
    # Puts a new database and its log where there is none; None: SQLite makes both, slowly.
    make_missing: Callable[[Path, Path], None] | None = None
    # Of those that are used: a town at work has some 190, and a cache that is too small by half
    # compiled each fourth anew. They take 0.5 MB with 100, 0.7 MB with all.
    statements_cached: int = 250


def database_path(data_dir: Path, key: ObjectKey) -> Path:
    """`<data_dir>/actors/<Class>/<2 hex>/<id>.sqlite` (decisions 14)."""
    object_id = key.object_id
    return data_dir.joinpath("actors", key.class_name, object_id[:2], f"{object_id}.sqlite")


def sql_error(error: apsw.Error) -> SqlError:
    """`error` in the words of durable-actors 4.5: the message ends with SQLite's code."""
    code = getattr(error, "result", None)
    text = str(error)
    offset = getattr(error, "error_offset", -1)
    if isinstance(offset, int) and offset >= 0:
        text = f"{text} at offset {offset}"
    if not isinstance(code, int):
        return SqlError(text)
    name = apsw.mapping_result_codes.get(code, code)
    return SqlError(f"{text}: {name}")


class Database:
    """An open file. Raises apsw errors as they come, except where said."""

    def __init__(self, path: Path, options: DatabaseOptions, limits: RuntimeLimits) -> None:
        """Open `path`, made with its folders where it is not there.

        Raises apsw.BusyError while another process has it, apsw.Error where it is no database,
        OSError where folders cannot be made.
        """
        self.path = path
        self.wal_path: Path = path.with_name(path.name + WAL_SUFFIX)
        if options.make_missing is None:
            options.make_folders(path.parent)
        else:
            options.make_missing(path, self.wal_path)
        self.wal_generation: int = 1
        self.wal_end: int = 0
        self.has_committed: bool = False  # since it was opened
        self.is_guarded: bool = False  # while a user's statement is compiled or stepped
        self.was_asked: bool = False  # the authoriser, about a user's statement
        self._vfs = options.vfs
        self._lock: int | None = None  # a descriptor
        self._connection = self._open_connection(options)
        try:
            self.page_size: int = self._prepare_connection(options, limits)
            self.wal_end = self._wal_bytes()
        except BaseException:
            self.close()
            raise

    def _open_connection(self, options: DatabaseOptions) -> SqliteConnection:
        vfs = self._vfs
        if vfs is None and UNLOCKED_VFS is not None:
            try:
                self._lock = lock_database(self.path)
            except BlockingIOError as error:
                raise apsw.BusyError("database is locked") from error
            vfs = UNLOCKED_VFS
        try:
            connection = apsw.Connection(
                str(self.path), vfs=vfs, statementcachesize=options.statements_cached
            )
        except BaseException:
            self._unlock()
            raise
        return cast("SqliteConnection", connection)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _prepare_connection(self, options: DatabaseOptions, limits: RuntimeLimits) -> int:
        connection = self._connection
        first = _FIRST_SETTINGS
        if options.make_missing is None:  # else a new file came with its page size
            first = f"PRAGMA page_size = {options.page_size}; {first}"
        ((locking_mode,),) = self._run_once(first)
        connection.release_memory()  # the pages of the schema, which was read by now
        (journal_mode,), (page_size,), _ = self._run_once(_SETTINGS)
        if (locking_mode, journal_mode) != ("exclusive", "wal"):
            raise SqlError(f"SQLite refused a setting: {locking_mode!r}, {journal_mode!r}")
        assert isinstance(page_size, int)
        for setting in (
            apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
            apsw.SQLITE_DBCONFIG_DEFENSIVE,
            apsw.SQLITE_DBCONFIG_ENABLE_FKEY,
        ):
            if connection.config(setting, 1) != 1:
                raise SqlError(f"SQLite refused database setting {setting}")
        for limit, value in (
            (apsw.SQLITE_LIMIT_LENGTH, limits.value_bytes_max),
            (apsw.SQLITE_LIMIT_SQL_LENGTH, limits.sql_text_bytes_max),
            (apsw.SQLITE_LIMIT_COLUMN, limits.sql_columns_max),
            (apsw.SQLITE_LIMIT_VARIABLE_NUMBER, limits.sql_bindings_max),
            (apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, limits.sql_like_pattern_bytes_max),
            (apsw.SQLITE_LIMIT_EXPR_DEPTH, limits.sql_expression_depth_max),
            (apsw.SQLITE_LIMIT_COMPOUND_SELECT, limits.sql_compound_terms_max),
            (apsw.SQLITE_LIMIT_VDBE_OP, limits.sql_program_steps_max),
            (apsw.SQLITE_LIMIT_TRIGGER_DEPTH, limits.sql_trigger_depth_max),
            (apsw.SQLITE_LIMIT_FUNCTION_ARG, limits.sql_function_arguments_max),
            (apsw.SQLITE_LIMIT_ATTACHED, 0),
        ):
            connection.limit(limit, value)
        connection.set_wal_hook(self._note_commit)  # in place of the automatic checkpoint
        return page_size

    def _run_once(self, sql: str) -> list[SqlRow]:
        """Run a setting, and keep nothing compiled: 1.5 KiB each."""
        return self._connection.execute(sql, can_cache=False).fetchall()

    def _wal_bytes(self) -> int:
        if self._vfs is None:
            try:
                return os.stat(self.wal_path).st_size
            except FileNotFoundError:
                return 0
        try:
            log = apsw.VFSFile(
                self._vfs, str(self.wal_path), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READONLY, 0]
            )
        except apsw.CantOpenError:
            return 0
        try:
            return log.xFileSize()
        finally:
            log.xClose()

    def _note_commit(self, _: SqliteConnection, __: str, frames: int) -> int:
        self.has_committed = True
        self.wal_end = WAL_HEADER_BYTES + frames * (FRAME_HEADER_BYTES + self.page_size)
        return apsw.SQLITE_OK

    @property
    def connection(self) -> SqliteConnection:
        """For sql.py's cursors."""
        return self._connection

    @property
    def is_in_transaction(self) -> bool:
        return self._connection.in_transaction

    def set_authorizer(
        self, authorizer: Callable[[int, str | None, str | None, str | None], int]
    ) -> None:
        """Ask `authorizer(operation, first, second, schema)` at each compilation of a user's
        statement, that is, while `is_guarded`; it answers SQLITE_OK, SQLITE_DENY or
        SQLITE_IGNORE."""

        def ask(
            operation: int, first: str | None, second: str | None, schema: str | None, _: str | None
        ) -> int:
            if not self.is_guarded:
                return apsw.SQLITE_OK
            self.was_asked = True
            return authorizer(operation, first, second, schema)

        self._connection.authorizer = ask

    def run(self, sql: str, bindings: tuple[SqlValue, ...] = ()) -> None:
        """Run one of our own statements."""
        if self.is_guarded:  # a user's statement is under way
            self.cursor(sql, bindings).close()
        else:
            # Its cursor ends here, and with it the statement.
            self._connection.execute(sql, bindings, prepare_flags=apsw.SQLITE_PREPARE_PERSISTENT)

    def cursor(self, sql: str, bindings: tuple[SqlValue, ...] = ()) -> SqliteCursor:
        """The rows of one of our own statements, read as they are taken."""
        was_guarded, self.is_guarded = self.is_guarded, False
        try:
            return self._connection.execute(
                sql, bindings, prepare_flags=apsw.SQLITE_PREPARE_PERSISTENT
            )
        finally:
            self.is_guarded = was_guarded

    def make(self, sql: str) -> None:
        """Run one of our own statements that makes a table or an index. Nothing of it is kept
        compiled: 2.5 KiB, for one run in an object's life."""
        self._run_once(sql)

    def rows(self, sql: str, bindings: tuple[SqlValue, ...] = ()) -> list[SqlRow]:
        """All rows of one of our own statements."""
        return self.cursor(sql, bindings).fetchall()

    def read_int(self, sql: str) -> int:
        """The one integer that `sql` yields."""
        ((value,),) = self.rows(sql)
        assert isinstance(value, int)
        return value

    def changes(self) -> int:
        """Rows changed by the last writing statement."""
        return self._connection.changes()

    def total_changes(self) -> int:
        """Rows changed since the file was opened, triggers included."""
        return self._connection.total_changes()

    @property
    def size_bytes(self) -> int:
        """Bytes of the pages in use (durable-actors 4.5: databaseSize)."""
        pages = self.read_int("PRAGMA page_count") - self.read_int("PRAGMA freelist_count")
        return pages * self.page_size

    def has_table(self, name: str) -> bool:
        return bool(
            self.rows("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,))
        )

    def erase(self) -> None:
        """Leave an empty database, as one commit; there must be no transaction and no cursor."""
        setting = apsw.SQLITE_DBCONFIG_RESET_DATABASE
        self._connection.config(setting, 1)
        self._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 1)  # VACUUM attaches its new image
        try:
            self.run("VACUUM")
        finally:
            self._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
            self._connection.config(setting, 0)

    def commit_of(self, key: ObjectKey) -> Commit:
        """What the log holds now, for the commit path."""
        is_found = not self.has_committed
        return Commit(key, self.wal_path, self.wal_generation, self.wal_end, is_found)

    def checkpoint(self) -> bool:
        """Move the log's content into the main file, both synced, and empty the log. False where
        an unfinished cursor stands in the way; nothing is lost then."""
        try:
            self._run_once(_SYNCS_CHECKPOINTS)
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except (apsw.BusyError, apsw.LockedError):
            return False
        finally:
            self._run_once(_SYNCS_NOTHING)
        self.wal_generation += 1
        self.wal_end = 0
        return True

    def close(self) -> None:
        """Close the file; the log stays as it is. Harmless when closed."""
        try:
            self._connection.close()
        finally:
            self._unlock()
