"""What a patrol's plan may want: values, applied one savepoint each by patrol_moves.py.

As with actions.py, what an action saw is compared when it is applied, and applying a plan and
planning again gives the empty plan.
"""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.actors.town.nudges import Hashes, Nudge
from boomtown.actors.town.observer_model import RepositoryKey
from boomtown.ids import AgentId, BeadId, RigId, SessionId


class StartObserver(msgspec.Struct, frozen=True, kw_only=True, tag="start_observer"):
    """The server has started, or somebody asked for it: forget what was concluded about
    credentials, and check them."""

    booted_at_ms: int


class CheckForges(msgspec.Struct, frozen=True, kw_only=True, tag="check_forges"):
    """Write the intention of a check."""

    due_at_ms: int


class WantPoll(msgspec.Struct, frozen=True, kw_only=True, tag="want_poll"):
    """Write the intention of a poll, or bring it forward."""

    repository: RepositoryKey
    due_at_ms: int


class DropPoll(msgspec.Struct, frozen=True, kw_only=True, tag="drop_poll"):
    """Nobody wants to know, or nobody may ask: take a pending intention back."""

    key: str  # the effect's


class ForgetRepo(msgspec.Struct, frozen=True, kw_only=True, tag="forget_repo"):
    """Nobody cares for the repository any more: what nobody owns of it goes, and its etag."""

    repository: RepositoryKey


class AdoptPr(msgspec.Struct, frozen=True, kw_only=True, tag="adopt_pr"):
    """The request comes from this agent's branch."""

    url: str
    expected_agent_id: AgentId | None
    agent_id: AgentId
    session_id: SessionId | None
    rig_id: RigId | None


class ReactToPr(msgspec.Struct, frozen=True, kw_only=True, tag="react_to_pr"):
    """Say the nudges, if any, and acknowledge what they are about."""

    url: str
    agent_id: AgentId
    hashes: Hashes
    nudges: tuple[Nudge, ...]
    remembered: dict[str, Any]


class SettleMerged(msgspec.Struct, frozen=True, kw_only=True, tag="settle_merged"):
    """The request was merged: its work is done, and its session is over."""

    url: str
    hashes: Hashes
    review_ids: tuple[BeadId, ...]  # live reviews of ours that waited for it


class AskReview(msgspec.Struct, frozen=True, kw_only=True, tag="ask_review"):
    """Make the bead by which a reviewer looks at a head."""

    url: str
    agent_id: AgentId
    rig_id: RigId
    head_sha: str


class EscalateNoRig(msgspec.Struct, frozen=True, kw_only=True, tag="escalate_no_rig"):
    """A watched repository has requests, and no rig of the town gives its reviewer a worktree."""

    repository: RepositoryKey
    key: str


class ClaimPatrol(msgspec.Struct, frozen=True, kw_only=True, tag="claim_patrol"):
    bead_id: BeadId
    agent_id: AgentId


class EndPatrol(msgspec.Struct, frozen=True, kw_only=True, tag="end_patrol"):
    """Close a review that was posted (`code` None), or fail one that nobody needs any more."""

    bead_id: BeadId
    code: str | None
    message: str


PatrolAction = (
    StartObserver
    | CheckForges
    | WantPoll
    | DropPoll
    | ForgetRepo
    | AdoptPr
    | ReactToPr
    | SettleMerged
    | AskReview
    | EscalateNoRig
    | ClaimPatrol
    | EndPatrol
)
