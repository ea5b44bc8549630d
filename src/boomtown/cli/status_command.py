"""`boomtown status`: what a running server holds, town by town."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from boomtown.cli.terminal import Terminal
from boomtown.client import BoomtownClient, ServerUnreachable
from boomtown.data_directory import OPERATOR_KEY, find_running_server
from boomtown.settings import DEFAULT_DATA_DIR

LOCAL_USER = "local"


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    envvar="BOOMTOWN_DATA_DIR",
    help="Whose server to ask.",
)
@click.option("--url", help="Ask the server at this address instead.")
@click.option("--key", envvar="BOOMTOWN_TOKEN", help="An operator's key, with --url.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def status(*, data_dir: Path, url: str | None, key: str | None, as_json: bool) -> None:
    """Show the towns of a running server: agents, beads, convoys."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        if url is None:
            url, key = _find_server(data_dir)
        asyncio.run(_show(url, key, terminal))


def _find_server(data_dir: Path) -> tuple[str, str | None]:
    holder = find_running_server(data_dir)
    if holder is None or holder.address is None:
        raise ServerUnreachable(f"no server runs on data directory {data_dir}: boomtown dev")
    path = data_dir / "keys" / OPERATOR_KEY
    return holder.address, path.read_text().strip() if path.exists() else None


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
