"""Which logs this process has closed when all of them was durable.

Theory of operation. What stands in the log of a file that is opened may be on no disk: a killed
process left it there. So it is synced before the first reply (transactions.py), which takes as
long as a commit. A log that this very process closed, when its last commit was durable, needs none
of that, if it still ends where that commit did: `note` keeps the place, `take` gives it once.

In memory only, and forgetful: a log that is not known here is synced, that is all.
"""

from __future__ import annotations

from boomtown.actors.runtime.ports import ObjectKey

LOGS_KEPT_MAX = 10_000  # some 2 MB; the oldest are forgotten


class ClosedLogs:
    """The ends of closed logs by object. Used on the loop's thread."""

    def __init__(self) -> None:
        self._ends: dict[ObjectKey, int] = {}

    def note(self, key: ObjectKey, end: int) -> None:
        """The log's last commit ends there, and is durable; the file is closed."""
        if len(self._ends) >= LOGS_KEPT_MAX:
            del self._ends[next(iter(self._ends))]
        self._ends[key] = end

    def take(self, key: ObjectKey) -> int | None:
        """Where it ended; None where that is not known. The file is open from now on."""
        return self._ends.pop(key, None)
