"""What a person may ask about sessions by hand: spawn, kill, restore, roll back, send, clean up."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, BeadId, RigId, SessionId


class SpawnWish(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is wanted. Nothing here has been checked: the preflight names what is wrong
    with it by code, so every field may be missing."""

    rig_id: RigId | None = None
    agent_id: AgentId | None = None  # else a free agent of `role` in the rig, or a new polecat
    role: AgentRole = AgentRole.POLECAT
    harness: str | None = None  # else the rig's
    branch: str | None = None  # else made from the bead and the agent
    prompt: str | None = None  # else made from the bead
    bead_id: BeadId | None = None  # else a bead is made for the prompt
    boss: str | None = None  # a coordinator's id, or its name


class SpawnSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="spawn_session", tag_field="command"
):
    """A claimed session, started by the loop; or the preflight's first finding, and nothing."""

    wish: SpawnWish


class KillSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="kill_session", tag_field="command"
):
    """End it, whatever it does: the bead reopens without an attempt, and what is not pushed is
    put aside. SESSION_INCOMPLETE_HANDLE for one without a body or worktree, unless forced. One
    that is over, or ending, is answered as it is."""

    session_id: SessionId
    force: bool = False
    reason: str | None = None


class RestoreSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="restore_session", tag_field="command"
):
    """A new session of the same agent, bead and branch as an ended one."""

    session_id: SessionId


class RollBackSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="roll_back_session", tag_field="command"
):
    """A seed is deleted with all that names it; one with a body is killed; one that is over, or
    never was, is left as it is."""

    session_id: SessionId
    reason: str | None = None


class SendToSession(
    msgspec.Struct, frozen=True, kw_only=True, tag="send_to_session", tag_field="command"
):
    """Mail for the session's agent."""

    session_id: SessionId
    message: str | None = None


class CleanUpSessions(
    msgspec.Struct, frozen=True, kw_only=True, tag="clean_up_sessions", tag_field="command"
):
    """Discard what killed sessions left uncommitted, of a rig or of all; what a restored session
    is about to go on in is spared."""

    rig_id: RigId | None = None
