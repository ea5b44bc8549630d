"""What a town answers: the shapes of http.md 2, with instants still in milliseconds.

Field names are the wire's; `http/payloads.py` turns every `*_at` integer into ISO text, and does
nothing else to them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.actors.town.feed_views import FeedCursorsView, FeedCursorView, FeedPageView
from boomtown.actors.town.model import RigConfig, TownConfig
from boomtown.actors.town.observer_views import ObserverView, PrView
from boomtown.actors.town.roster_views import (
    ActionView,
    AddedWatchView,
    GatewayView,
    MemoryView,
    ReviewedPrView,
    WatchView,
)
from boomtown.errors import Refusal


class BeadView(msgspec.Struct, frozen=True, kw_only=True, tag="bead", tag_field="view"):
    bead_id: str
    type: str
    status: str
    title: str
    body: str | None
    rig_id: str | None
    parent_bead_id: str | None
    assignee_agent_bead_id: str | None
    priority: str
    labels: tuple[str, ...]
    metadata: dict[str, Any]  # the users' keys, and the town's (town.md 2.10) where they exist
    created_by: str | None
    created_at: int
    updated_at: int
    closed_at: int | None
    dispatch_attempts: int
    failure_reason: dict[str, str] | None  # {code, message}


class AgentView(msgspec.Struct, frozen=True, kw_only=True, tag="agent", tag_field="view"):
    id: str
    rig_id: str | None
    role: str
    name: str
    identity: str
    status: str  # decisions 29
    current_hook_bead_id: str | None
    dispatch_attempts: int
    last_activity_at: int | None
    checkpoint: Any
    created_at: int
    boss_id: str | None
    boss_name: str | None
    boss_stale: bool
    employment: str
    process: str  # the state of the current session, or "none"
    session_id: str | None
    status_message: str | None
    pid: int | None
    template: str | None = None  # the role template it was hired by
    config: dict[str, Any] = {}
    offboarded_at: int | None = None
    offboarded_by: str | None = None
    offboard_reason: str | None = None


class MailView(msgspec.Struct, frozen=True, kw_only=True, tag="mail", tag_field="view"):
    id: str
    from_agent_id: str | None
    to_agent_id: str
    subject: str
    body: str
    delivered: bool
    created_at: int
    delivered_at: int | None


class PrimeView(msgspec.Struct, frozen=True, kw_only=True, tag="prime", tag_field="view"):
    agent: AgentView
    hooked_bead: BeadView | None
    undelivered_mail: tuple[MailView, ...]
    open_beads: tuple[BeadView, ...]
    rework_context: dict[str, Any] | None = None


class RigView(msgspec.Struct, frozen=True, kw_only=True, tag="rig", tag_field="view"):
    id: str
    town_id: str
    name: str
    git_url: str
    default_branch: str
    created_at: int
    updated_at: int
    paused: bool
    config: RigConfig


class TownView(msgspec.Struct, frozen=True, kw_only=True, tag="town", tag_field="view"):
    id: str
    name: str
    owner_user_id: str
    created_at: int
    updated_at: int
    paused: bool


class ConfigView(msgspec.Struct, frozen=True, kw_only=True, tag="config", tag_field="view"):
    config: TownConfig


class SlingView(msgspec.Struct, frozen=True, kw_only=True, tag="sling", tag_field="view"):
    bead: BeadView
    agent: AgentView


class ConvoyView(msgspec.Struct, frozen=True, kw_only=True, tag="convoy", tag_field="view"):
    id: str
    title: str
    status: str  # active | landed | failed
    staged: bool
    total_beads: int
    closed_beads: int
    created_by: str | None
    created_at: int
    landed_at: int | None
    feature_branch: str | None
    merge_mode: str
    blocked_by: tuple[dict[str, str], ...]  # failed beads that keep it from landing: id, title, why


class BoundBeadView(msgspec.Struct, frozen=True, kw_only=True):
    bead: BeadView
    agent: AgentView | None


class SlingBatchView(msgspec.Struct, frozen=True, kw_only=True, tag="batch", tag_field="view"):
    convoy: ConvoyView
    beads: tuple[BoundBeadView, ...]


class ConvoyBeadView(msgspec.Struct, frozen=True, kw_only=True):
    bead_id: str
    title: str
    status: str
    rig_id: str | None
    assignee_agent_name: str | None


class EdgeView(msgspec.Struct, frozen=True, kw_only=True):
    bead_id: str
    depends_on_bead_id: str


class ConvoyDetailView(
    msgspec.Struct, frozen=True, kw_only=True, tag="convoy_detail", tag_field="view"
):
    convoy: ConvoyView  # flattened on the wire
    beads: tuple[ConvoyBeadView, ...]
    dependency_edges: tuple[EdgeView, ...]


class EscalationView(msgspec.Struct, frozen=True, kw_only=True, tag="escalation", tag_field="view"):
    id: str
    bead_id: str
    rig_id: str | None
    severity: str
    category: str | None
    message: str  # the title
    body: str | None
    metadata: dict[str, Any]
    status: str
    acknowledged: bool
    acknowledged_at: int | None
    created_at: int


class SessionView(msgspec.Struct, frozen=True, kw_only=True, tag="session", tag_field="view"):
    id: str
    agent_id: str
    bead_id: str | None
    rig_id: str | None
    state: str
    generation: int
    harness: str
    branch: str | None
    worktree: str | None
    started_at: int | None
    ended_at: int | None
    end_reason: str | None
    missing: tuple[str, ...]
    kind: str
    verdict: str | None
    pid: int | None
    claimed_at: int
    instance_id: str | None
    restored_from: str | None
    ended_by: str | None
    kept_worktree: str | None  # what a kill left uncommitted
    freed: bool  # over, and nothing of it is left


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str
    details: dict[str, Any]


class PreflightView(msgspec.Struct, frozen=True, kw_only=True, tag="preflight", tag_field="view"):
    """Empty: a spawn would be taken now."""

    findings: tuple[FindingView, ...]


class EventView(msgspec.Struct, frozen=True, kw_only=True, tag="event", tag_field="view"):
    seq: int
    bead_event_id: str
    bead_id: str | None
    rig_id: str | None
    agent_id: str | None
    session_id: str | None
    event_type: str
    old_value: str | None
    new_value: str | None
    metadata: dict[str, Any]
    created_at: int


class ViolationView(msgspec.Struct, frozen=True, kw_only=True, tag="violation", tag_field="view"):
    name: str  # of the invariant
    subject: str  # id of what violates it
    message: str


class TownStatusView(
    msgspec.Struct, frozen=True, kw_only=True, tag="town_status", tag_field="view"
):
    """town.md 6.2."""

    alarm: dict[str, Any]  # nextFireAt (ms), intervalMs, intervalLabel
    agents: dict[str, int]
    beads: dict[str, int]
    patrol: dict[str, int]
    reconciler: dict[str, Any]
    recent_events: tuple[EventView, ...]  # recentEvents on the wire
    draining: bool
    paused: bool
    drain_started_at: int | None = None  # drainStartedAt on the wire, while draining
    breaker: dict[str, Any] = {}  # state, failedStarts, openedAt, probeAt (ms or None)


class PostedView(msgspec.Struct, frozen=True, kw_only=True, tag="posted", tag_field="view"):
    """The answer of an inbox post and of a fenced write."""

    accepted: bool
    stale: bool


class FactsView(msgspec.Struct, frozen=True, kw_only=True, tag="facts", tag_field="view"):
    """A small answer that is a JSON object already: {"hooked": true}, {"rework_bead_id": …}."""

    facts: dict[str, Any]


class NothingView(msgspec.Struct, frozen=True, kw_only=True, tag="nothing", tag_field="view"):
    """204."""


Item = (
    BeadView
    | AgentView
    | MailView
    | RigView
    | TownView
    | ConvoyView
    | EscalationView
    | SessionView
    | EventView
    | ViolationView
    | WatchView
    | MemoryView
    | ActionView
    | ReviewedPrView
    | ObserverView
    | PrView
)


class RosterGroupView(msgspec.Struct, frozen=True, kw_only=True):
    """One header of the roster, and who stands below it."""

    key: str  # an id, a stage, or "" for the town's own
    name: str
    stale: bool  # a boss who is gone, and still has workers
    coordinator: AgentView | None
    agents: tuple[AgentView, ...]


class RosterView(msgspec.Struct, frozen=True, kw_only=True, tag="roster", tag_field="view"):
    group_by: str
    groups: tuple[RosterGroupView, ...]


class ListView(msgspec.Struct, frozen=True, kw_only=True, tag="list", tag_field="view"):
    items: tuple[Item, ...]


View = (
    BeadView
    | AgentView
    | MailView
    | PrimeView
    | RigView
    | TownView
    | ConfigView
    | SlingView
    | ConvoyView
    | SlingBatchView
    | ConvoyDetailView
    | EscalationView
    | SessionView
    | PreflightView
    | TownStatusView
    | PostedView
    | FactsView
    | NothingView
    | RosterView
    | AddedWatchView
    | GatewayView
    | ListView
    | FeedPageView
    | FeedCursorView
    | FeedCursorsView
    | ObserverView
    | PrView
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of the two. A refusal has changed nothing."""

    view: View | None = None
    refusal: Refusal | None = None
