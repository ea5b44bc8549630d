"""plan_reviews: what the refinery takes, and which reviews are over without it."""

from __future__ import annotations

import pytest

from boomtown.actors.town import plan_reviews
from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    EscalateHeld,
    FailBead,
    ReleaseBead,
    SettleSource,
)
from boomtown.actors.town.model import (
    Agent,
    Approval,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    MergeMode,
    RefineryConfig,
    Review,
    Rig,
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
    make_review,
    make_rig,
    make_session,
    make_snapshot,
    make_town,
    tracks,
)

LIMITS = TownLimits()
OPEN, IN_PROGRESS, IN_REVIEW, CLOSED, FAILED = BeadStatus
REFINERY = make_agent("refinery", AgentRole.REFINERY)


def planned(snapshot: Snapshot, now_ms: int = NOW) -> tuple[Action, ...]:
    return plan_reviews.plan(snapshot, now_ms=now_ms, limits=LIMITS)


def source(bead_id: str, status: BeadStatus = IN_REVIEW, *, rig_id: str = "rig") -> Bead:
    return make_bead(bead_id, status, rig_id=rig_id)


def review(
    bead_id: str,
    subject: str,
    status: BeadStatus = OPEN,
    *,
    rig_id: str | None = "rig",
    created_at_ms: int = EARLIER,
    attempts: int = 0,
    not_before_ms: int | None = None,
    labels: tuple[str, ...] = (),
) -> Bead:
    return make_bead(
        bead_id,
        status,
        kind=BeadKind.REVIEW,
        subject=subject,
        rig_id=rig_id,
        created_at_ms=created_at_ms,
        attempts=attempts,
        not_before_ms=not_before_ms,
        labels=labels,
    )


def claim(
    bead_id: str,
    agent_id: str | None = "refinery",
    *,
    rig_id: str = "rig",
    merge_only: bool = False,
) -> ClaimReview:
    return ClaimReview(
        bead_id=BeadId(bead_id),
        rig_id=RigId(rig_id),
        agent_id=None if agent_id is None else AgentId(agent_id),
        merge_only=merge_only,
    )


def fail_codes(actions: tuple[Action, ...]) -> list[tuple[str, str]]:
    return [(a.bead_id, a.code) for a in actions if isinstance(a, FailBead)]


def test_refinery_takes_the_oldest_open_review() -> None:
    beads = [
        source("b1"),
        source("b2"),
        review("m1", "b1", created_at_ms=EARLIER + 1),
        review("m2", "b2"),
    ]
    assert planned(make_snapshot(beads=beads, agents=[REFINERY])) == (claim("m2"),)


def test_rig_without_a_refinery_asks_for_one() -> None:
    beads = [source("b1"), review("m1", "b1")]
    polecat = make_agent("a1")
    assert planned(make_snapshot(beads=beads, agents=[polecat])) == (claim("m1", None),)


@pytest.mark.parametrize("state", [SessionState.CLAIMED, SessionState.RUNNING, SessionState.ENDING])
def test_case_1_refinery_is_busy_until_its_session_is_proven_over(state: SessionState) -> None:
    beads = [
        source("b1"),
        source("b2"),
        review("m1", "b1", IN_PROGRESS),
        review("m2", "b2"),
    ]
    busy = make_session("s1", state, agent_id="refinery", bead_id="m1", kind=SessionKind.REVIEW)
    assert planned(make_snapshot(beads=beads, agents=[REFINERY], sessions=[busy])) == ()


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(make_agent("r", AgentRole.REFINERY, stalled_at_ms=NOW), id="stalled"),
        pytest.param(
            make_agent("r", AgentRole.REFINERY, employment=Employment.OFFBOARDING), id="leaving"
        ),
    ],
)
def test_rig_waits_while_its_only_refinery_is(agent: Agent) -> None:
    assert planned(make_snapshot(beads=[source("b1"), review("m1", "b1")], agents=[agent])) == ()


def test_attached_reviewer_keeps_the_refinery_waiting() -> None:
    """One review at a time in a rig, whoever judges it: the index would refuse the second."""
    beads = [source("b1"), source("b2"), review("m1", "b1", IN_PROGRESS), review("m2", "b2")]
    other = make_session("s1", agent_id="guest", bead_id="m1", kind=SessionKind.REVIEW)
    assert planned(make_snapshot(beads=beads, agents=[REFINERY], sessions=[other])) == ()


def test_row_24_rig_with_a_stuck_refinery_does_not_hold_up_another() -> None:
    rigs = [make_rig("a"), make_rig("b")]
    beads = [
        source("b1", rig_id="a"),
        source("b2", rig_id="b"),
        review("m1", "b1", IN_PROGRESS, rig_id="a"),
        review("m2", "b2", rig_id="b"),
    ]
    agents = [make_agent("ra", AgentRole.REFINERY, rig_id="a")]
    stuck = make_session("s1", agent_id="ra", bead_id="m1", rig_id="a", kind=SessionKind.REVIEW)
    snapshot = make_snapshot(rigs=rigs, beads=beads, agents=agents, sessions=[stuck])
    assert planned(snapshot) == (claim("m2", None, rig_id="b"),)


@pytest.mark.parametrize("status", [OPEN, IN_PROGRESS])
def test_rows_4_and_28_pull_request_waits_and_blocks_nobody(status: BeadStatus) -> None:
    beads = [source("b1"), source("b2"), review("m1", "b1", status), review("m2", "b2")]
    pull = make_review("m1", pr_url="https://forge.example/pr/1")
    snapshot = make_snapshot(beads=beads, reviews=[pull], agents=[REFINERY])
    assert planned(snapshot) == (claim("m2"),)


def test_review_behind_its_rework_waits_and_blocks_nobody() -> None:
    beads = [
        source("b1"),
        source("b2"),
        review("m1", "b1"),
        review("m2", "b2", created_at_ms=EARLIER + 1),
        make_bead("w1", kind=BeadKind.REWORK, subject="m1"),
    ]
    edges = [blocks("m1", "w1")]
    snapshot = make_snapshot(beads=beads, edges=edges, agents=[REFINERY])
    assert planned(snapshot) == (claim("m2"),)


def test_review_goes_on_when_its_rework_is_closed() -> None:
    rework = make_bead("w1", CLOSED, kind=BeadKind.REWORK, subject="m1")
    beads = [source("b1"), review("m1", "b1"), rework]
    snapshot = make_snapshot(beads=beads, edges=[blocks("m1", "w1")], agents=[REFINERY])
    assert planned(snapshot) == (claim("m1"),)


def test_row_90_review_behind_a_failed_rework_is_held_and_escalated() -> None:
    rework = make_bead("w1", FAILED, kind=BeadKind.REWORK, subject="m1")
    beads = [source("b1"), review("m1", "b1"), rework]
    snapshot = make_snapshot(beads=beads, edges=[blocks("m1", "w1")], agents=[REFINERY])
    assert planned(snapshot) == (EscalateHeld(bead_id=BeadId("m1"), blocker_id=BeadId("w1")),)


@pytest.mark.parametrize(
    ("not_before_ms", "expected"), [(NOW, (claim("m1"),)), (NOW + 1, (claim("m2"),))]
)
def test_review_in_backoff_is_passed_over(not_before_ms: int, expected: tuple[Action, ...]) -> None:
    beads = [
        source("b1"),
        source("b2"),
        review("m1", "b1", not_before_ms=not_before_ms),
        review("m2", "b2"),
    ]
    assert planned(make_snapshot(beads=beads, agents=[REFINERY])) == expected


def test_held_review_is_passed_over() -> None:
    beads = [source("b1"), review("m1", "b1", labels=("gt:held",))]
    assert planned(make_snapshot(beads=beads, agents=[REFINERY])) == ()


@pytest.mark.parametrize(
    ("town", "rig"),
    [
        pytest.param(make_town(is_paused=True), make_rig(), id="town_paused"),
        pytest.param(make_town(is_draining=True), make_rig(), id="draining"),
        pytest.param(make_town(), make_rig(is_paused=True), id="rig_paused"),
    ],
)
def test_nothing_is_claimed_while(town: Town, rig: Rig) -> None:
    beads = [source("b1"), review("m1", "b1")]
    assert planned(make_snapshot(town=town, rigs=[rig], beads=beads, agents=[REFINERY])) == ()


def landing_town(approval: Approval, *, kind: BeadKind, satellite: Review) -> Snapshot:
    subject = make_bead("c1", kind=BeadKind.RECORD, rig_id=None)
    if kind == BeadKind.REVIEW:
        subject = source("c1")
    return make_snapshot(
        town=make_town(config=TownConfig(approval=approval)),
        beads=[subject, make_bead("m1", kind=kind, subject="c1")],
        reviews=[satellite],
        agents=[REFINERY],
    )


@pytest.mark.parametrize(
    ("approval", "kind", "is_claimed"),
    [
        (Approval.NONE, BeadKind.LANDING, True),
        (Approval.LANDING, BeadKind.LANDING, False),
        (Approval.LANDING, BeadKind.REVIEW, True),
        (Approval.EVERY, BeadKind.REVIEW, False),
        (Approval.EVERY, BeadKind.LANDING, False),
    ],
)
def test_approval_is_waited_for_where_the_town_asks(
    approval: Approval, kind: BeadKind, is_claimed: bool
) -> None:
    waiting = landing_town(approval, kind=kind, satellite=make_review("m1"))
    expected = claim("m1", merge_only=kind == BeadKind.LANDING)
    assert planned(waiting) == ((expected,) if is_claimed else ())
    approved = landing_town(approval, kind=kind, satellite=make_review("m1", is_approved=True))
    assert planned(approved) == (expected,)


@pytest.mark.parametrize("code_review", [True, False])
def test_row_92_code_review_off_merges_only_in_convoys_too(code_review: bool) -> None:
    config = TownConfig(refinery=RefineryConfig(code_review=code_review))
    convoy = make_convoy("c1", merge_mode=MergeMode.REVIEW_AND_MERGE, total=1)
    snapshot = make_snapshot(
        town=make_town(config=config),
        beads=[
            make_bead("c1", kind=BeadKind.RECORD, rig_id=None),
            source("b1"),
            review("m1", "b1"),
        ],
        convoys=[convoy],
        edges=[tracks("b1", "c1")],
        agents=[REFINERY],
    )
    assert planned(snapshot) == (claim("m1", merge_only=not code_review),)


@pytest.mark.parametrize("attempts", [LIMITS.review_attempts_max - 1, LIMITS.review_attempts_max])
def test_row_30_fruitless_reviews_fail_at_the_cap(attempts: int) -> None:
    beads = [source("b1"), review("m1", "b1", attempts=attempts, not_before_ms=NOW + 1)]
    actions = planned(make_snapshot(beads=beads, agents=[REFINERY]))
    is_over = attempts == LIMITS.review_attempts_max
    assert fail_codes(actions) == ([("m1", "max_dispatch_attempts")] if is_over else [])


def test_row_30_refinery_is_free_for_the_next_in_the_same_plan() -> None:
    beads = [source("b1"), source("b2"), review("m1", "b1", attempts=5), review("m2", "b2")]
    actions = planned(make_snapshot(beads=beads, agents=[REFINERY]))
    assert actions[1:] == (claim("m2"),)


@pytest.mark.parametrize("rig_id", [None, "gone"])
def test_review_without_a_rig_fails(rig_id: str | None) -> None:
    beads = [source("b1"), review("m1", "b1", rig_id=rig_id)]
    assert fail_codes(planned(make_snapshot(beads=beads))) == [("m1", "no_rig")]


@pytest.mark.parametrize("status", [OPEN, IN_PROGRESS, CLOSED, FAILED])
def test_review_of_a_source_that_went_on_is_superseded(status: BeadStatus) -> None:
    beads = [source("b1", status), review("m1", "b1")]
    actions = planned(make_snapshot(beads=beads, agents=[REFINERY]))
    assert fail_codes(actions) == [("m1", "superseded")]
    assert len(actions) == 1


def test_review_of_a_deleted_source_is_superseded() -> None:
    actions = planned(make_snapshot(beads=[review("m1", "gone")], agents=[REFINERY]))
    assert fail_codes(actions) == [("m1", "superseded")]


@pytest.mark.parametrize(("age_ms", "is_running"), [(40 * 60_000, True), (0, False)])
def test_row_25_only_a_missing_session_reopens_a_review(age_ms: int, is_running: bool) -> None:
    beads = [source("b1"), review("m1", "b1", IN_PROGRESS, created_at_ms=NOW - age_ms)]
    running = make_session("s1", agent_id="refinery", bead_id="m1", kind=SessionKind.REVIEW)
    sessions = [running] if is_running else []
    actions = planned(make_snapshot(beads=beads, agents=[REFINERY], sessions=sessions))
    assert actions == (() if is_running else (ReleaseBead(bead_id=BeadId("m1")),))


@pytest.mark.parametrize(
    ("reviews", "after"),
    [
        pytest.param([("m1", FAILED)], OPEN, id="failed"),
        pytest.param([("m1", FAILED), ("m2", CLOSED)], CLOSED, id="one_merged"),
        pytest.param([], OPEN, id="deleted"),
        pytest.param([("m1", FAILED), ("m2", OPEN)], None, id="one_live"),
    ],
)
def test_source_whose_reviews_have_ended_is_settled(
    reviews: list[tuple[str, BeadStatus]], after: BeadStatus | None
) -> None:
    beads = [
        source("b1"),
        *(review(m, "b1", status, not_before_ms=NOW + 1) for m, status in reviews),
    ]
    settled = () if after is None else (SettleSource(bead_id=BeadId("b1"), after=after),)
    assert planned(make_snapshot(beads=beads, agents=[REFINERY])) == settled


def test_one_end_moves_a_source_once() -> None:
    """Of two reviews that fail together, one reopens the source; the next plan sees the other."""
    beads = [source("b1"), review("m1", "b1", attempts=5), review("m2", "b1", attempts=5)]
    actions = planned(make_snapshot(beads=beads, agents=[REFINERY]))
    assert fail_codes(actions) == [("m1", "max_dispatch_attempts")]


def test_other_kinds_of_issue_are_not_settled() -> None:
    record = make_bead("b1", IN_REVIEW, kind=BeadKind.RECORD)
    assert planned(make_snapshot(beads=[record])) == ()
