"""What a plan may want: values with their preconditions, applied one savepoint each.

An action names what it saw (`expected_*`); apply compares and sets, and drops an action whose
precondition no longer holds, counting it. Applying a plan and planning again gives the empty plan.
The planner that makes an action is named beside it; no two of them share an (entity, field).
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.model import BeadStatus, SessionState
from boomtown.ids import AgentId, BeadId, RigId, SessionId


class ClaimWork(msgspec.Struct, frozen=True, kw_only=True, tag="claim_work"):
    """plan_issues: bind a bead to an agent by a new session, state claimed. `agent_id` None:
    a new polecat is made for it."""

    bead_id: BeadId
    rig_id: RigId
    agent_id: AgentId | None


class FailBead(msgspec.Struct, frozen=True, kw_only=True, tag="fail_bead"):
    """plan_issues, plan_reviews: out of attempts, or nowhere to go. A failed review reopens or
    fails its source in the same transaction (decisions 36)."""

    bead_id: BeadId
    expected_status: BeadStatus
    code: str
    message: str


class EscalateHeld(msgspec.Struct, frozen=True, kw_only=True, tag="escalate_held"):
    """All planners: a dependent or a convoy waits for a failed bead; one escalation per pair
    for ever, by the key "held:{bead}:{blocker}" (row 94)."""

    bead_id: BeadId
    blocker_id: BeadId


class ReleaseBead(msgspec.Struct, frozen=True, kw_only=True, tag="release_bead"):
    """plan_issues, plan_reviews: an in_progress bead without a live session goes back to open
    (repair; its counter must stay 0: ending a session moves its bead in the same transaction)."""

    bead_id: BeadId


class ClaimReview(msgspec.Struct, frozen=True, kw_only=True, tag="claim_review"):
    """plan_reviews: bind the oldest open review of a rig to its refinery. `agent_id` None: the
    rig has no refinery yet, make it."""

    bead_id: BeadId
    rig_id: RigId
    agent_id: AgentId | None
    merge_only: bool


class SettleSource(msgspec.Struct, frozen=True, kw_only=True, tag="settle_source"):
    """plan_reviews: rule B4, an in_review source whose reviews have all ended (repair; counter
    must stay 0, decisions 36)."""

    bead_id: BeadId
    after: BeadStatus


class UpdateConvoyProgress(msgspec.Struct, frozen=True, kw_only=True, tag="update_progress"):
    """plan_convoys: the stored counts differ from the recount."""

    convoy_id: BeadId
    total_beads: int
    closed_beads: int


class MarkReadyToLand(msgspec.Struct, frozen=True, kw_only=True, tag="mark_ready"):
    convoy_id: BeadId


class CreateLanding(msgspec.Struct, frozen=True, kw_only=True, tag="create_landing"):
    """plan_convoys: the merge of a convoy's branch; at most one live per convoy."""

    convoy_id: BeadId
    expected_attempts: int


class CloseConvoy(msgspec.Struct, frozen=True, kw_only=True, tag="close_convoy"):
    """plan_convoys: review-and-merge and all beads closed: landed."""

    convoy_id: BeadId


class FailConvoy(msgspec.Struct, frozen=True, kw_only=True, tag="fail_convoy"):
    convoy_id: BeadId
    message: str


class SendStart(msgspec.Struct, frozen=True, kw_only=True, tag="send_start"):
    """plan_sessions: write the intent of a start; claimed becomes starting."""

    session_id: SessionId


class SendProbe(msgspec.Struct, frozen=True, kw_only=True, tag="send_probe"):
    """plan_sessions: the lease or the start deadline is over, or nobody knows how the start went:
    ask. Sets probed_at_ms."""

    session_id: SessionId
    expected_state: SessionState


class SendStop(msgspec.Struct, frozen=True, kw_only=True, tag="send_stop"):
    """plan_sessions: have the body ended; sets stop_sent_at_ms. With `takes_bead` the session
    becomes ending and loses its bead; without, it is only silent (reason "lease"): it keeps its
    state and its bead, and what it says still counts until it is proven over."""

    session_id: SessionId
    expected_state: SessionState
    reason: str
    takes_bead: bool


class EndSession(msgspec.Struct, frozen=True, kw_only=True, tag="end_session"):
    """plan_sessions: the body is over by rule (grace passed, silence after a stop); the bead goes
    back with one more attempt when `counts_attempt`."""

    session_id: SessionId
    expected_state: SessionState
    reason: str
    counts_attempt: bool


class EscalateRestarts(msgspec.Struct, frozen=True, kw_only=True, tag="escalate_restarts"):
    """container_ends: the bead lost its container too often and waits; one escalation per wait,
    by `key`."""

    bead_id: BeadId
    key: str
    held_until_ms: int


class OpenBreaker(msgspec.Struct, frozen=True, kw_only=True, tag="open_breaker"):
    """plan_town: too many starts failed; tells people once."""

    failed_starts: int


class CloseBreaker(msgspec.Struct, frozen=True, kw_only=True, tag="close_breaker"):
    """plan_town: a start succeeded since the opening."""

    opened_at_ms: int


class EndDrain(msgspec.Struct, frozen=True, kw_only=True, tag="end_drain"):
    """plan_town: nobody ended the drain in its time."""

    started_at_ms: int


Action = (
    ClaimWork
    | FailBead
    | EscalateHeld
    | ReleaseBead
    | ClaimReview
    | SettleSource
    | UpdateConvoyProgress
    | MarkReadyToLand
    | CreateLanding
    | CloseConvoy
    | FailConvoy
    | SendStart
    | SendProbe
    | SendStop
    | EndSession
    | EscalateRestarts
    | OpenBreaker
    | CloseBreaker
    | EndDrain
)
