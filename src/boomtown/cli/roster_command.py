"""`boomtown roster`, `boomtown reassign`, `boomtown agent ls` and `get`: who works in a town."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from boomtown.actors.town.questions_of_roster import RosterGrouping
from boomtown.cli.terminal import Terminal
from boomtown.cli.town_choice import Place, choose_agent, open_town, town_options

COLUMNS = ("name", "role", "status", "process", "boss", "id")


@click.command()
@click.option(
    "--group-by",
    type=click.Choice([grouping.value for grouping in RosterGrouping]),
    default=RosterGrouping.BOSS.value,
    show_default=True,
)
@town_options
def roster(*, group_by: str, **where: Any) -> None:
    """Show everybody who is employed, below their boss, stage or rig."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_show_roster(place, terminal, group_by))


@click.command()
@click.option("--from", "giver", required=True, metavar="AGENT", help="Whose workers.")
@click.option("--to", "taker", required=True, metavar="AGENT", help="A coordinator.")
@town_options
def reassign(*, giver: str, taker: str, **where: Any) -> None:
    """Give all workers of one coordinator to another."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_reassign(place, terminal, giver, taker))


@click.group()
def agent() -> None:
    """Look at single agents, and deal with their sessions."""


@agent.command(name="ls")
@click.option("--include-terminated", is_flag=True, help="Those who have left, too.")
@town_options
def list_agents(*, include_terminated: bool, **where: Any) -> None:
    """One line for each agent, oldest first."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_list(place, terminal, with_offboarded=include_terminated))


@agent.command(name="get")
@click.argument("named", metavar="AGENT")
@town_options
def get_agent(*, named: str, **where: Any) -> None:
    """All that is known of one agent, by id or name; who has left, too."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    with terminal.reporting_errors():
        asyncio.run(_get(place, terminal, named))


async def _show_roster(place: Place, terminal: Terminal, group_by: str) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        for group in await staff.get_roster(group_by):
            stale = "  (gone: its workers need a boss)" if group["stale"] else ""
            terminal.fact(f"[bold]{group['name']}[/bold]{stale}", event="group", **group)
            terminal.table(COLUMNS, [_row(one) for one in group["agents"]])


async def _reassign(place: Place, terminal: Terminal, giver: str, taker: str) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        source = await choose_agent(staff, giver, terminal, with_offboarded=True)
        target = await choose_agent(staff, taker, terminal)
        moved = (await staff.reassign_workers(source["id"], target["id"]))["moved"]
        terminal.fact(
            f"{len(moved)} reassigned from {source['name']} to {target['name']}",
            event="reassigned",
            moved=moved,
            to=target["id"],
        )


async def _list(place: Place, terminal: Terminal, *, with_offboarded: bool) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        agents = await staff.list_agents(with_offboarded=with_offboarded)
        for one in agents if place.as_json else ():
            terminal.fact("", event="agent", **one)
        terminal.table(COLUMNS, [_row(one) for one in agents])


async def _get(place: Place, terminal: Terminal, named: str) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        found = await choose_agent(staff, named, terminal, with_offboarded=True)
        if place.as_json:
            terminal.fact("", event="agent", **found)
        terminal.table(("fact", "value"), list(found.items()))


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    stale = " (gone)" if one["boss_stale"] else ""
    boss = f"{one['boss_name']}{stale}" if one["boss_id"] else "-"
    return (one["name"], one["role"], one["status"], one["process"], boss, one["id"])
