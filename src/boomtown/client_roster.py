"""A client's calls about who works in a town.

Beside client.py, whose connection it uses. Agents are named by id here; `find_agent` turns what a
person says into one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from boomtown.client import BoomtownClient, Query

MAYOR_WORDS = ("main", "mayor")


class RosterClient:
    """The roster of one town. Every method raises ServerUnreachable or ServerRefused."""

    def __init__(self, client: BoomtownClient, town_id: str) -> None:
        self._client = client
        self._town = f"/api/towns/{_q(town_id)}"

    async def list_agents(self, *, with_offboarded: bool = False) -> list[dict[str, Any]]:
        query: Query = {"includeOffboarded": "true" if with_offboarded else None}
        return _a_list(await self._client.request("GET", f"{self._town}/agents", query=query))

    async def get_agent(self, agent_id: str) -> dict[str, Any]:
        return _an_object(await self._client.request("GET", self._agent(agent_id)))

    async def list_workers(self, agent_id: str) -> list[dict[str, Any]]:
        return _a_list(await self._client.request("GET", f"{self._agent(agent_id)}/workers"))

    async def get_roster(self, group_by: str) -> list[dict[str, Any]]:
        """The groups, in their order."""
        query: Query = {"groupBy": group_by}
        view = _an_object(await self._client.request("GET", f"{self._town}/roster", query=query))
        return _a_list(view["groups"])

    async def hire(self, *, idempotency_key: str | None = None, **wish: Any) -> dict[str, Any]:
        """`wish`: template or role, name, rig_id, boss, config; None is left out."""
        body = {name: value for name, value in wish.items() if value is not None}
        path = f"{self._town}/agents"
        return _an_object(
            await self._client.request("POST", path, body, idempotency_key=idempotency_key)
        )

    async def offboard(
        self,
        agent_id: str,
        *,
        reassign_to: str | None = None,
        force: bool = False,
        reason: str | None = None,
    ) -> dict[str, Any] | None:
        """None when the agent has left; its view while its body is still to be ended."""
        query: Query = {
            "reassignTo": reassign_to,
            "force": "true" if force else None,
            "reason": reason,
        }
        left = await self._client.request("DELETE", self._agent(agent_id), query=query)
        return None if left is None else _an_object(left)

    async def reassign_workers(self, agent_id: str, to: str) -> dict[str, Any]:
        path = f"{self._agent(agent_id)}/reassign-workers"
        return _an_object(await self._client.request("POST", path, {"to": to}))

    async def list_watches(self, agent_id: str | None = None) -> list[dict[str, Any]]:
        """Of one agent, or of the town."""
        base = self._town if agent_id is None else self._agent(agent_id)
        return _a_list(await self._client.request("GET", f"{base}/watched-repos"))

    async def add_watch(self, agent_id: str, repo: str) -> dict[str, Any]:
        """`repo` is owner/name or an address; the same again answers what is there."""
        path = f"{self._agent(agent_id)}/watched-repos"
        return _an_object(await self._client.request("POST", path, {"repo": repo}))

    async def delete_watch(self, agent_id: str, watch_id: str) -> None:
        path = f"{self._agent(agent_id)}/watched-repos/{_q(watch_id)}"
        await self._client.request("DELETE", path)

    def _agent(self, agent_id: str) -> str:
        return f"{self._town}/agents/{_q(agent_id)}"


def find_agents(agents: list[dict[str, Any]], named: str) -> list[dict[str, Any]]:
    """Those with this id, or else with this name; `main` and `mayor` are the mayor."""
    if named in MAYOR_WORDS:
        return [agent for agent in agents if agent["role"] == "mayor"]
    by_id = [agent for agent in agents if agent["id"] == named]
    return by_id or [agent for agent in agents if agent["name"] == named]


def _an_object(data: Any) -> dict[str, Any]:
    return msgspec.convert(data, dict[str, Any])


def _a_list(data: Any) -> list[dict[str, Any]]:
    return msgspec.convert(data, list[dict[str, Any]])


def _q(text: str) -> str:
    return quote(text, safe="")
