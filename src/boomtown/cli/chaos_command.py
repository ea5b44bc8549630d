"""`boomtown chaos`: have something go wrong in the containers of a running development server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from boomtown.cli.running_server import find_server, server_options
from boomtown.cli.terminal import Terminal
from boomtown.client import BoomtownClient
from boomtown.clock import Clock, SystemClock
from boomtown.container_sim.chaos import ChaosFault

LOCAL_USER = "local"
LOOK_EVERY_MS = 100


@click.command()
@click.argument("fault", type=click.Choice([fault.value for fault in ChaosFault]))
@server_options
@click.option("--town", help="A town's id or name.  [default: every town]")
@click.option("--target", metavar="ID", help="An agent's or a session's id.  [default: any]")
@click.option("--nth", type=click.IntRange(1, 1_000), default=1, help="At the nth chance, from 1.")
@click.option("--seed", type=int, help="Which of several; printed if drawn.")
@click.option(
    "--wait", "wait_s", type=click.IntRange(0, 3_600), default=0, help="Seconds until it happened."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def chaos(
    *,
    fault: str,
    data_dir: Path,
    url: str | None,
    key: str | None,
    town: str | None,
    wait_s: int,
    as_json: bool,
    **aim: Any,
) -> None:
    """Kill, stop or disturb what runs in containers; the server repairs it."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        asyncio.run(_arm(where, key, terminal, {"fault": fault, **aim}, town, wait_s * 1000))


async def _arm(
    url: str,
    key: str | None,
    terminal: Terminal,
    body: dict[str, Any],
    wanted: str | None,
    wait_ms: int,
) -> None:
    clock = SystemClock()
    async with BoomtownClient(url, key=key) as client:
        towns: list[dict[str, Any]] = await client.request("GET", f"/api/users/{LOCAL_USER}/towns")
        chosen = [town for town in towns if wanted in (None, town["id"], town["name"])]
        if wanted is None and not towns:
            terminal.fact("no town is there to be disturbed", event="note", towns=0)
        elif not chosen:
            terminal.fail("there is no such town", code="TOWN_NOT_FOUND")
        armed = [
            (town, await client.request("POST", f"/api/towns/{town['id']}/chaos", body))
            for town in chosen
        ]
        until_ms = clock.monotonic_ms() + wait_ms
        for town, fault in armed:
            seen = await _wait_fired(client, town["id"], fault, clock, until_ms)
            _tell(terminal, town, seen)
            if wait_ms and not seen["fired"]:
                terminal.fail(f"{fault['fault']} did not happen in time", code="NOT_FIRED")


async def _wait_fired(
    client: BoomtownClient, town_id: str, fault: dict[str, Any], clock: Clock, until_ms: int
) -> dict[str, Any]:
    """The fault as it stands once it has happened, or when the time is up."""
    while True:
        rows: list[dict[str, Any]] = await client.request("GET", f"/api/towns/{town_id}/chaos")
        seen = next(row for row in rows if row["id"] == fault["id"])
        if seen["fired"] or clock.monotonic_ms() >= until_ms:
            return seen
        await clock.sleep_until_ms(clock.now_ms() + LOOK_EVERY_MS)


def _tell(terminal: Terminal, town: dict[str, Any], fault: dict[str, Any]) -> None:
    whom = ", ".join(f"process {pid}" for pid in fault["pids"])
    state = f"happened {fault['fired']} times" if fault["fired"] else "armed"
    if fault["fired"] == 1:
        state = "happened" + (f" to {whom}" if whom else "")
    terminal.fact(
        f"{town['name']}   {fault['fault']}   {state}   seed {fault['seed']}",
        event="fault",
        town=town,
        **{name: value for name, value in fault.items() if name != "event"},
    )
