"""Bookmarks as the reference's local runtime has them: names of points in time that only grow.

There is no point-in-time restore (decisions 19), and what needs it raises. `get_current_bookmark`
counts a row of the object's database up, so that a later bookmark compares greater as text, after
a restart too. The count is written in the transaction that is open, like any write.
"""

from __future__ import annotations

import apsw

from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.object_alarm import (
    CREATE_METADATA,
    READ_METADATA,
    WRITE_METADATA,
    MetadataRow,
)
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.transactions import Transactions

NO_RESTORE = "This storage back-end does not implement point-in-time recovery"


class Bookmarks:
    """The bookmarks of one live object."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def next(self) -> str:
        """A bookmark greater than all before: groups of 8, 8, 8 and 32 hexadecimal digits."""
        self._transactions.begin_write(is_confirmed=True)
        row = int(MetadataRow.BOOKMARK)
        try:
            self._database.run(CREATE_METADATA)
            rows = self._database.rows(READ_METADATA, (row,))
            count = rows[0][0] if rows else 0
            assert isinstance(count, int)
            self._database.run(WRITE_METADATA, (row, count + 1))
        except apsw.Error as error:
            raise self._transactions.translated(error) from error
        return f"{0:08x}-{0:08x}-{0:08x}-{count + 1:032x}"

    def refuse(self) -> DurableObjectError:
        """What the calls that need a restore raise."""
        return DurableObjectError(NO_RESTORE)
