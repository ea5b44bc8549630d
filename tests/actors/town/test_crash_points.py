"""The town survives a crash between any two of its SQL writes, and after any commit (decisions 66).

A traced walk through a story enumerates the points: each writing statement of each command, tick
and effect's worker. A second walk dies at each of them once. A turn that dies leaves nothing; what
was answered is there after the restart, and asking again under the same idempotency key gives the
same answer and does nothing twice; and the story still comes to its end. Every command is in this
story or in that of the observer of the forges (test_crash_points_of_the_patrol.py).
"""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.execution import HANDLERS
from support.crash_points import COMMAND, EFFECT, TICK, CrashWorld, SweptWalk, TracedWalk
from support.crash_story import tell
from support.crash_story_patrol import traced_patrol

POINTS_MIN = 200  # decisions 66


async def traced(data_dir: Path) -> TracedWalk:
    async with CrashWorld(data_dir) as world:
        walk = TracedWalk(world)
        await tell(walk)
        verbs = {call.verb for call in world.containers.calls}
        assert verbs >= {"start", "stop", "prove_merge"}
        return walk


async def test_stories_hold_every_command_and_many_points(tmp_path: Path) -> None:
    walk = await traced(tmp_path / "town")
    patrol = await traced_patrol(tmp_path / "patrol")
    assert walk.commands | patrol.commands == set(HANDLERS)
    for label in (COMMAND, TICK, EFFECT):
        assert sum(n for (_, of), n in walk.points.items() if of == label) > 0, label
    assert sum(walk.points.values()) > POINTS_MIN


async def test_town_survives_a_crash_at_every_statement(tmp_path: Path) -> None:
    walk = await traced(tmp_path / "traced")
    async with CrashWorld(tmp_path / "swept") as world:
        swept = SweptWalk(world, walk.points)
        await tell(swept)
        assert world.containers.peak_live_count == 1
    enumerated = {
        (step, label, ordinal)
        for (step, label), count in walk.points.items()
        for ordinal in range(1, count + 1)
    }
    assert len(enumerated) > POINTS_MIN
    assert swept.fired == enumerated
