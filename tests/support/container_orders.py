"""Orders to start a session, with every field but the interesting ones filled in."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.model import AgentRole, Repository, SessionKind, StartSession
from boomtown.ids import AgentId, BeadId, RigId, SessionId, TownId

TOWN = TownId("01890000-0000-7000-8000-00000000000a")
RIG = RigId("01890000-0000-7000-8000-00000000000b")
AGENT = AgentId("01890000-0000-7000-8000-00000000000c")
BEAD = BeadId("01890000-0000-7000-8000-00000000000d")


def work_order(
    *, session_id: str, git_url: str = "https://127.0.0.1/none.git", body: str = ""
) -> StartSession:
    """A polecat's session on a branch of its own."""
    return StartSession(
        session_id=SessionId(session_id),
        generation=1,
        town_id=TOWN,
        agent_id=AGENT,
        agent_name="Ash",
        role=AgentRole.POLECAT,
        kind=SessionKind.WORK,
        bead_id=BEAD,
        title="Add a file",
        body=body,
        feedback="",
        prompt="Do the work.",
        harness="scripted",
        repository=Repository(rig_id=RIG, git_url=git_url, default_branch="main"),
        branch="gt/ash/work",
        target_branch="main",
        merge_only=False,
        review_number=0,
        gates=(),
        heartbeat_ms=200,
        run_ms_max=60_000,
        stop_grace_ms=500,
        session_token="session-token",
        env={},
    )


def review_order(*, session_id: str, git_url: str, body: str = "") -> StartSession:
    """The refinery's session that judges and merges the branch of `work_order`."""
    return msgspec.structs.replace(
        work_order(session_id=session_id, git_url=git_url, body=body),
        agent_id=AgentId("01890000-0000-7000-8000-00000000000e"),
        agent_name="Refinery",
        role=AgentRole.REFINERY,
        kind=SessionKind.REVIEW,
        bead_id=BeadId("01890000-0000-7000-8000-00000000000f"),
        review_number=1,
    )
