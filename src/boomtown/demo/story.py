"""Follows a convoy from outside, as any client could: the audit, the sessions, the convoy.

Every change of a bead's status is told once, in the order in which it happened, with the agent
and the process that brought it. A change that a session began is held back until its process is
known, and what came after it waits behind it, so that the order stays.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from boomtown.client import BoomtownClient, ServerRefused, ServerUnreachable

HELD_BACK_LOOKS_MAX = 50  # looks at a session without a process before its change is told anyway
OPENED = ("open", "created")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one bead's status."""

    at: str
    bead_id: str
    title: str
    type: str
    before: str
    after: str
    agent: str | None
    pid: int | None
    session_id: str | None


class Story:
    """What a reader of the audit has seen so far."""

    def __init__(
        self, client: BoomtownClient, *, town_id: str, rig_id: str, convoy_id: str
    ) -> None:
        self._client = client
        self._town = f"/api/towns/{town_id}"
        self._rig = f"{self._town}/rigs/{rig_id}"
        self._audit = f"/api/users/local/towns/{town_id}/events"
        self._convoy = f"/api/mayor/{town_id}/tools/convoys/{convoy_id}"
        self._after = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._looks = 0
        self._beads: dict[str, dict[str, Any]] = {}
        self._agents: dict[str, str] = {}
        self.convoy: dict[str, Any] = {}
        self.sessions_seen: dict[str, dict[str, Any]] = {}

    async def look(self) -> list[Change]:
        """The changes since the last look. A server that cannot be reached, or is not ready yet,
        has no more; the next look goes on behind what was told."""
        told: list[Change] = []
        try:
            await self._read_audit()
            self.convoy = await self._client.request("GET", self._convoy)
            await self._tell(told)
        except ServerUnreachable:
            return told
        except ServerRefused as error:
            if error.status < 500:
                raise
        return told

    @property
    def has_ended(self) -> bool:
        return bool(self.convoy) and self.convoy["status"] != "active" and not self._waiting

    async def _read_audit(self) -> None:
        page: list[dict[str, Any]] = await self._client.request(
            "GET", f"{self._audit}?after={self._after}&limit=500"
        )
        for event in page:
            self._after = event["seq"]
            if event["event_type"] == "status_changed":
                self._waiting.append(event)

    async def _tell(self, told: list[Change]) -> None:
        while self._waiting:
            event = self._waiting[0]
            session = await self._session(event["session_id"])
            is_known = session is None or session["pid"] is not None or session["ended_at"]
            if not is_known and self._looks < HELD_BACK_LOOKS_MAX:
                self._looks += 1
                break
            told.append(await self._change(event, session))
            self._looks = 0
            self._waiting.popleft()

    async def _change(self, event: dict[str, Any], session: dict[str, Any] | None) -> Change:
        bead = await self._bead(event["bead_id"])
        agent_id = session["agent_id"] if session else None
        return Change(
            at=event["created_at"],
            bead_id=event["bead_id"],
            title=bead["title"],
            type=bead["type"],
            before=event["old_value"] or "",
            after=event["new_value"],
            agent=await self._agent_name(agent_id) if agent_id else None,
            pid=session["pid"] if session else None,
            session_id=event["session_id"],
        )

    async def _session(self, session_id: str | None) -> dict[str, Any] | None:
        if session_id is None:
            return None
        session = await self._client.request("GET", f"{self._town}/sessions/{session_id}")
        self.sessions_seen[session_id] = session
        return dict(session)

    async def _bead(self, bead_id: str) -> dict[str, Any]:
        if bead_id not in self._beads:
            if self.convoy and bead_id == self.convoy["id"]:
                self._beads[bead_id] = {"title": self.convoy["title"], "type": "convoy"}
            else:
                found = await self._client.request("GET", f"{self._rig}/beads/{bead_id}")
                self._beads[bead_id] = found
        return self._beads[bead_id]

    async def _agent_name(self, agent_id: str) -> str:
        if agent_id not in self._agents:
            found = await self._client.request("GET", f"{self._rig}/agents/{agent_id}")
            self._agents[agent_id] = found["name"]
        return self._agents[agent_id]
