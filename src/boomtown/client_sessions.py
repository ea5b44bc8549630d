"""A client's calls about sessions by hand, beside client.py, whose connection it uses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from boomtown.client import BoomtownClient


class SessionsClient:
    """The sessions of one town. Every method raises ServerUnreachable or ServerRefused."""

    def __init__(self, client: BoomtownClient, town_id: str) -> None:
        self._client = client
        self._base = f"/api/towns/{quote(town_id, safe='')}/sessions"

    async def spawn(self, *, idempotency_key: str | None = None, **wish: Any) -> dict[str, Any]:
        """`wish`: rig_id, agent_id or role, harness, branch, prompt, bead_id, boss; None is left
        out. Refused with the first finding of the preflight."""
        return _an_object(
            await self._client.request(
                "POST", self._base, _given(wish), idempotency_key=idempotency_key
            )
        )

    async def preflight(self, **wish: Any) -> list[dict[str, Any]]:
        """Everything against that spawn: code, message, details. Creates nothing."""
        path = f"{self._base}/preflight"
        answer = _an_object(await self._client.request("POST", path, _given(wish)))
        return msgspec.convert(answer["findings"], list[dict[str, Any]])

    async def get(self, session_id: str) -> dict[str, Any]:
        return _an_object(await self._client.request("GET", self._one(session_id)))

    async def kill(
        self, session_id: str, *, force: bool = False, reason: str | None = None
    ) -> dict[str, Any]:
        """Its state afterwards: `ending` until its body is proven over."""
        return await self._post(session_id, "kill", force=force, reason=reason)

    async def restore(self, session_id: str) -> dict[str, Any]:
        """The new session."""
        return await self._post(session_id, "restore")

    async def rollback(self, session_id: str, *, reason: str | None = None) -> dict[str, Any]:
        """{ok, sessionId, deleted, killed}; benign for one that is over or never was."""
        return await self._post(session_id, "rollback", reason=reason)

    async def send(self, session_id: str, message: str) -> dict[str, Any]:
        """The mail."""
        return await self._post(session_id, "send", message=message)

    async def claim_pr(
        self, session_id: str, pull_request: str, *, takeover: bool
    ) -> dict[str, Any]:
        return await self._post(session_id, "claim-pr", pr=pull_request, takeover=takeover)

    async def clean_up(self, rig_id: str | None = None) -> dict[str, Any]:
        """{cleaned, left}: ids of sessions."""
        path = f"{self._base}/cleanup"
        return _an_object(await self._client.request("POST", path, _given({"rig_id": rig_id})))

    async def _post(self, session_id: str, verb: str, **body: Any) -> dict[str, Any]:
        path = f"{self._one(session_id)}/{verb}"
        return _an_object(await self._client.request("POST", path, _given(body)))

    def _one(self, session_id: str) -> str:
        return f"{self._base}/{quote(session_id, safe='')}"


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _an_object(data: Any) -> dict[str, Any]:
    return msgspec.convert(data, dict[str, Any])
