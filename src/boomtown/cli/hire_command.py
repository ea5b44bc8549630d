"""`boomtown hire` and `boomtown offboard`. Neither ever asks a question: agents run them.

A refused dismissal says what stands in its way, one worker a line, and the two commands that
settle it. The target of a reassignment is looked up before the server is asked, for a clear word
about a typing error; the server checks it all the same.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import click

from boomtown.cli.terminal import EXIT_FAILED, Terminal
from boomtown.cli.town_choice import Place, choose_agent, choose_rig, open_town, town_options
from boomtown.client import ServerRefused
from boomtown.client_roster import RosterClient, find_agents
from boomtown.error_codes import ErrorCode

COORDINATORS = ("mayor", "architect")
# What each of the two remedies of the refusal does, in their order.
CONSEQUENCES = ("they report to the mayor", "they keep a boss who is gone")


@click.command()
@click.option("--template", help="A role template; GET /api/templates lists them.")
@click.option("--role", help="A role, for its own template.")
@click.option("--name", help="Lower-case letters, digits, hyphens.  [default: made up]")
@click.option("--rig", help="A rig's id or name, for who works in one.")
@click.option("--boss", help="A coordinator's id or name.  [default: the mayor]")
@click.option("--idempotency-key", help="The same key again hires nobody else.")
@town_options
def hire(
    *,
    template: str | None,
    role: str | None,
    name: str | None,
    rig: str | None,
    boss: str | None,
    idempotency_key: str | None,
    **where: Any,
) -> None:
    """Hire an agent; its body comes when there is work."""
    if template is None and role is None:
        raise click.UsageError("say --template or --role")
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    wish = {"template": template, "role": role, "name": name, "boss": boss}
    with terminal.reporting_errors():
        asyncio.run(_hire(place, terminal, wish, rig, idempotency_key))


@click.command()
@click.argument("named", metavar="AGENT")
@click.option("--reassign-to", metavar="AGENT", help="The coordinator that gets its workers.")
@click.option("--force", is_flag=True, help="Leave its workers with a boss who is gone.")
@click.option("--reason", help="For the log.")
@town_options
def offboard(
    *, named: str, reassign_to: str | None, force: bool, reason: str | None, **where: Any
) -> None:
    """End an agent's employment: its watches and its bead are free at once."""
    if force and reassign_to is not None:
        raise click.UsageError("say --reassign-to or --force, not both")
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    options: dict[str, Any] = {"force": force, "reason": reason}
    with terminal.reporting_errors():
        asyncio.run(_offboard(place, terminal, named, reassign_to, options))


async def _hire(
    place: Place,
    terminal: Terminal,
    wish: dict[str, Any],
    rig: str | None,
    key: str | None,
) -> None:
    async with open_town(place, terminal) as (staff, client, town_id):
        rig_id = None if rig is None else await choose_rig(client, town_id, rig, terminal)
        agent = await staff.hire(idempotency_key=key, rig_id=rig_id, **wish)
        text = f"hired {agent['name']}, {agent['role']}  {agent['id']}"
        terminal.fact(text, event="hired", **agent)


async def _offboard(
    place: Place,
    terminal: Terminal,
    named: str,
    reassign_to: str | None,
    options: dict[str, Any],
) -> None:
    async with open_town(place, terminal) as (staff, _, _):
        agent = await choose_agent(staff, named, terminal)
        target = None
        if reassign_to is not None:
            target = await _target(staff, agent, reassign_to, terminal)
        try:
            left = await staff.offboard(agent["id"], reassign_to=target, **options)
        except ServerRefused as error:
            if error.code != ErrorCode.AGENT_HAS_WORKERS or place.as_json:
                raise
            _tell_workers(place, error)
            raise click.exceptions.Exit(EXIT_FAILED) from error
        pending = "" if left is None else "; its body is still being ended"
        terminal.fact(
            f"{agent['name']} has left{pending}",
            event="offboarded",
            id=agent["id"],
            pending=left is not None,
        )


async def _target(
    staff: RosterClient, agent: dict[str, Any], named: str, terminal: Terminal
) -> str:
    found = [one for one in find_agents(await staff.list_agents(), named) if _may_have_workers(one)]
    if len(found) != 1:
        terminal.fail(
            f"there is no coordinator {named!r} to reassign to",
            code=ErrorCode.REASSIGN_TARGET_NOT_FOUND,
        )
    if found[0]["id"] == agent["id"]:
        terminal.fail(
            f"{agent['name']} cannot get the workers that it leaves",
            code=ErrorCode.REASSIGN_TARGET_INVALID,
        )
    return str(found[0]["id"])


def _may_have_workers(one: dict[str, Any]) -> bool:
    return one["role"] in COORDINATORS and one["employment"] == "hired"


def _tell_workers(place: Place, error: ServerRefused) -> None:
    click.echo(f"{error.message} ({error.code}):", err=True)
    for worker in error.details["workers"]:
        bead = f"  {worker['title']}" if worker["title"] else ""
        phase = f"{worker['process']}/{worker['phase']}"
        click.echo(f"  {worker['id']}  {worker['name']}  {phase}{bead}", err=True)
    click.echo("Either of these settles it:", err=True)
    where = shlex.join(place.options())
    for command, effect in zip(error.details["remedies"], CONSEQUENCES, strict=True):
        click.echo(f"  {command} {where}".rstrip() + f"  # {effect}", err=True)
    click.echo(f"request {error.request_id}", err=True)
