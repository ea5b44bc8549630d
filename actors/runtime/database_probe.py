"""Whether SQLite does here what the runtime needs of it; for `boomtown doctor`."""

from __future__ import annotations

from pathlib import Path

import apsw

from boomtown.actors.runtime.database import Database, DatabaseOptions, sql_error
from boomtown.limits import RuntimeLimits

PROBE_NAME = "probe.sqlite"


def sqlite_version() -> tuple[int, ...]:
    """Of the library that is linked in."""
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def probe_database(folder: Path, limits: RuntimeLimits) -> None:
    """Open a file in `folder` as an object's is opened, which reads every pragma back, and close
    it. The file stays. Raises SqlError with what SQLite refused."""
    try:
        Database(folder / PROBE_NAME, DatabaseOptions(), limits).close()
    except apsw.Error as error:
        raise sql_error(error) from error
