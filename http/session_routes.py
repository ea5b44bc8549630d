"""Sessions: what there are, and what a person does with them by hand."""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    KillSession,
    RestoreSession,
    RollBackSession,
    SendToSession,
    SpawnSession,
    SpawnWish,
)
from boomtown.actors.town.questions import GetSession, ListSessions, PreflightSpawn
from boomtown.http.bodies import CleanUpBody, KillBody, ReasonBody, SendBody, SpawnBody
from boomtown.http.calls import Call
from boomtown.http.query_parameters import page_size
from boomtown.ids import AgentId, BeadId, RigId, SessionId


async def list_sessions(call: Call) -> object:
    """Oldest first; `bead_id` narrows to one bead's."""
    query = call.request.query
    bead_id = query.get("bead_id")
    return await call.query(
        ListSessions(
            bead_id=None if bead_id is None else BeadId(bead_id),
            limit=page_size(query),
        )
    )


async def get_session(call: Call) -> object:
    return await call.query(GetSession(session_id=_session_id(call)))


async def spawn_session(call: Call) -> object:
    return await call.execute(SpawnSession(wish=_wish(await call.body(SpawnBody))))


async def preflight_session(call: Call) -> object:
    return await call.query(PreflightSpawn(wish=_wish(await call.body(SpawnBody))))


async def kill_session(call: Call) -> object:
    body = await call.body(KillBody)
    return await call.execute(KillSession(session_id=_session_id(call), **asdict(body)))


async def restore_session(call: Call) -> object:
    return await call.execute(RestoreSession(session_id=_session_id(call)))


async def roll_back_session(call: Call) -> object:
    body = await call.body(ReasonBody)
    return await call.execute(RollBackSession(session_id=_session_id(call), reason=body.reason))


async def send_to_session(call: Call) -> object:
    body = await call.body(SendBody)
    return await call.execute(SendToSession(session_id=_session_id(call), message=body.message))


async def clean_up_sessions(call: Call) -> object:
    body = await call.body(CleanUpBody)
    rig_id = None if body.rig_id is None else RigId(body.rig_id)
    return await call.execute(CleanUpSessions(rig_id=rig_id))


def _session_id(call: Call) -> SessionId:
    return SessionId(call.path["session"])


def _wish(body: SpawnBody) -> SpawnWish:
    return SpawnWish(
        rig_id=None if body.rig_id is None else RigId(body.rig_id),
        agent_id=None if body.agent_id is None else AgentId(body.agent_id),
        role=body.role,
        harness=body.harness,
        branch=body.branch,
        prompt=body.prompt,
        bead_id=None if body.bead_id is None else BeadId(body.bead_id),
        boss=body.boss,
    )
