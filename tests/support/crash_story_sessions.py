"""Sessions by hand, for the crash sweep: every command of commands_of_sessions.py."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town import commands as c
from boomtown.actors.town.commands_of_sessions import SpawnWish
from boomtown.actors.town.model import Session, SessionState
from boomtown.ids import SessionId
from support.crash_points import Walk
from support.town_world import RIG_ID

KEPT = "/kept/one"


async def deal_with_sessions(walk: Walk) -> None:
    """A seed is taken back; one that runs is killed, restored, rolled back and cleaned up."""
    seed: Any = await walk.command(_spawn("Never begun"))
    await walk.command(c.RollBackSession(session_id=SessionId(seed.id)))
    made: Any = await walk.command(_spawn("Write it"))
    session = await _accepted(walk, SessionId(made.id))
    await walk.command(c.SendToSession(session_id=session.session_id, message="Go on"))
    beat = c.Heartbeat(
        rig_id=RIG_ID,
        agent_id=session.agent_id,
        instance_id=session.instance_id,
        worktree="/w/one",
    )
    await walk.command(beat, _container_of(session))
    walk.world.containers.kept_worktrees[session.session_id] = KEPT
    await walk.command(c.KillSession(session_id=session.session_id, reason="enough"))
    await _over(walk, session.session_id)
    again: Any = await walk.command(c.RestoreSession(session_id=session.session_id))
    await _accepted(walk, SessionId(again.id))
    await walk.command(c.RollBackSession(session_id=SessionId(again.id)))
    await _over(walk, SessionId(again.id))
    cleaned: Any = await walk.command(c.CleanUpSessions())
    assert cleaned.facts["left"] == []


def _spawn(prompt: str) -> c.SpawnSession:
    return c.SpawnSession(wish=SpawnWish(rig_id=RIG_ID, prompt=prompt))


def _container_of(session: Session) -> c.Caller:
    return c.Caller(
        kind=c.CallerKind.CONTAINER,
        user_id="local",
        agent_id=session.agent_id,
        session_id=session.session_id,
        instance_id=session.instance_id,
    )


async def _accepted(walk: Walk, session_id: SessionId) -> Session:
    for _ in range(8):
        session = await walk.world.session(session_id)
        if session.state == SessionState.STARTING and session.instance_id is not None:
            return session
        await walk.tick()
    raise AssertionError("the session was not accepted")


async def _over(walk: Walk, session_id: SessionId) -> None:
    for _ in range(8):
        if (await walk.world.session(session_id)).state == SessionState.ENDED:
            return
        await walk.tick()
    raise AssertionError("the session lives on")
