"""`boomtown scm`: the observer of the forges, as it is, rechecked, and told to look."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from boomtown.cli.terminal import Terminal
from boomtown.cli.town_choice import Place, open_town, town_options
from boomtown.client_observer import ObserverClient


@click.group()
def scm() -> None:
    """See and steer a town's observer of the forges."""


@scm.command(name="status")
@town_options
def show_status(**where: Any) -> None:
    """The observer, its repositories, and the open pull requests. Fails while it is disabled."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_status(place, terminal))


@scm.command(name="recheck")
@town_options
def recheck(**where: Any) -> None:
    """Check the credentials anew; no restart is needed after a token was added."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_recheck(place, terminal))


@scm.command(name="poll")
@town_options
def poll(**where: Any) -> None:
    """Look at all repositories now. Refused while the observer is disabled."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_poll(place, terminal))


async def _status(place: Place, terminal: Terminal) -> None:
    async with open_town(place, terminal) as (_, client, town_id):
        observers = ObserverClient(client, town_id)
        (observer,) = await observers.list_observers()
        prs = await observers.list_prs(state="open")
    terminal.fact(_say(observer), event="observer", **observer)
    for repo in observer["repos"]:
        error = "" if repo["last_error"] is None else f"   {repo['last_error']}"
        name = f"{repo['owner']}/{repo['repo']}"
        if not terminal.as_json:
            terminal.fact(f"  {name}   {repo['forge']}{error}", event="repo")
    for owner in observer["skipped_owners"]:
        if not terminal.as_json:
            terminal.fact(f"  skipped: {owner['owner']}   {owner['reason']}", event="owner")
    for pr in prs if terminal.as_json else ():
        terminal.fact("", event="pr", **pr)
    terminal.table(
        ("request", "title", "agent", "ci", "review"),
        [
            (
                f"{pr['owner']}/{pr['repo']}#{pr['number']}",
                pr["title"],
                pr["agent_name"] or "-",
                pr["ci_status"] or "-",
                pr["review_decision"] or "-",
            )
            for pr in prs
        ],
    )
    if observer["state"] == "disabled":
        raise click.exceptions.Exit(1)


async def _recheck(place: Place, terminal: Terminal) -> None:
    async with open_town(place, terminal) as (_, client, town_id):
        observer = await ObserverClient(client, town_id).recheck()
    terminal.fact(_say(observer), event="observer", **observer)


async def _poll(place: Place, terminal: Terminal) -> None:
    async with open_town(place, terminal) as (_, client, town_id):
        told = await ObserverClient(client, town_id).poll()
    terminal.fact(f"asked for a look; the observer is {told['state']}", event="poll", **told)


def _say(observer: dict[str, Any]) -> str:
    reason = "" if observer["reason"] is None else f": {observer['reason']}"
    return f"observer {observer['name']} is {observer['state']}{reason}"
