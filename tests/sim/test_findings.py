"""What the checkers of bodies and of words say of a session: what is its own, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.sim.checkers.bodies import BodyLife
from boomtown.sim.checkers.evidence import Evidence
from boomtown.sim.checkers.findings import body_is_its_own, verdict_was_said
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
