"""A refusal changes nothing and says the whole of what it has to say: every registered code, met
by a real request."""

from __future__ import annotations

import pytest

from boomtown.error_codes import ErrorCode
from support.refusal_cases import (
    CASES,
    COMMANDS_ONLY,
    OTHER_SERVERS,
    RECORDED,
    TABLES_OF_A_DECISION,
    Case,
)
from support.refusal_checks import check_envelope, check_route_names
from support.refusal_scene import Scene

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("case", "code"), CASES.items(), ids=[f"{code}-{case.__name__}" for case, code in CASES.items()]
)
def test_a_refusal_is_whole_and_changes_nothing(scene: Scene, case: Case, code: ErrorCode) -> None:
    sent = case(scene)
    before = scene.server.footprint()
    reply = scene.server.send(sent)
    after = scene.server.footprint()
    check_envelope(reply, code)
    check_route_names(sent, code)
    but_tables = TABLES_OF_A_DECISION if case in RECORDED else ()
    assert before.changes_to(after, but_tables=but_tables) == []
    assert bool(before.changes_to(after)) == (case in RECORDED)


def test_every_registered_code_is_met() -> None:
    elsewhere = OTHER_SERVERS | COMMANDS_ONLY
    assert set(CASES.values()) | elsewhere == set(ErrorCode)
    assert not set(CASES.values()) & elsewhere


def test_what_is_compared_holds_what_the_request_could_change(scene: Scene) -> None:
    """A request that is not refused is seen in rows and in the feed."""
    before = scene.server.footprint()
    scene.bead()
    after = scene.server.footprint()
    changes = before.changes_to(after)
    assert {line.split()[1] for line in changes} >= {"beads:", "feed_log:"}
