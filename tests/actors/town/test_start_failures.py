"""A session that its container could not give a body to: one sign per rig, in words."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.commands import CallerKind, ReportCompleted
from boomtown.actors.town.model import Session
from support.town_steps import run_session_of, sling
from support.town_world import TownWorld, speaker

MESSAGE = "Origin has no branch 'main'; it needs a first commit there"
MINUTE_MS = 60_000


async def fail_start(world: TownWorld, session: Session) -> None:
    """What the control server says when it could not make the worktree."""
    world.containers.end_session(session.session_id, exit_code=1, reason="INVALID_BRANCH")
    command = ReportCompleted(
        rig_id=session.rig_id,
        agent_id=session.agent_id,
        status="failed",
        reason="INVALID_BRANCH",
        message=MESSAGE,
    )
    await world.execute(command, speaker(session, kind=CallerKind.CONTAINER))


async def test_origin_without_its_default_branch_is_one_escalation_in_words(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        for _ in range(2):
            await fail_start(world, await run_session_of(world, bead_id))
            await world.advance_ms(2 * MINUTE_MS)
        found = await world.rows("SELECT title, body FROM beads WHERE type = 'escalation'")
        assert [tuple(row) for row in found] == [("Agents cannot start: INVALID_BRANCH", MESSAGE)]
