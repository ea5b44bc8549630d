"""What takes part in an object's transactions beside SQLite: parts of its storage that keep
something in memory about what is in the database. transactions.py calls them, in the order of
their joining.
"""

from __future__ import annotations

from typing import Protocol

from boomtown.actors.runtime.promises import Promise


class Participant(Protocol):
    """A part of storage that keeps something in memory about what is in the database."""

    def remember(self) -> object:
        """What it would need to return to this point."""
        ...

    def restore(self, memento: object) -> None:
        """Return to where `memento` was taken: the database has."""
        ...

    def erased(self) -> None:
        """The database is empty."""
        ...

    def shut(self) -> None:
        """Let go of cursors: the database is about to be rolled back, emptied or closed."""
        ...


class AlarmCommit(Protocol):
    """The alarm's part in a commit (object_alarm.py); none while it `is_settled`."""

    is_settled: bool

    def before_commit(self) -> Promise | None:
        """Register an earlier instant; the promise to wait for, or None when all is in order."""
        ...

    def committed(self) -> int:
        """The database holds the present alarm; a token for `became_durable`."""
        ...

    def became_durable(self, token: int) -> None:
        """The commit of that token is durable: a later instant may be registered."""
        ...
