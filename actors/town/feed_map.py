"""Which changes the feed tells, table by table: the one declarative map of change capture.

Every table of a town stands in TRACKED or, with the reason, in EXCLUDED; a test holds the two
against the schema. Triggers are made from this map (feed_triggers.py), so a new table is a row
here. What is shown never holds bodies, prompts, credentials or addresses with credentials in them:
a payload says what changed, and a reader asks the town for the rest.

A column that ends in `_ms` is an instant and is shown as ISO text without that ending; one that
begins with `is_` is shown as a boolean.
"""

from __future__ import annotations

import msgspec


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `topic` is both the entity's name and what its topics begin with: an insert is
    told as `topic.created`, an update as `topic.updated` when a column of `watched` became
    another value, a deletion as `topic.deleted`. The payload is the key and `shown`; that of an
    update also has `before`, the old values of what is both watched and shown."""

    table: str
    topic: str
    key: tuple[str, ...]  # several are joined by "/" in entity_id
    watched: tuple[str, ...] = ()  # empty: rows are never changed
    shown: tuple[str, ...] = ()
    json: frozenset[str] = frozenset()  # of `shown`: columns whose text is JSON
    rig: str | None = None  # the columns by which a row is filtered
    agent: str | None = None
    session: str | None = None
    tells_deletion: bool = True


TRACKED: tuple[Tracked, ...] = (
    Tracked(
        table="town",
        topic="town",
        key=("town_id",),
        watched=("name", "config", "is_paused", "is_draining"),
        shown=("name", "is_paused", "is_draining"),
    ),
    Tracked(
        table="rigs",
        topic="rig",
        key=("rig_id",),
        watched=("name", "git_url", "default_branch", "config", "is_paused"),
        shown=("name", "default_branch", "is_paused"),
        rig="rig_id",
    ),
    Tracked(
        table="beads",
        topic="bead",
        key=("bead_id",),
        watched=(
            "status",
            "title",
            "body",
            "rig_id",
            "parent_bead_id",
            "assignee_agent_id",
            "priority",
            "labels",
            "metadata",
            "failure_code",
        ),
        shown=(
            "type",
            "kind",
            "subject",
            "status",
            "title",
            "rig_id",
            "parent_bead_id",
            "assignee_agent_id",
            "priority",
            "labels",
            "created_by",
            "failure_code",
        ),
        json=frozenset({"labels"}),
        rig="rig_id",
        agent="assignee_agent_id",
    ),
    Tracked(
        table="bead_dependencies",
        topic="dependency",
        key=("bead_id", "depends_on_bead_id", "type"),
    ),
    Tracked(
        table="reviews",
        topic="review",
        key=("bead_id",),
        watched=("branch", "target_branch", "pr_url", "merge_commit", "is_approved"),
        shown=("branch", "target_branch", "pr_url", "merge_commit", "is_approved"),
        agent="source_agent_id",
    ),
    Tracked(
        table="convoys",
        topic="convoy",
        key=("bead_id",),
        watched=(
            "merge_mode",
            "feature_branch",
            "is_staged",
            "is_ready_to_land",
            "total_beads",
            "closed_beads",
            "landed_at_ms",
            "failure_message",
        ),
        shown=(
            "merge_mode",
            "feature_branch",
            "is_staged",
            "is_ready_to_land",
            "total_beads",
            "closed_beads",
            "landed_at_ms",
        ),
        rig="rig_id",
    ),
    Tracked(
        table="escalations",
        topic="escalation",
        key=("bead_id",),
        watched=("severity", "is_live", "is_acknowledged"),
        shown=("severity", "category", "is_live", "is_acknowledged"),
    ),
    Tracked(
        table="mail",
        topic="mail",
        key=("bead_id",),
        watched=("to_agent_id", "delivered_at_ms"),
        shown=("from_agent_id", "to_agent_id", "delivered_at_ms"),
        agent="to_agent_id",
    ),
    Tracked(
        table="agents",
        topic="agent",
        key=("agent_id",),
        watched=(
            "name",
            "employment",
            "boss_id",
            "status_message",
            "stalled_at_ms",
            "waiting_since_ms",
            "template",
            "config",
        ),
        shown=(
            "rig_id",
            "role",
            "name",
            "identity",
            "employment",
            "boss_id",
            "status_message",
            "stalled_at_ms",
            "waiting_since_ms",
            "template",
            "offboard_reason",
            "offboarded_by",
        ),
        rig="rig_id",
        agent="agent_id",
    ),
    Tracked(
        table="sessions",
        topic="session",
        key=("session_id",),
        watched=(
            "state",
            "phase",
            "branch",
            "worktree",
            "instance_id",
            "pid",
            "verdict",
            "end_reason",
            "ended_by",
        ),
        shown=(
            "agent_id",
            "bead_id",
            "kind",
            "subject",
            "state",
            "phase",
            "generation",
            "harness",
            "branch",
            "target_branch",
            "worktree",
            "instance_id",
            "pid",
            "verdict",
            "end_reason",
            "ended_by",
            "restored_from",
        ),
        rig="rig_id",
        agent="agent_id",
        session="session_id",
        # Only seeds are ever deleted, by a rollback, which says so itself (roster.md 4.4).
        tells_deletion=False,
    ),
    Tracked(
        table="watches",
        topic="watch",
        key=("watch_id",),
        watched=("agent_id",),
        shown=("agent_id", "forge", "repo_owner", "repo_name"),
        agent="agent_id",
    ),
    Tracked(
        table="agent_memory",
        topic="memory",
        key=("agent_id", "key"),
        watched=("value",),
        agent="agent_id",
    ),
    Tracked(
        table="agent_actions",
        topic="action",
        key=("action_id",),
        shown=("agent_id", "action", "outcome"),
        agent="agent_id",
        session="session_id",
    ),
    Tracked(
        table="reviewed_prs",
        topic="reviewed_pr",
        key=("agent_id", "forge", "repo_owner", "repo_name", "number", "head_sha"),
        agent="agent_id",
    ),
    Tracked(
        table="roster_log",
        topic="roster",
        key=("entry_id",),
        shown=("agent_id", "verb", "actor", "reason", "details"),
        json=frozenset({"details"}),
        agent="agent_id",
        session="session_id",
    ),
    Tracked(
        table="observer_state",
        topic="observer",
        key=("name",),
        watched=("state", "reason"),
        shown=("state", "reason"),
    ),
    Tracked(
        table="prs",
        topic="pr",
        key=("url",),
        watched=(
            "agent_id",
            "title",
            "branch",
            "head_sha",
            "state",
            "is_draft",
            "review_decision",
            "ci_status",
            "mergeability",
        ),
        shown=(
            "forge",
            "repo_owner",
            "repo_name",
            "number",
            "agent_id",
            "title",
            "branch",
            "head_sha",
            "state",
            "is_draft",
            "review_decision",
            "ci_status",
            "mergeability",
        ),
        rig="rig_id",
        agent="agent_id",
        session="session_id",
    ),
    Tracked(
        table="pr_checks",
        topic="pr_check",
        key=("pr_url", "name", "head_sha"),
        watched=("status",),
        shown=("status",),
    ),
    Tracked(
        table="pr_threads",
        topic="pr_thread",
        key=("pr_url", "thread_id"),
        watched=("is_resolved",),
        shown=("path", "line", "is_resolved", "is_bot"),
    ),
)

EXCLUDED: dict[str, str] = {
    "feed_log": "the feed itself",
    "feed_cursors": "the readers' own place in it",
    "feed_state": "the feed's own",
    "feed_speaker": "the feed's own",
    "breaker": "the loop's own; its opening raises an escalation, which is told",
    "failed_starts": "the breaker's own",
    "counters": "bookkeeping of every tick",
    "inbox": "what comes in; what it changes is told",
    "dead_letters": "each raises an escalation, which is told",
    "effects": "intentions of the loop; their outcomes are told as changes of sessions",
    "bead_events": "the audit, a log by itself",
    "idempotency": "kept answers",
    "observed_repos": "the observer's bookkeeping of polls",
    "observed_owners": "the observer's bookkeeping of credentials",
    "pr_reviews": "satellites of beads, which are told",
}
