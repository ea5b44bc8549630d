"""invariants: one violating snapshot for each, and a busy town that violates none."""

from __future__ import annotations

import msgspec
import pytest

from boomtown.actors.town import invariants
from boomtown.actors.town.invariants import Violation
from boomtown.actors.town.model import Bead, BeadKind, BeadStatus, Session, SessionState
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from boomtown.limits import TownLimits
from support.town_snapshots import (
    NOW,
    blocks,
    make_agent,
    make_bead,
    make_convoy,
    make_review,
    make_session,
    make_snapshot,
    make_town,
    tracks,
)

LIMITS = TownLimits()
OPEN, IN_PROGRESS, IN_REVIEW, CLOSED, FAILED = BeadStatus
LATE_MS = 2 * LIMITS.alarm_idle_ms
SILENT_MS = (
    LIMITS.lease_ms + LIMITS.silence_after_stop_ms + LIMITS.probe_timeout_ms + LIMITS.alarm_idle_ms
)
CONVOY = make_bead("c1", kind=BeadKind.RECORD, rig_id=None)
AGENTS = (make_agent("a1"), make_agent("a2"))


def violated(snapshot: Snapshot) -> list[tuple[str, str]]:
    found = invariants.check(snapshot, now_ms=NOW, limits=LIMITS)
    return [(violation.name, violation.subject) for violation in found]


def review(bead_id: str, subject: str, status: BeadStatus = OPEN) -> Bead:
    return make_bead(bead_id, status, kind=BeadKind.REVIEW, subject=subject)


def running(
    session_id: str,
    *,
    agent_id: str = "a1",
    bead_id: str = "b1",
    kind: SessionKind = SessionKind.WORK,
) -> Session:
    return make_session(
        session_id,
        agent_id=agent_id,
        bead_id=bead_id,
        kind=kind,
        started_at_ms=NOW,
        last_heartbeat_at_ms=NOW,
        lease_until_ms=NOW + LIMITS.lease_ms,
    )


def worked_on(bead_id: str, agent_id: str) -> Bead:
    return make_bead(bead_id, IN_PROGRESS, assignee=agent_id)


def busy_town() -> Snapshot:
    """Work, a review, a pull request, an ending session and a convoy, all as they should be."""
    return make_snapshot(
        beads=[
            CONVOY,
            worked_on("b1", "a1"),
            make_bead("b2", IN_REVIEW, assignee="a2"),
            review("m2", "b2", IN_PROGRESS),
            make_bead("b3", IN_REVIEW),
            review("m3", "b3", IN_PROGRESS),
            make_bead("b4", IN_REVIEW),
            review("m4", "b4", IN_PROGRESS),
            make_bead("b5", CLOSED),
            make_bead("b6"),
        ],
        reviews=[
            make_review("m3", pr_url="https://forge.example/pr/3"),
            make_review("m4", pr_url="https://forge.example/pr/4"),
        ],
        convoys=[make_convoy("c1", total=2, closed=1)],
        agents=[*AGENTS, make_agent("r1", AgentRole.REFINERY)],
        sessions=[
            running("s1"),
            running("s2", agent_id="r1", bead_id="m2", kind=SessionKind.REVIEW),
            make_session("s3", SessionState.ENDING, agent_id="a2", bead_id="b5"),
        ],
        edges=[tracks("b5", "c1"), tracks("b1", "c1"), blocks("b6", "b1")],
        inbox_oldest_at_ms=NOW - LATE_MS,
        inbox_depth=1,
    )


def test_row_86_busy_town_violates_nothing() -> None:
    assert violated(busy_town()) == []


def test_violation_says_what_and_whom() -> None:
    snapshot = make_snapshot(beads=[make_bead("b1", IN_PROGRESS)])
    assert invariants.check(snapshot, now_ms=NOW, limits=LIMITS) == (
        Violation(
            name="in_progress_has_live_session",
            subject="b1",
            message="in_progress, and nobody works on it",
        ),
    )


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            make_snapshot(
                beads=[
                    make_bead("b1", IN_REVIEW),
                    make_bead("b2", IN_REVIEW),
                    review("m1", "b1", IN_PROGRESS),
                    review("m2", "b2", IN_PROGRESS),
                ],
                agents=AGENTS,
                sessions=[
                    running("s1", bead_id="m1", kind=SessionKind.REVIEW),
                    running("s2", agent_id="a2", bead_id="m2", kind=SessionKind.REVIEW),
                ],
            ),
            ("one_running_review_per_rig", "rig"),
            id="two_reviews_at_once",
        ),
        pytest.param(
            make_snapshot(
                beads=[worked_on("b1", "a1"), worked_on("b2", "a1")],
                agents=AGENTS,
                sessions=[running("s1"), running("s2", bead_id="b2")],
            ),
            ("one_live_session_per_agent", "a1"),
            id="agent_in_two_places",
        ),
        pytest.param(
            make_snapshot(
                beads=[worked_on("b1", "a2")],
                agents=AGENTS,
                sessions=[running("s1"), running("s2", agent_id="a2")],
            ),
            ("one_live_session_per_bead", "b1"),
            id="bead_with_two_agents",
        ),
        pytest.param(
            make_snapshot(
                beads=[
                    CONVOY,
                    make_bead("l1", kind=BeadKind.LANDING, subject="c1"),
                    make_bead("l2", kind=BeadKind.LANDING, subject="c1"),
                ],
                convoys=[make_convoy("c1")],
            ),
            ("one_live_landing_per_convoy", "c1"),
            id="two_landings",
        ),
        pytest.param(
            make_snapshot(
                beads=[
                    make_bead("b1", IN_REVIEW),
                    review("m1", "b1"),
                    make_bead("w1", kind=BeadKind.REWORK, subject="m1"),
                    make_bead("w2", kind=BeadKind.REWORK, subject="m1"),
                ]
            ),
            ("one_live_rework_per_review", "m1"),
            id="two_reworks",
        ),
        pytest.param(
            make_snapshot(
                agents=[make_agent("a1"), msgspec.structs.replace(make_agent("a2"), name="a1")]
            ),
            ("one_employed_name_per_rig", "rig"),
            id="two_of_a_name",
        ),
        pytest.param(
            make_snapshot(beads=[make_bead("b1", IN_REVIEW), review("m1", "b1", FAILED)]),
            ("in_review_has_live_review", "b1"),
            id="in_review_without_a_review",
        ),
        pytest.param(
            make_snapshot(beads=[make_bead("b1", CLOSED), review("m1", "b1")]),
            ("live_review_has_waiting_source", "m1"),
            id="review_of_a_closed_bead",
        ),
        pytest.param(
            make_snapshot(beads=[review("m1", "gone")]),
            ("live_review_has_waiting_source", "m1"),
            id="review_of_nothing",
        ),
        pytest.param(
            make_snapshot(beads=[make_bead("b1", IN_REVIEW), review("m1", "b1", IN_PROGRESS)]),
            ("in_progress_has_live_session", "m1"),
            id="review_that_nobody_runs",
        ),
        pytest.param(
            make_snapshot(beads=[worked_on("b1", "a2")], agents=AGENTS, sessions=[running("s1")]),
            ("assignee_matches_session", "b1"),
            id="assigned_to_another",
        ),
        pytest.param(
            make_snapshot(beads=[make_bead("b1", CLOSED)], agents=AGENTS, sessions=[running("s1")]),
            ("final_bead_has_no_live_session", "b1"),
            id="closed_and_worked_on",
        ),
        pytest.param(
            make_snapshot(beads=[worked_on("b1", "a1")], sessions=[running("s1")]),
            ("session_has_agent", "s1"),
            id="session_of_nobody",
        ),
        pytest.param(
            make_snapshot(
                beads=[CONVOY, make_bead("b1", CLOSED)],
                convoys=[make_convoy("c1", total=1, closed=0)],
                edges=[tracks("b1", "c1")],
            ),
            ("convoy_progress_matches", "c1"),
            id="row_77_wrong_count",
        ),
        pytest.param(
            make_snapshot(beads=[CONVOY], convoys=[make_convoy("c1", landed_at_ms=NOW)]),
            ("live_convoy_is_not_landed", "c1"),
            id="landed_and_open",
        ),
        pytest.param(
            make_snapshot(
                beads=[make_bead("c1", CLOSED, kind=BeadKind.RECORD), make_bead("b1")],
                edges=[tracks("b1", "c1")],
            ),
            ("closed_convoy_has_no_live_bead", "c1"),
            id="closed_convoy_with_work",
        ),
        pytest.param(
            make_snapshot(
                beads=[make_bead("b1"), make_bead("b2")],
                edges=[blocks("b1", "b2"), blocks("b2", "b1")],
            ),
            ("dependencies_are_acyclic", "b1"),
            id="cycle",
        ),
        pytest.param(
            make_snapshot(
                beads=[worked_on("b1", "a1")], agents=AGENTS, sessions=[make_session("s1")]
            ),
            ("running_session_gives_signs", "s1"),
            id="running_unheard",
        ),
        pytest.param(
            make_snapshot(inbox_depth=1, inbox_oldest_at_ms=NOW - LATE_MS - 1),
            ("inbox_is_drained", "town-00000001"),
            id="late_event",
        ),
    ],
)
def test_town_violates_exactly(snapshot: Snapshot, expected: tuple[str, str]) -> None:
    assert violated(snapshot) == [expected]


def silent_session(age_ms: int, *, stop_sent_at_ms: int | None = None) -> Session:
    return make_session(
        "s1",
        started_at_ms=NOW - age_ms,
        last_heartbeat_at_ms=NOW - age_ms,
        stop_sent_at_ms=stop_sent_at_ms,
    )


@pytest.mark.parametrize(
    ("session", "is_draining", "is_violated"),
    [
        pytest.param(silent_session(SILENT_MS), False, False, id="within_its_rule"),
        pytest.param(silent_session(SILENT_MS + 1), False, True, id="past_it"),
        pytest.param(silent_session(SILENT_MS + 1), True, False, id="while_draining"),
        pytest.param(
            silent_session(SILENT_MS + 1, stop_sent_at_ms=NOW), False, False, id="just_stopped"
        ),
    ],
)
def test_silence_is_a_violation_only_when_its_rule_did_not_end_it(
    session: Session, is_draining: bool, is_violated: bool
) -> None:
    snapshot = make_snapshot(
        town=make_town(is_draining=is_draining),
        beads=[worked_on("b1", "a1")],
        agents=AGENTS,
        sessions=[session],
    )
    assert violated(snapshot) == ([("running_session_gives_signs", "s1")] if is_violated else [])


def test_claimed_work_bead_is_open_without_a_violation() -> None:
    claimed = make_session("s1", SessionState.CLAIMED)
    snapshot = make_snapshot(
        beads=[make_bead("b1", assignee="a1")], agents=AGENTS, sessions=[claimed]
    )
    assert violated(snapshot) == []


def test_ending_session_may_outlive_its_bead() -> None:
    ending = make_session("s1", SessionState.ENDING, verdict=Verdict.SUBMITTED)
    snapshot = make_snapshot(beads=[make_bead("b1", CLOSED)], agents=AGENTS, sessions=[ending])
    assert violated(snapshot) == []
