"""What the checkers of bodies and of words say of a session: what is its own, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.sim.checkers.bodies import BodyLife
from boomtown.sim.checkers.evidence import Evidence
from boomtown.sim.checkers.findings import (
    body_is_its_own,
    feed_is_kept,
    nothing_raised,
    verdict_was_said,
)
from boomtown.sim.checkers.town_rows import TownRows

MINE, OTHERS = "s1", "s2"


def body(session_id: str, *, pid: int) -> BodyLife:
    return BodyLife(
        session_id=session_id,
        agent_id="a",
        bead_id="b",
        pid=pid,
        started_at_ms=1,
        ended_at_ms=2,
    )


def evidence_of(*bodies: BodyLife, spoke: tuple[str, ...] = (), **columns: object) -> Evidence:
    """One session of the town's own, with these columns."""
    row: dict[str, Any] = {"session_id": MINE, "harness": "shell", "pid": None, "verdict": None}
    tables = {"sessions": [row | columns]}
    return Evidence(
        rows=TownRows(object_id="t", tables=tables, alarm_at_ms=None, indexed_at_ms=None),
        acknowledged=(),
        bodies=bodies,
        asked=(),
        spoke=spoke,
        told={},
        told_up_to=0,
        told_twice=None,
        repositories=SimRepositories(),
        origin_url="",
        now_ms=3,
        is_final=False,
    )


@pytest.mark.parametrize(
    ("evidence", "is_wrong"),
    [
        pytest.param(evidence_of(body(OTHERS, pid=7)), False, id="it has none yet"),
        pytest.param(evidence_of(body(MINE, pid=7), pid=7), False, id="its own"),
        pytest.param(evidence_of(body(OTHERS, pid=7), pid=7), True, id="another's"),
        pytest.param(evidence_of(body(MINE, pid=6), pid=7), True, id="not the one it had"),
        pytest.param(evidence_of(pid=7), True, id="nobody's"),
    ],
)
def test_a_process_of_a_session_was_born_for_it(evidence: Evidence, *, is_wrong: bool) -> None:
    assert (body_is_its_own(evidence) is not None) is is_wrong


@pytest.mark.parametrize(
    ("evidence", "is_wrong"),
    [
        pytest.param(evidence_of(), False, id="there is none"),
        pytest.param(evidence_of(spoke=(MINE,), verdict="merged"), False, id="it said so"),
        pytest.param(evidence_of(spoke=(OTHERS,), verdict="merged"), True, id="another did"),
        pytest.param(
            evidence_of(verdict="merged", harness="external"), False, id="a person speaks for it"
        ),
    ],
)
def test_a_verdict_of_a_session_was_said_by_it(evidence: Evidence, *, is_wrong: bool) -> None:
    assert (verdict_was_said(evidence) is not None) is is_wrong


def told(*changes: tuple[int, str], up_to: int = 2, twice: int | None = None) -> Evidence:
    """A feed with three changes, the last of them a rollback's, and a reader who heard some."""
    topics = ((1, "bead.created", "b"), (2, "agent.created", "a"), (9, "session.rolled_back", "s"))
    log = [{"seq": seq, "topic": topic, "entity_id": entity} for seq, topic, entity in topics]
    rows = TownRows(object_id="t", tables={"feed_log": log}, alarm_at_ms=None, indexed_at_ms=None)
    return msgspec.structs.replace(
        evidence_of(), rows=rows, told=dict(changes), told_up_to=up_to, told_twice=twice
    )


BOTH = ((1, "bead.created b"), (2, "agent.created a"))


@pytest.mark.parametrize(
    ("evidence", "is_wrong"),
    [
        pytest.param(told(*BOTH), False, id="all of it"),
        pytest.param(told(BOTH[0], up_to=1), False, id="the beginning of it"),
        pytest.param(told(*BOTH, (5, "session.created s")), False, id="a seed that was taken back"),
        pytest.param(told(*BOTH, (5, "session.created x")), True, id="what is gone"),
        pytest.param(told(BOTH[0], (2, "agent.created z")), True, id="something else"),
        pytest.param(told(BOTH[1]), True, id="one left out"),
        pytest.param(told(*BOTH, twice=2), True, id="one twice"),
    ],
)
def test_a_reader_of_the_feed_hears_each_change_once(evidence: Evidence, *, is_wrong: bool) -> None:
    assert (feed_is_kept(evidence) is not None) is is_wrong


@pytest.mark.parametrize(
    ("counters", "is_wrong"),
    [
        pytest.param({}, False, id="nothing was counted"),
        pytest.param({"ticks": 9, "actions.dropped": 2}, False, id="what is not a fault"),
        pytest.param({"ticks": 9, "phases.failed": 1}, True, id="a phase that raised"),
        pytest.param({"actions.failed": 2}, True, id="an action that raised"),
    ],
)
def test_a_tick_that_passed_over_a_fault_is_found(
    counters: dict[str, int], *, is_wrong: bool
) -> None:
    table = [{"name": name, "value": value} for name, value in counters.items()]
    tables = {"counters": table}
    rows = TownRows(object_id="t", tables=tables, alarm_at_ms=None, indexed_at_ms=None)
    evidence = msgspec.structs.replace(evidence_of(), rows=rows)
    assert (nothing_raised(evidence) is not None) is is_wrong
