"""alarm_time: the earliest instant at which a rule may begin to hold."""

from __future__ import annotations

import pytest

from boomtown.actors.town.alarm_time import next_alarm_at
from boomtown.actors.town.model import (
    BeadKind,
    BeadStatus,
    EffectKind,
    EffectState,
    Session,
    SessionState,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole
from boomtown.limits import TownLimits
from support.town_snapshots import (
    NOW,
    blocks,
    make_agent,
    make_bead,
    make_convoy,
    make_effect,
    make_session,
    make_snapshot,
    make_town,
    tracks,
)

LIMITS = TownLimits()
IDLE = NOW + LIMITS.alarm_idle_ms
ACTIVE = NOW + LIMITS.alarm_active_ms
SOON = NOW + LIMITS.alarm_inbox_ms


def alarm(snapshot: Snapshot) -> int:
    return next_alarm_at(snapshot, NOW, LIMITS)


def with_session(session: Session, role: AgentRole = AgentRole.POLECAT) -> Snapshot:
    waiting_since = NOW if role == AgentRole.MAYOR else None
    status = BeadStatus.OPEN if session.state == SessionState.CLAIMED else BeadStatus.IN_PROGRESS
    return make_snapshot(
        beads=[make_bead("b1", status)],
        agents=[make_agent("a1", role, waiting_since_ms=waiting_since)],
        sessions=[session],
    )


def healthy(lease_left_ms: int = LIMITS.lease_ms) -> Session:
    return make_session("s1", lease_until_ms=NOW + lease_left_ms)


def test_town_without_work_idles() -> None:
    assert alarm(make_snapshot()) == IDLE


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(make_snapshot(beads=[make_bead("b1", labels=("gt:held",))]), id="held"),
        pytest.param(
            make_snapshot(
                beads=[make_bead("b1"), make_bead("c1", kind=BeadKind.RECORD)],
                convoys=[make_convoy("c1", is_staged=True, total=1)],
                edges=[tracks("b1", "c1")],
            ),
            id="staged",
        ),
        pytest.param(
            make_snapshot(
                beads=[
                    make_bead("b0", labels=("gt:held",)),
                    make_bead("b1", not_before_ms=NOW + 9),
                ],
                edges=[blocks("b1", "b0")],
            ),
            id="blocked",
        ),
        pytest.param(
            make_snapshot(town=make_town(is_paused=True), beads=[make_bead("b1")]), id="paused"
        ),
        pytest.param(
            make_snapshot(
                town=make_town(is_paused=True), beads=[make_bead("b1", not_before_ms=NOW)]
            ),
            id="paused_past_its_backoff",
        ),
    ],
)
def test_row_91_what_waits_for_others_is_no_reason_to_wake(snapshot: Snapshot) -> None:
    assert alarm(snapshot) == IDLE


def test_work_that_can_be_done_now_is_done_soon() -> None:
    assert alarm(make_snapshot(beads=[make_bead("b1")])) == SOON


def test_undrained_inbox_is_looked_at_soon() -> None:
    assert alarm(make_snapshot(inbox_depth=1, inbox_oldest_at_ms=NOW)) == SOON


def test_live_session_is_watched() -> None:
    assert alarm(with_session(healthy())) == ACTIVE


def test_lease_that_ends_sooner_wakes_sooner() -> None:
    assert alarm(with_session(healthy(lease_left_ms=7))) == NOW + 7


def test_grace_of_a_late_done_wakes_at_its_end() -> None:
    completed = make_session("s1", SessionState.ENDING, done_grace_until_ms=NOW + 70)
    assert alarm(with_session(completed)) == NOW + 70


def test_waiting_mayor_is_not_watched() -> None:
    assert alarm(with_session(healthy(3_600_000), AgentRole.MAYOR)) == IDLE


def test_working_mayor_is_watched() -> None:
    snapshot = make_snapshot(
        beads=[make_bead("b1", BeadStatus.IN_PROGRESS)],
        agents=[make_agent("a1", AgentRole.MAYOR)],
        sessions=[healthy(3_600_000)],
    )
    assert alarm(snapshot) == ACTIVE


@pytest.mark.parametrize(
    ("state", "expected"), [(SessionState.CLAIMED, IDLE), (SessionState.RUNNING, ACTIVE)]
)
def test_attached_agent_is_watched_once_it_has_begun(state: SessionState, expected: int) -> None:
    lease_until = None if state == SessionState.CLAIMED else NOW + LIMITS.lease_ms
    attached = make_session("s1", state, harness="external", lease_until_ms=lease_until)
    assert alarm(with_session(attached)) == expected


def test_backoff_wakes_at_its_end() -> None:
    assert alarm(make_snapshot(beads=[make_bead("b1", not_before_ms=NOW + 30_000)])) == NOW + 30_000


def test_cooldown_of_a_landing_wakes_at_its_end() -> None:
    convoy = make_convoy(
        "c1",
        is_ready_to_land=True,
        total=1,
        closed=1,
        landing_attempts=1,
        last_landing_at_ms=NOW,
    )
    snapshot = make_snapshot(
        beads=[make_bead("c1", kind=BeadKind.RECORD), make_bead("b1", BeadStatus.CLOSED)],
        convoys=[convoy],
        edges=[tracks("b1", "c1")],
    )
    assert alarm(snapshot) == NOW + 60_000


@pytest.mark.parametrize(
    ("due_in_ms", "state", "expected"),
    [
        pytest.param(2_000, EffectState.PENDING, NOW + 2_000, id="backs_off"),
        pytest.param(-1, EffectState.PENDING, ACTIVE, id="waits_for_a_worker"),
        pytest.param(0, EffectState.PENDING, ACTIVE, id="is_due_now"),
        pytest.param(-1, EffectState.RUNNING, IDLE, id="is_being_done"),
    ],
)
def test_effect_wakes_when_it_is_due(due_in_ms: int, state: EffectState, expected: int) -> None:
    effect = make_effect(EffectKind.STOP, "s0", state=state, due_at_ms=NOW + due_in_ms)
    assert alarm(make_snapshot(effects=[effect])) == expected
