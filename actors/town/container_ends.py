"""How often a bead may lose its container: a rule of its own beside the attempts (decisions 28).

A session that a container's exit, an eviction or a restart of the server ended costs its bead no
attempt, since it was not the agent's fault. So that a bead which kills its container does not do
so for ever, it may be taken up again at most `container_restarts_per_hour_max` times an hour;
then it waits until the oldest of those endings is an hour old, and one escalation says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.actions import EscalateRestarts
from boomtown.actors.town.model import Bead, BeadStatus
from boomtown.actors.town.snapshot import Snapshot
from boomtown.ids import BeadId
from boomtown.limits import TownLimits

HOUR_MS = 3_600_000
CONTAINER_GONE = "container_gone"
# A control server's words for endings that are not the agent's fault.
EVICTION = "container eviction"
SERVER_RESTART = "server restart"
CONTAINER_END_REASONS = (CONTAINER_GONE, EVICTION, "eviction", SERVER_RESTART)
RESTARTS_PREFIX = "restarts:"


def claimable_at_ms(snapshot: Snapshot, bead: Bead, *, limits: TownLimits) -> int:
    """From when on neither a backoff nor the cap keeps the bead from being claimed; 0: nothing."""
    held_until = held_until_ms(snapshot, bead.bead_id, limits=limits)
    return max(bead.not_before_ms or 0, held_until or 0)


def held_until_ms(snapshot: Snapshot, bead_id: BeadId, *, limits: TownLimits) -> int | None:
    """When the bead that lost too many containers may go on; None for one that did not."""
    ends = snapshot.container_ends.get(bead_id, ())
    allowed = limits.container_restarts_per_hour_max
    if len(ends) <= allowed:
        return None
    return ends[-(allowed + 1)] + HOUR_MS


def plan(snapshot: Snapshot, *, now_ms: int, limits: TownLimits) -> Iterator[EscalateRestarts]:
    """One escalation per bead and wait, in the order of creation."""
    for bead_id in snapshot.beads:
        if bead_id not in snapshot.container_ends or not _waits(snapshot, bead_id):
            continue
        held_until = held_until_ms(snapshot, bead_id, limits=limits)
        if held_until is None or held_until <= now_ms:
            continue
        newest_end_ms = snapshot.container_ends[bead_id][-1]
        key = f"{RESTARTS_PREFIX}{bead_id}:{newest_end_ms}"
        if key not in snapshot.live_escalations and key not in snapshot.closed_escalation_keys:
            yield EscalateRestarts(bead_id=bead_id, key=key, held_until_ms=held_until)


def _waits(snapshot: Snapshot, bead_id: BeadId) -> bool:
    is_open = snapshot.beads[bead_id].status == BeadStatus.OPEN
    return is_open and bead_id not in snapshot.session_of_bead
