"""`boomtown agent kill|restore|rollback|send`: what a person does with one session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click

from boomtown.cli.roster_command import agent
from boomtown.cli.terminal import Terminal
from boomtown.cli.town_choice import Place, open_town, town_options
from boomtown.client_sessions import SessionsClient

Deed = Callable[[SessionsClient], Awaitable[dict[str, Any]]]


@agent.command()
@click.argument("session")
@click.option("--force", is_flag=True, help="Also one without a body or a worktree.")
@click.option("--reason", help="For the log.")
@town_options
def kill(*, session: str, force: bool, reason: str | None, **where: Any) -> None:
    """End a session; what it has not pushed is kept."""
    _do(
        where,
        lambda sessions: sessions.kill(session, force=force, reason=reason),
        event="killed",
        text="session {id} is {state}",
    )


@agent.command()
@click.argument("session")
@town_options
def restore(*, session: str, **where: Any) -> None:
    """Go on where an ended session stopped."""
    _do(
        where,
        lambda sessions: sessions.restore(session),
        event="restored",
        text="session {id} goes on with {branch}",
    )


@agent.command()
@click.argument("session")
@click.option("--reason", help="For the log.")
@town_options
def rollback(*, session: str, reason: str | None, **where: Any) -> None:
    """Undo a spawn: deleted when nothing was started yet, killed otherwise."""
    _do(
        where,
        lambda sessions: sessions.rollback(session, reason=reason),
        event="rolled_back",
        text="session {sessionId}: deleted {deleted}, killed {killed}",
    )


@agent.command()
@click.argument("session")
@click.argument("message")
@town_options
def send(*, session: str, message: str, **where: Any) -> None:
    """Send the session's agent mail."""
    _do(
        where,
        lambda sessions: sessions.send(session, message),
        event="sent",
        text="sent {id} to {to_agent_id}",
    )


def _do(where: dict[str, Any], deed: Deed, *, event: str, text: str) -> None:
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)

    async def run() -> None:
        async with open_town(place, terminal) as (_, client, town_id):
            answer = await deed(SessionsClient(client, town_id))
        terminal.fact(text.format_map(answer), event=event, **answer)

    with terminal.reporting_errors():
        asyncio.run(run())
