"""The town at a glance, as its status route and the dashboard show it (town.md 6.2)."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.model import LABEL_TRIAGE_REQUEST, BeadStatus, SessionState
from boomtown.actors.town.plan_town import breaker_state, probe_at_ms
from boomtown.actors.town.store_agents import list_agents
from boomtown.actors.town.store_audit import list_newest_audit
from boomtown.actors.town.store_breaker import read_breaker
from boomtown.actors.town.store_sessions import find_live_session, list_live_sessions
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import TownStatusView
from boomtown.actors.town.views_of import event_view, wire_status

RECENT_EVENTS = 20
AGENT_WORDS = ("working", "waiting", "idle", "stalled", "dead")

_COUNT_ISSUES = (
    "SELECT status, count(*) FROM beads WHERE type = 'issue' GROUP BY status ORDER BY status"
)
_COUNT_TRIAGE_REQUESTS = (
    "SELECT count(*) FROM beads b, json_each(b.labels) label"
    " WHERE b.type = 'issue' AND b.status = 'open' AND label.value = ?"
)
_BEAD_WORDS = {
    "open": BeadStatus.OPEN,
    "inProgress": BeadStatus.IN_PROGRESS,
    "inReview": BeadStatus.IN_REVIEW,
    "closed": BeadStatus.CLOSED,
    "failed": BeadStatus.FAILED,
}


def town_status_view(
    tx: TownTransaction, *, next_alarm_at_ms: int | None, reconciler: dict[str, Any]
) -> TownStatusView:
    """`nextFireAt` is in milliseconds; `reconciler` is what the loop says of itself."""
    town = get_town(tx)
    agents = _count_agents(tx)
    sessions = list_live_sessions(tx)
    late = [session for session in sessions if (session.lease_until_ms or tx.now_ms) < tx.now_ms]
    is_active = any(session.state != SessionState.CLAIMED for session in sessions)
    interval_ms = tx.limits.alarm_active_ms if is_active else tx.limits.alarm_idle_ms
    return TownStatusView(
        alarm={
            "nextFireAt": next_alarm_at_ms,
            "intervalMs": interval_ms,
            "intervalLabel": "active" if is_active else "idle",
        },
        agents=agents,
        beads=_count_beads(tx),
        patrol={
            "guppWarnings": 0,  # nudges are not of this version
            "guppEscalations": 0,
            "stalledAgents": agents["stalled"],
            "orphanedHooks": len(late),
        },
        reconciler=reconciler,
        recent_events=tuple(
            event_view(event) for event in list_newest_audit(tx, limit=RECENT_EVENTS)
        ),
        draining=town.is_draining,
        paused=town.is_paused,
        drain_started_at=town.drain_started_at_ms if town.is_draining else None,
        breaker=_breaker_facts(tx),
    )


def _breaker_facts(tx: TownTransaction) -> dict[str, Any]:
    breaker = read_breaker(tx)
    return {
        "state": breaker_state(breaker, now_ms=tx.now_ms, limits=tx.limits).value,
        "failedStarts": breaker.failed_starts,
        "openedAt": breaker.opened_at_ms,
        "probeAt": probe_at_ms(breaker, limits=tx.limits),
    }


def _count_agents(tx: TownTransaction) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys(AGENT_WORDS, 0)
    for agent in list_agents(tx):
        counts[wire_status(agent, find_live_session(tx, agent.agent_id))] += 1
    return {**counts, "total": sum(counts.values())}


def _count_beads(tx: TownTransaction) -> dict[str, int]:
    counted = dict(tx.rows(_COUNT_ISSUES))
    counts = {word: int(counted.get(status.value, 0)) for word, status in _BEAD_WORDS.items()}
    row = tx.find_row(_COUNT_TRIAGE_REQUESTS, LABEL_TRIAGE_REQUEST)
    assert row is not None
    return {**counts, "triageRequests": int(row[0])}
