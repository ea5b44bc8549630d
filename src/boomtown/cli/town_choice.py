"""Which town a command is about: the one named, or the only one there is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from boomtown.cli.running_server import find_server, server_options
from boomtown.cli.terminal import Terminal
from boomtown.client import BoomtownClient
from boomtown.client_roster import RosterClient, find_agents
from boomtown.settings import DEFAULT_DATA_DIR

LOCAL_USER = "local"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command was told to look."""

    data_dir: Path
    url: str | None
    key: str | None
    town: str | None
    as_json: bool

    def options(self) -> list[str]:
        """The same place again, as words of a command line; no key."""
        words: list[str] = []
        if self.data_dir != DEFAULT_DATA_DIR and self.url is None:
            words += ["--data-dir", str(self.data_dir)]
        words += [] if self.url is None else ["--url", self.url]
        words += [] if self.town is None else ["--town", self.town]
        return words


def town_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`data_dir`, `url`, `key`, `town` and `as_json`, for a Place."""
    command = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")(
        command
    )
    command = click.option("--town", help="A town's id or name.  [default: the only one]")(command)
    return server_options(command)


@asynccontextmanager
async def open_town(
    place: Place, terminal: Terminal
) -> AsyncGenerator[tuple[RosterClient, BoomtownClient, str]]:
    """The roster, the client and the id of the chosen town; ends the command where there is no
    such town, or more than one."""
    url, key = find_server(place.data_dir, place.url, place.key)
    async with BoomtownClient(url, key=key) as client:
        towns = await client.list_towns(LOCAL_USER)
        chosen = [town for town in towns if place.town in (None, town["id"], town["name"])]
        if not chosen:
            terminal.fail("there is no such town", code="TOWN_NOT_FOUND")
        if len(chosen) > 1:
            names = ", ".join(f"{town['name']} ({town['id']})" for town in chosen)
            terminal.fail(f"say which town, with --town: {names}", code="TOWN_NOT_FOUND")
        town_id = str(chosen[0]["id"])
        yield RosterClient(client, town_id), client, town_id


async def choose_rig(client: BoomtownClient, town_id: str, named: str, terminal: Terminal) -> str:
    """The id of the rig with this id or name; ends the command where there is none."""
    for rig in await client.list_rigs(town_id):
        if named in (rig["id"], rig["name"]):
            return str(rig["id"])
    terminal.fail(f"there is no rig {named!r}", code="RIG_NOT_FOUND")


async def choose_agent(
    roster: RosterClient, named: str, terminal: Terminal, *, with_offboarded: bool = False
) -> dict[str, Any]:
    """The agent with this id or name; ends the command where it is not exactly one."""
    agents = await roster.list_agents(with_offboarded=with_offboarded)
    found = find_agents(agents, named)
    if not found:
        terminal.fail(f"there is no agent {named!r}", code="AGENT_NOT_FOUND")
    if len(found) > 1:
        ids = ", ".join(str(agent["id"]) for agent in found)
        terminal.fail(f"several agents are called {named}; say which: {ids}", code="INVALID_QUERY")
    return found[0]
