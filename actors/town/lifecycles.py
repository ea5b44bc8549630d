"""The two machines of a town, as tables.

Rules. (1) An edge that is not here does not exist: `check_edge` is the only place that says so.
(2) A change to the state one is in is no change, never an error. (3) `closed` and `failed`, and a
session's `ended`, are final: a request to leave them changes nothing (town.md 3.1), which callers
see in the result; only an edge between live states can be illegal.

The machines are coupled in one direction: a session that ends moves its bead (plan and inbox do
that, in one transaction); a bead never moves a session, it only makes the reconciler want it
stopped.
"""

from __future__ import annotations

from boomtown.actors.town.model import FINAL_STATUSES, BeadStatus, BeadType, SessionState
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict

_O, _P, _R, _C, _F = (
    BeadStatus.OPEN,
    BeadStatus.IN_PROGRESS,
    BeadStatus.IN_REVIEW,
    BeadStatus.CLOSED,
    BeadStatus.FAILED,
)
_NONE: frozenset[BeadStatus] = frozenset()

# (type, from) -> where to. An in_review issue goes back to open, never straight to in_progress:
# only a dispatch makes that.
BEAD_EDGES: dict[tuple[BeadType, BeadStatus], frozenset[BeadStatus]] = {
    (BeadType.ISSUE, _O): frozenset({_P, _R, _C, _F}),
    (BeadType.ISSUE, _P): frozenset({_O, _R, _C, _F}),
    (BeadType.ISSUE, _R): frozenset({_O, _C, _F}),
    (BeadType.MERGE_REQUEST, _O): frozenset({_P, _C, _F}),
    (BeadType.MERGE_REQUEST, _P): frozenset({_O, _C, _F}),
    (BeadType.CONVOY, _O): frozenset({_C, _F}),
    (BeadType.MOLECULE, _O): frozenset({_P, _C, _F}),
    (BeadType.MOLECULE, _P): frozenset({_O, _C, _F}),
    (BeadType.MESSAGE, _O): frozenset({_C, _F}),
    (BeadType.ESCALATION, _O): frozenset({_C, _F}),
}

_S = SessionState

SESSION_EDGES: dict[SessionState, frozenset[SessionState]] = {
    _S.CLAIMED: frozenset({_S.STARTING, _S.RUNNING, _S.ENDING, _S.ENDED}),
    _S.STARTING: frozenset({_S.RUNNING, _S.ENDING, _S.ENDED}),
    _S.RUNNING: frozenset({_S.ENDING, _S.ENDED}),
    _S.ENDING: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


def is_bead_change(bead_type: BeadType, before: BeadStatus, after: BeadStatus) -> bool:
    """Whether the request changes anything: False for the same status and for final ones.
    Raises Conflict(ILLEGAL_TRANSITION) where a live bead has no such edge."""
    if before == after or before in FINAL_STATUSES:
        return False
    if after in BEAD_EDGES.get((bead_type, before), _NONE):
        return True
    raise Conflict(
        ErrorCode.ILLEGAL_TRANSITION,
        f"A bead of type {bead_type} cannot go from {before} to {after}",
        details={"type": bead_type, "from": before, "to": after},
    )


def is_session_change(before: SessionState, after: SessionState) -> bool:
    """Whether a session may move; False where it stays or is over. An absent edge is a bug."""
    if before == after or before == SessionState.ENDED:
        return False
    assert after in SESSION_EDGES[before], f"no edge from {before} to {after}"
    return True
