"""plan_issues: who gets which bead, and when nobody does."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from boomtown.actors.town import plan_issues
from boomtown.actors.town.actions import Action, ClaimWork, EscalateHeld, FailBead, ReleaseBead
from boomtown.actors.town.model import (
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    OnFailedBead,
    Priority,
    Rig,
    RigConfig,
    SessionState,
    Town,
    TownConfig,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import AgentId, BeadId, RigId
from boomtown.limits import TownLimits
from support.town_snapshots import (
    EARLIER,
    NOW,
    blocks,
    make_agent,
    make_bead,
    make_convoy,
    make_rig,
    make_session,
    make_snapshot,
    make_town,
    tracks,
)

LIMITS = TownLimits()


def planned(snapshot: Snapshot, now_ms: int = NOW) -> tuple[Action, ...]:
    return plan_issues.plan(snapshot, now_ms=now_ms, limits=LIMITS)


def claim(bead_id: str, agent_id: str | None = None, rig_id: str = "rig") -> ClaimWork:
    return ClaimWork(
        bead_id=BeadId(bead_id),
        rig_id=RigId(rig_id),
        agent_id=None if agent_id is None else AgentId(agent_id),
    )


def capacity(places: int) -> Town:
    return make_town(config=TownConfig(max_polecats_per_rig=places))


def claimed_beads(actions: Iterable[Action]) -> list[str]:
    return [action.bead_id for action in actions if isinstance(action, ClaimWork)]


def test_open_bead_gets_a_new_agent_when_nobody_is_free() -> None:
    assert planned(make_snapshot(beads=[make_bead("b1")])) == (claim("b1"),)


def test_open_bead_gets_the_oldest_free_polecat() -> None:
    agents = [
        make_agent("young", created_at_ms=EARLIER + 1),
        make_agent("old"),
        make_agent("older_but_busy", created_at_ms=EARLIER - 1),
    ]
    busy = make_session("s1", agent_id="older_but_busy", bead_id="b0")
    beads = [make_bead("b0", BeadStatus.IN_PROGRESS), make_bead("b1")]
    snapshot = make_snapshot(beads=beads, agents=agents, sessions=[busy])
    assert planned(snapshot) == (claim("b1", "old"),)


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(make_agent("a1", rig_id="other"), id="of_another_rig"),
        pytest.param(make_agent("a1", AgentRole.REFINERY), id="refinery"),
        pytest.param(make_agent("a1", employment=Employment.OFFBOARDING), id="leaving"),
        pytest.param(make_agent("a1", stalled_at_ms=NOW), id="stalled"),
    ],
)
def test_other_agents_are_not_picked(agent: Agent) -> None:
    snapshot = make_snapshot(beads=[make_bead("b1")], agents=[agent])
    assert planned(snapshot) == (claim("b1"),)


def test_assignee_is_preferred_when_free() -> None:
    agents = [make_agent("a1"), make_agent("a2")]
    snapshot = make_snapshot(beads=[make_bead("b1", assignee="a2")], agents=agents)
    assert planned(snapshot) == (claim("b1", "a2"),)


def test_busy_assignee_is_no_reason_to_wait() -> None:
    agents = [make_agent("a1"), make_agent("a2")]
    busy = make_session("s1", agent_id="a2", bead_id="b0")
    beads = [make_bead("b0", BeadStatus.IN_PROGRESS), make_bead("b1", assignee="a2")]
    snapshot = make_snapshot(beads=beads, agents=agents, sessions=[busy])
    assert planned(snapshot) == (claim("b1", "a1"),)


def test_one_agent_is_not_given_twice() -> None:
    snapshot = make_snapshot(beads=[make_bead("b1"), make_bead("b2")], agents=[make_agent("a1")])
    assert planned(snapshot) == (claim("b1", "a1"), claim("b2"))


def test_most_urgent_first_then_oldest_row_97() -> None:
    beads = [
        make_bead("b1", priority=Priority.LOW, created_at_ms=EARLIER - 9),
        make_bead("b5", priority=Priority.CRITICAL, created_at_ms=EARLIER + 9),
        make_bead("b4"),
        make_bead("b3"),
        make_bead("b2", created_at_ms=EARLIER + 1),
        make_bead("b6", priority=Priority.HIGH),
    ]
    assert claimed_beads(planned(make_snapshot(town=capacity(6), beads=beads))) == [
        "b5",
        "b6",
        "b3",
        "b4",
        "b2",
        "b1",
    ]


def test_row_95_ten_beads_and_two_places() -> None:
    beads = [make_bead(f"b{n}") for n in range(10)]
    assert claimed_beads(planned(make_snapshot(town=capacity(2), beads=beads))) == ["b0", "b1"]


@pytest.mark.parametrize(("places", "expected"), [(1, []), (2, ["b1"])])
def test_row_95_stopping_sessions_take_a_place(places: int, expected: list[str]) -> None:
    beads = [make_bead("b0", BeadStatus.IN_REVIEW), make_bead("b1")]
    ending = make_session("s1", SessionState.ENDING, bead_id="b0")
    snapshot = make_snapshot(
        town=capacity(places), beads=beads, agents=[make_agent("a1")], sessions=[ending]
    )
    assert claimed_beads(planned(snapshot)) == expected


def test_reviews_take_no_place_of_polecats() -> None:
    review = make_session("s1", agent_id="r", bead_id="m1", kind=SessionKind.REVIEW)
    beads = [
        make_bead("b0", BeadStatus.IN_REVIEW),
        make_bead("m1", BeadStatus.IN_PROGRESS, kind=BeadKind.REVIEW, subject="b0"),
        make_bead("b1"),
    ]
    snapshot = make_snapshot(town=capacity(1), beads=beads, sessions=[review])
    assert claimed_beads(planned(snapshot)) == ["b1"]


def test_row_95_rig_overrides_its_town() -> None:
    rig = make_rig(config=RigConfig(max_polecats_per_rig=1))
    beads = [make_bead("b1"), make_bead("b2")]
    snapshot = make_snapshot(town=capacity(5), rigs=[rig], beads=beads)
    assert claimed_beads(planned(snapshot)) == ["b1"]


def test_row_24_full_rig_does_not_hold_up_another() -> None:
    rigs = [make_rig("full", config=RigConfig(max_polecats_per_rig=1)), make_rig("free")]
    beads = [
        make_bead("b0", BeadStatus.IN_PROGRESS, rig_id="full"),
        make_bead("b1", rig_id="full"),
        make_bead("b2", rig_id="free"),
    ]
    busy = make_session("s1", bead_id="b0", rig_id="full")
    snapshot = make_snapshot(rigs=rigs, beads=beads, sessions=[busy])
    assert planned(snapshot) == (claim("b2", rig_id="free"),)


def test_row_29_serial_tasks_get_one_agent() -> None:
    beads = [make_bead("b1"), make_bead("b2"), make_bead("b3")]
    edges = [blocks("b2", "b1"), blocks("b3", "b2")]
    assert planned(make_snapshot(beads=beads, edges=edges)) == (claim("b1"),)


@pytest.mark.parametrize(
    "bead",
    [
        pytest.param(make_bead("b1", labels=("gt:held",)), id="held"),
        pytest.param(make_bead("b1", labels=("gt:triage-request",)), id="row_7_triage_request"),
        pytest.param(make_bead("b1", rig_id=None), id="no_rig_yet"),
        pytest.param(make_bead("b1", kind=BeadKind.RECORD), id="record"),
        pytest.param(make_bead("b1", BeadStatus.CLOSED), id="closed"),
        pytest.param(make_bead("b1", not_before_ms=NOW + 1), id="backoff"),
    ],
)
def test_bead_is_not_dispatched_when(bead: Bead) -> None:
    assert planned(make_snapshot(beads=[bead])) == ()


def test_backoff_ends_at_its_instant() -> None:
    assert planned(make_snapshot(beads=[make_bead("b1", not_before_ms=NOW)])) == (claim("b1"),)


@pytest.mark.parametrize("is_staged", [True, False])
def test_beads_of_a_staged_convoy_wait(is_staged: bool) -> None:
    snapshot = make_snapshot(
        beads=[make_bead("b1"), make_bead("c1", kind=BeadKind.RECORD, rig_id=None)],
        convoys=[make_convoy("c1", is_staged=is_staged)],
        edges=[tracks("b1", "c1")],
    )
    assert planned(snapshot) == (() if is_staged else (claim("b1"),))


@pytest.mark.parametrize(
    ("town", "rig"),
    [
        pytest.param(make_town(is_paused=True), make_rig(), id="town_paused"),
        pytest.param(make_town(is_draining=True), make_rig(), id="draining"),
        pytest.param(make_town(), make_rig(is_paused=True), id="rig_paused"),
    ],
)
def test_nothing_is_claimed_while(town: Town, rig: Rig) -> None:
    assert planned(make_snapshot(town=town, rigs=[rig], beads=[make_bead("b1")])) == ()


@pytest.mark.parametrize("attempts", [4, 5])
def test_bead_out_of_attempts_fails(attempts: int) -> None:
    failed = FailBead(
        bead_id=BeadId("b1"),
        expected_status=BeadStatus.OPEN,
        code="max_dispatch_attempts",
        message="Gave up after 5 dispatch attempts",
    )
    snapshot = make_snapshot(beads=[make_bead("b1", attempts=attempts)])
    assert planned(snapshot) == ((failed,) if attempts == 5 else (claim("b1"),))


def test_row_95_attempts_cap_of_the_rig_holds() -> None:
    rig = make_rig(config=RigConfig(max_dispatch_attempts=2))
    (action,) = planned(make_snapshot(rigs=[rig], beads=[make_bead("b1", attempts=2)]))
    assert isinstance(action, FailBead)


def test_bead_of_a_deleted_rig_fails() -> None:
    (action,) = planned(make_snapshot(beads=[make_bead("b1", rig_id="gone")]))
    assert isinstance(action, FailBead)
    assert action.code == "no_rig"


def test_in_progress_bead_without_a_session_is_released() -> None:
    snapshot = make_snapshot(beads=[make_bead("b1", BeadStatus.IN_PROGRESS)])
    assert planned(snapshot) == (ReleaseBead(bead_id=BeadId("b1")),)


def test_bead_with_an_ending_session_is_not_claimed_again() -> None:
    ending = make_session("s1", SessionState.ENDING)
    snapshot = make_snapshot(
        beads=[make_bead("b1")], agents=[make_agent("a1"), make_agent("a2")], sessions=[ending]
    )
    assert planned(snapshot) == ()


@pytest.mark.parametrize("review", [BeadStatus.FAILED, None])
def test_rows_10_and_20_reopened_standalone_bead_is_work_again(review: BeadStatus | None) -> None:
    beads = [make_bead("b1", attempts=1)]
    if review is not None:
        beads.append(make_bead("m1", review, kind=BeadKind.REVIEW, subject="b1"))
    assert planned(make_snapshot(beads=beads)) == (claim("b1"),)


def failed_blocker(
    *,
    town: Town | None = None,
    escalations: Iterable[str] = (),
    closed_escalations: Iterable[str] = (),
) -> Snapshot:
    return make_snapshot(
        town=town,
        beads=[make_bead("b0", BeadStatus.FAILED), make_bead("b1")],
        edges=[blocks("b1", "b0")],
        escalations=escalations,
        closed_escalations=closed_escalations,
    )


def test_row_90_dependent_of_a_failed_bead_is_held_and_escalated_once() -> None:
    escalated = EscalateHeld(bead_id=BeadId("b1"), blocker_id=BeadId("b0"))
    assert planned(failed_blocker()) == (escalated,)
    assert planned(failed_blocker(escalations=["held:b1:b0"])) == ()


def test_row_94_answered_escalation_is_not_raised_again() -> None:
    assert planned(failed_blocker(closed_escalations=["held:b1:b0"])) == ()


def test_row_90_town_that_continues_dispatches_the_dependent() -> None:
    town = make_town(config=TownConfig(on_failed_bead=OnFailedBead.CONTINUE))
    assert planned(failed_blocker(town=town)) == (claim("b1"),)
