"""`boomtown status`: what a running server holds, town by town."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from boomtown.cli.running_server import find_server, server_options
from boomtown.cli.terminal import Terminal
from boomtown.client import BoomtownClient

LOCAL_USER = "local"


@click.command()
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def status(*, data_dir: Path, url: str | None, key: str | None, as_json: bool) -> None:
    """Show the towns of a running server: agents, beads, convoys."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        asyncio.run(_show(where, key, terminal))


async def _show(url: str, key: str | None, terminal: Terminal) -> None:
    async with BoomtownClient(url, key=key) as client:
        towns: list[dict[str, Any]] = await client.request("GET", f"/api/users/{LOCAL_USER}/towns")
        terminal.fact(
            f"[bold]{url}[/bold]   {len(towns)} {'town' if len(towns) == 1 else 'towns'}",
            event="server",
            url=url,
            towns=len(towns),
        )
        rows: list[tuple[object, ...]] = []
        for town in towns:
            seen = await client.request("GET", f"/api/towns/{town['id']}/status")
            convoys = await client.request("GET", f"/api/mayor/{town['id']}/tools/convoys")
            terminal_fields = {"town": town, "status": seen, "convoys": convoys}
            if terminal.as_json:
                terminal.fact("", event="town", **terminal_fields)
            rows.append(_row(town, seen, convoys))
    terminal.table(("town", "agents", "beads", "convoys", "paused"), rows)


def _row(
    town: dict[str, Any], seen: dict[str, Any], convoys: list[dict[str, Any]]
) -> tuple[object, ...]:
    agents, beads = seen["agents"], seen["beads"]
    active = sum(1 for convoy in convoys if convoy["status"] == "active")
    return (
        town["name"],
        f"{agents.get('working', 0)} working of {agents.get('total', 0)}",
        f"{beads.get('open', 0)} open, {beads.get('inProgress', 0)} in progress, "
        f"{beads.get('inReview', 0)} in review, {beads.get('failed', 0)} failed",
        f"{active} active of {len(convoys)}",
        "yes" if seen.get("paused") else "no",
    )
