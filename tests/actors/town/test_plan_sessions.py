"""plan_sessions: each rule at its threshold and one millisecond before."""

from __future__ import annotations

import pytest

from boomtown.actors.town import plan_sessions
from boomtown.actors.town.actions import Action, EndSession, SendProbe, SendStart, SendStop
from boomtown.actors.town.model import (
    BeadStatus,
    Effect,
    EffectKind,
    Rig,
    Session,
    SessionState,
    Town,
)
from boomtown.container_sim.model import Verdict
from boomtown.ids import SessionId
from boomtown.limits import TownLimits
from support.town_snapshots import (
    NOW,
    make_agent,
    make_bead,
    make_effect,
    make_rig,
    make_session,
    make_snapshot,
    make_town,
)

LIMITS = TownLimits()
CLAIMED, STARTING, RUNNING, ENDING = (
    SessionState.CLAIMED,
    SessionState.STARTING,
    SessionState.RUNNING,
    SessionState.ENDING,
)
S1 = SessionId("s1")
START = SendStart(session_id=S1)


def planned(
    session: Session,
    *,
    bead: BeadStatus = BeadStatus.IN_PROGRESS,
    town: Town | None = None,
    rigs: tuple[Rig, ...] | None = None,
    effects: tuple[Effect, ...] = (),
    now_ms: int = NOW,
) -> tuple[Action, ...]:
    snapshot = make_snapshot(
        town=town,
        rigs=rigs,
        beads=[make_bead("b1", bead, assignee="a1")],
        agents=[make_agent("a1")],
        sessions=[session],
        effects=effects,
    )
    return plan_sessions.plan(snapshot, now_ms=now_ms, limits=LIMITS)


def probe(state: SessionState) -> SendProbe:
    return SendProbe(session_id=S1, expected_state=state)


def stop(state: SessionState, reason: str) -> SendStop:
    return SendStop(
        session_id=S1, expected_state=state, reason=reason, takes_bead=reason != "lease"
    )


def end(state: SessionState, reason: str, *, counts_attempt: bool) -> EndSession:
    return EndSession(
        session_id=S1, expected_state=state, reason=reason, counts_attempt=counts_attempt
    )


def started(age_ms: int) -> Session:
    """A start was accepted `age_ms` ago, and nothing was heard since."""
    return make_session("s1", STARTING, instance_id="i1", start_sent_at_ms=NOW - age_ms)


def silent(
    over_ms: int, *, probed_at_ms: int | None = None, stop_sent_at_ms: int | None = None
) -> Session:
    """A running session whose lease was over `over_ms` ago."""
    return make_session(
        "s1",
        RUNNING,
        instance_id="i1",
        started_at_ms=NOW - over_ms - LIMITS.lease_ms,
        last_heartbeat_at_ms=NOW - over_ms - LIMITS.lease_ms,
        lease_until_ms=NOW - over_ms,
        probed_at_ms=probed_at_ms,
        stop_sent_at_ms=stop_sent_at_ms,
    )


def test_claimed_session_is_started() -> None:
    assert planned(make_session("s1", CLAIMED), bead=BeadStatus.OPEN) == (START,)


@pytest.mark.parametrize(
    ("town", "rigs"),
    [
        pytest.param(make_town(is_paused=True), None, id="town_paused"),
        pytest.param(make_town(is_draining=True), None, id="draining"),
        pytest.param(None, (make_rig(is_paused=True),), id="rig_paused"),
    ],
)
def test_claimed_session_waits_while(town: Town | None, rigs: tuple[Rig, ...] | None) -> None:
    claimed = make_session("s1", CLAIMED)
    assert planned(claimed, bead=BeadStatus.OPEN, town=town, rigs=rigs) == ()


@pytest.mark.parametrize("status", [BeadStatus.CLOSED, BeadStatus.FAILED])
def test_claimed_session_of_a_final_bead_ends_without_an_attempt(status: BeadStatus) -> None:
    ended = end(CLAIMED, "unwanted", counts_attempt=False)
    assert planned(make_session("s1", CLAIMED), bead=status) == (ended,)


def test_claimed_session_of_a_deleted_bead_ends() -> None:
    lost = make_session("s1", CLAIMED, bead_id="deleted")
    assert planned(lost) == (end(CLAIMED, "unwanted", counts_attempt=False),)


def test_start_in_flight_is_left_alone() -> None:
    call = make_effect(EffectKind.START, "s1")
    sent = make_session("s1", STARTING, start_sent_at_ms=NOW)
    assert planned(sent, effects=(call,)) == ()


def test_case_2_unknown_start_is_probed_at_once_and_never_sent_again() -> None:
    sent = make_session("s1", STARTING, start_sent_at_ms=NOW - 1)
    assert planned(sent) == (probe(STARTING),)


@pytest.mark.parametrize(
    ("ago_ms", "expected"),
    [
        pytest.param(LIMITS.alarm_active_ms - 1, (), id="just_before"),
        pytest.param(LIMITS.alarm_active_ms, (probe(STARTING),), id="at"),
    ],
)
def test_unknown_start_is_probed_every_active_period(
    ago_ms: int, expected: tuple[Action, ...]
) -> None:
    sent = make_session("s1", STARTING, start_sent_at_ms=NOW - 100, probed_at_ms=NOW - ago_ms)
    assert planned(sent) == expected


def test_probe_in_flight_is_not_doubled() -> None:
    call = make_effect(EffectKind.PROBE, "s1")
    assert planned(make_session("s1", STARTING, start_sent_at_ms=NOW), effects=(call,)) == ()


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [
        pytest.param(LIMITS.start_deadline_ms - 1, (), id="row_32_just_before"),
        pytest.param(LIMITS.start_deadline_ms, (probe(STARTING),), id="at"),
    ],
)
def test_accepted_start_is_probed_at_its_deadline(
    age_ms: int, expected: tuple[Action, ...]
) -> None:
    assert planned(started(age_ms)) == expected


def test_row_68_starting_session_that_beats_outlives_its_deadline() -> None:
    cloning = make_session(
        "s1",
        STARTING,
        instance_id="i1",
        start_sent_at_ms=NOW - 2 * LIMITS.start_deadline_ms,
        last_heartbeat_at_ms=NOW - LIMITS.lease_ms + 1,
        lease_until_ms=NOW + 1,
    )
    assert planned(cloning) == ()


@pytest.mark.parametrize(
    ("over_ms", "expected"),
    [
        pytest.param(-1, (), id="just_before"),
        pytest.param(0, (probe(RUNNING),), id="at"),
    ],
)
def test_running_session_is_probed_when_its_lease_is_over(
    over_ms: int, expected: tuple[Action, ...]
) -> None:
    assert planned(silent(over_ms)) == expected


def test_row_33_running_session_that_never_beat_is_judged_by_its_start() -> None:
    unheard = make_session("s1", RUNNING, started_at_ms=NOW - LIMITS.lease_ms + 1)
    assert planned(unheard) == ()
    assert planned(unheard, now_ms=NOW + 1) == (probe(RUNNING),)


def test_lease_over_for_hours_is_probed_before_it_is_stopped() -> None:
    """A laptop that slept wakes with every lease over and every agent alive."""
    asleep = silent(3_600_000, probed_at_ms=NOW - 7_200_000)
    assert planned(asleep) == (probe(RUNNING),)


@pytest.mark.parametrize(
    ("over_ms", "expected"),
    [
        pytest.param(LIMITS.probe_timeout_ms - 1, (), id="just_before"),
        pytest.param(LIMITS.probe_timeout_ms, (stop(RUNNING, "lease"),), id="at"),
    ],
)
def test_silent_session_is_stopped_after_a_probe_in_vain(
    over_ms: int, expected: tuple[Action, ...]
) -> None:
    assert planned(silent(over_ms, probed_at_ms=NOW - 1)) == expected


@pytest.mark.parametrize(
    ("probed_after_ms", "expected"),
    [
        pytest.param(-1, probe(RUNNING), id="asked_while_it_still_held"),
        pytest.param(0, stop(RUNNING, "lease"), id="asked_when_it_was_over"),
    ],
)
def test_only_a_probe_since_the_lease_was_over_counts(
    probed_after_ms: int, expected: Action
) -> None:
    over_ms = LIMITS.probe_timeout_ms
    probed_at = NOW - over_ms + probed_after_ms
    assert planned(silent(over_ms, probed_at_ms=probed_at)) == (expected,)


@pytest.mark.parametrize(
    ("since_stop_ms", "expected"),
    [
        pytest.param(LIMITS.silence_after_stop_ms - 1, (probe(RUNNING),), id="just_before"),
        pytest.param(
            LIMITS.silence_after_stop_ms, (end(RUNNING, "lost", counts_attempt=True),), id="at"
        ),
    ],
)
def test_stopped_session_is_lost_after_its_silence(
    since_stop_ms: int, expected: tuple[Action, ...]
) -> None:
    stopped = silent(500_000, stop_sent_at_ms=NOW - since_stop_ms)
    assert planned(stopped) == expected


def test_heartbeat_after_the_stop_starts_the_silence_again() -> None:
    beating = make_session(
        "s1",
        RUNNING,
        last_heartbeat_at_ms=NOW - LIMITS.silence_after_stop_ms + 1,
        lease_until_ms=NOW - LIMITS.silence_after_stop_ms + 1 + LIMITS.lease_ms,
        stop_sent_at_ms=NOW - 2 * LIMITS.silence_after_stop_ms,
        probed_at_ms=NOW,
    )
    assert planned(beating) == ()


def test_row_55_nothing_is_concluded_from_silence_while_draining() -> None:
    stopped = silent(500_000, stop_sent_at_ms=NOW - 400_000)
    assert planned(stopped, town=make_town(is_draining=True)) == ()


@pytest.mark.parametrize("state", [STARTING, RUNNING])
@pytest.mark.parametrize("status", [BeadStatus.CLOSED, BeadStatus.FAILED, BeadStatus.OPEN])
def test_row_22_session_that_lost_its_bead_is_stopped_not_ended(
    state: SessionState, status: BeadStatus
) -> None:
    session = make_session("s1", state, start_sent_at_ms=NOW, lease_until_ms=NOW + 1)
    assert planned(session, bead=status) == (stop(state, "unwanted"),)


def test_running_session_of_a_deleted_rig_is_stopped() -> None:
    session = make_session("s1", RUNNING, lease_until_ms=NOW + 1)
    assert planned(session, rigs=()) == (stop(RUNNING, "unwanted"),)


def test_healthy_session_is_left_alone() -> None:
    assert planned(silent(-LIMITS.lease_ms)) == ()


@pytest.mark.parametrize(
    ("left_ms", "expected"),
    [
        pytest.param(1, (), id="row_23_within"),
        pytest.param(0, (end(ENDING, "no_result", counts_attempt=True),), id="over"),
    ],
)
def test_grace_of_a_late_done(left_ms: int, expected: tuple[Action, ...]) -> None:
    completed = make_session("s1", ENDING, done_grace_until_ms=NOW + left_ms)
    assert planned(completed) == expected


def test_grace_over_with_an_unproven_body_waits_for_the_stop() -> None:
    """An agent's own "completed" proves nothing: its stop was sent with the grace."""
    completed = make_session("s1", ENDING, done_grace_until_ms=NOW - 1, stop_sent_at_ms=NOW - 1)
    assert planned(completed) == ()
    later = NOW + LIMITS.silence_after_stop_ms
    ended = end(ENDING, "no_result", counts_attempt=True)
    assert planned(completed, now_ms=later) == (ended,)


def test_session_whose_merge_is_being_proven_is_not_ended() -> None:
    """The proof decides the review first; without this the tick would drop the end for ever."""
    proving = make_effect(EffectKind.PROVE_MERGE, "s1")
    completed = make_session("s1", ENDING, done_grace_until_ms=NOW)
    assert planned(completed, effects=(proving,)) == ()
    done = make_session("s1", ENDING, verdict=Verdict.MERGED)
    assert planned(done, effects=(proving,)) == (stop(ENDING, "over"),)


def test_ending_session_is_stopped_once() -> None:
    done = make_session("s1", ENDING, verdict=Verdict.SUBMITTED)
    assert planned(done, bead=BeadStatus.IN_REVIEW) == (stop(ENDING, "over"),)
    stopped = make_session("s1", ENDING, verdict=Verdict.SUBMITTED, stop_sent_at_ms=NOW)
    assert planned(stopped, bead=BeadStatus.IN_REVIEW) == ()


def test_ending_session_whose_stop_nobody_confirms_ends_without_an_attempt() -> None:
    sent_at = NOW - LIMITS.silence_after_stop_ms
    silent_end = make_session("s1", ENDING, verdict=Verdict.MERGED, stop_sent_at_ms=sent_at)
    assert planned(silent_end) == (end(ENDING, "lost", counts_attempt=False),)
    assert planned(silent_end, now_ms=NOW - 1) == ()


def attached(state: SessionState, lease_until_ms: int | None = None) -> Session:
    return make_session("s1", state, harness="external", lease_until_ms=lease_until_ms)


def test_attached_agent_is_never_started() -> None:
    assert planned(attached(CLAIMED), bead=BeadStatus.OPEN) == ()


@pytest.mark.parametrize(
    ("left_ms", "expected"),
    [
        pytest.param(1, (), id="just_before"),
        pytest.param(0, (end(RUNNING, "lost", counts_attempt=True),), id="at"),
    ],
)
def test_attached_agent_ends_by_silence_alone(left_ms: int, expected: tuple[Action, ...]) -> None:
    lease_until = NOW + left_ms - LIMITS.silence_after_stop_ms
    assert planned(attached(RUNNING, lease_until)) == expected


def test_attached_agent_whose_bead_is_closed_is_let_go() -> None:
    released = end(RUNNING, "unwanted", counts_attempt=False)
    assert planned(attached(RUNNING, NOW + 1), bead=BeadStatus.CLOSED) == (released,)


def test_due_times_are_where_the_rules_begin_to_hold() -> None:
    stopped = silent(0, stop_sent_at_ms=NOW, probed_at_ms=NOW)
    assert plan_sessions.due_times(stopped, limits=LIMITS) == (
        NOW + LIMITS.silence_after_stop_ms,
        NOW,
        NOW + LIMITS.probe_timeout_ms,
        NOW + LIMITS.alarm_active_ms,
    )
