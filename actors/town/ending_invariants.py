"""What must hold of endings: nothing of who has left goes on, and each has its word in the log.

Pure, over facts that the snapshot does not hold (roster.md I4, I19); the tick reads them
(store_roster.py) for endings of the last hour, which costs no more in an old town.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.invariants import Violation

LEFT_HAS_NO_SESSION = "left_has_no_session"  # I4
ENDING_IS_LOGGED = "ending_is_logged"  # I19


class EndingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Ids, each in order."""

    lingering: tuple[str, ...]  # living sessions of agents who have left
    unlogged: tuple[str, ...]  # sessions ended, and agents let go, without a row of roster_log


def check_endings(facts: EndingFacts) -> tuple[Violation, ...]:
    lingering = (
        Violation(name=LEFT_HAS_NO_SESSION, subject=subject, message="its agent has left")
        for subject in facts.lingering
    )
    unlogged = (
        Violation(name=ENDING_IS_LOGGED, subject=subject, message="nobody said who ended it")
        for subject in facts.unlogged
    )
    return (*lingering, *unlogged)
