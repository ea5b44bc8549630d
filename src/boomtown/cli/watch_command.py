"""`boomtown watch`: the repositories that an agent watches."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from boomtown.cli.terminal import Terminal
from boomtown.cli.town_choice import Place, choose_agent, open_town, town_options
from boomtown.error_codes import ErrorCode


@click.group()
def watch() -> None:
    """Have agents watch repositories."""


@watch.command(name="add")
@click.argument("named", metavar="AGENT")
@click.argument("repo", metavar="OWNER/REPO")
@town_options
def add_watch(*, named: str, repo: str, **where: Any) -> None:
    """Subscribe; the same again changes nothing."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_add(place, terminal, named, repo))


@watch.command(name="ls")
@click.argument("named", metavar="[AGENT]", required=False)
@town_options
def list_watches(*, named: str | None, **where: Any) -> None:
    """What one agent watches, or all do."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_list(place, terminal, named))


@watch.command(name="rm")
@click.argument("named", metavar="AGENT")
@click.argument("repo", metavar="OWNER/REPO")
@town_options
def remove_watch(*, named: str, repo: str, **where: Any) -> None:
    """Let go of a repository."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_remove(place, terminal, named, repo))


async def _add(place: Place, terminal: Terminal, named: str, repo: str) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        agent = await choose_agent(staff, named, terminal)
        added = await staff.add_watch(agent["id"], repo)
        terminal.fact(f"{agent['name']} watches {_repo(added)}", event="watch", **added)


async def _list(place: Place, terminal: Terminal, named: str | None) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        agent_id = None
        if named is not None:
            agent_id = (await choose_agent(staff, named, terminal))["id"]
        watches = await staff.list_watches(agent_id)
        for one in watches if place.as_json else ():
            terminal.fact("", event="watch", **one)
        rows = [(one["agent_name"], _repo(one), one["forge"], one["id"]) for one in watches]
        terminal.table(("agent", "repository", "forge", "id"), rows)


async def _remove(place: Place, terminal: Terminal, named: str, repo: str) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        agent = await choose_agent(staff, named, terminal)
        for one in await staff.list_watches(agent["id"]):
            if repo == one["id"] or repo.casefold() == _repo(one).casefold():
                await staff.delete_watch(agent["id"], one["id"])
                terminal.fact(
                    f"{agent['name']} no longer watches {_repo(one)}", event="unwatched", **one
                )
                return
        terminal.fail(f"{agent['name']} does not watch {repo}", code=ErrorCode.WATCH_NOT_FOUND)


def _repo(one: dict[str, Any]) -> str:
    return f"{one['owner']}/{one['repo']}"
