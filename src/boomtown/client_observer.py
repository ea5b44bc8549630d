"""A client's calls about the observer of the forges, beside client.py, whose connection it uses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from boomtown.client import BoomtownClient, Query


class ObserverClient:
    """The observer of one town. Every method raises ServerUnreachable or ServerRefused."""

    def __init__(self, client: BoomtownClient, town_id: str) -> None:
        self._client = client
        self._town = f"/api/towns/{quote(town_id, safe='')}"

    async def list_observers(self) -> list[dict[str, Any]]:
        return _a_list(await self._client.request("GET", f"{self._town}/observers"))

    async def recheck(self) -> dict[str, Any]:
        """The observer as it was when the check was asked for."""
        return _an_object(
            await self._client.request("POST", f"{self._town}/observers/scm/recheck", {})
        )

    async def poll(self) -> dict[str, Any]:
        return _an_object(
            await self._client.request("POST", f"{self._town}/observers/scm/poll", {})
        )

    async def list_prs(
        self, *, agent_id: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        query: Query = {"agent": agent_id, "state": state}
        return _a_list(await self._client.request("GET", f"{self._town}/prs", query=query))


def _an_object(data: Any) -> dict[str, Any]:
    return msgspec.convert(data, dict[str, Any])


def _a_list(data: Any) -> list[dict[str, Any]]:
    return msgspec.convert(data, list[dict[str, Any]])
