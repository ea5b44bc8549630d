"""The observer of the forges survives a crash between any two of its SQL writes, and behind any
answer of a forge (decisions 66, roster.md 3.6).

As test_crash_points.py, with a story of its own: a review is posted once, what is told an agent is
told once, and the story comes to its end.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import get_args

import pytest

from boomtown.actors.town.patrol_actions import PatrolAction
from support.crash_forge import CrashForgeWorld
from support.crash_points import COMMAND, EFFECT, REQUEST, TICK, SweptWalk
from support.crash_story_patrol import tell_of_patrol, traced_patrol

LABELS = (COMMAND, TICK, EFFECT, REQUEST)


async def test_story_of_the_patrol_has_every_decision_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="boomtown.town"):
        walk = await traced_patrol(tmp_path)
    assert caplog.messages == []
    wanted = {str(action.__struct_config__.tag) for action in get_args(PatrolAction)}
    assert wanted - walk.world.plan.reasons == set()
    for label in LABELS:
        assert sum(n for (_, of), n in walk.points.items() if of == label) > 0, label


async def test_patrol_survives_a_crash_at_every_statement_and_every_answer(
    tmp_path: Path,
) -> None:
    walk = await traced_patrol(tmp_path / "traced")
    async with CrashForgeWorld(tmp_path / "swept") as world:
        swept = SweptWalk(world, walk.points)
        await tell_of_patrol(swept, world)
        assert world.containers.peak_live_count == 1
        assert world.posts == 1
    enumerated = {
        (step, label, ordinal)
        for (step, label), count in walk.points.items()
        for ordinal in range(1, count + 1)
    }
    assert swept.fired == enumerated
