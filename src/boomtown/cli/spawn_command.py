"""`boomtown spawn` and `boomtown preflight`: a session by hand, and whether there could be one.

A spawn that is to take a pull request over, and cannot, is rolled back, and the command says both:
why the claim failed, and what became of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import click

from boomtown.cli.terminal import EXIT_FAILED, Terminal
from boomtown.cli.town_choice import Place, choose_rig, open_town, town_options
from boomtown.client import ServerRefused
from boomtown.client_sessions import SessionsClient
from boomtown.clock import SystemClock

WORKTREE_WAIT_MS = 180_000  # a first clone may take that long
LOOK_MS = 250
OVER = ("ending", "ended")

WISH = (
    click.option("--rig", required=True, help="A rig's id or name."),
    click.option("--agent", "agent_id", help="An agent's id.  [default: a free one of the role]"),
    click.option("--role", help="[default: polecat]"),
    click.option("--harness", help="[default: the rig's]"),
    click.option("--branch", help="[default: made from the bead and the agent]"),
    click.option("--prompt", help="What to do, in place of the bead's own words."),
    click.option("--bead", "bead_id", help="[default: a bead is made for the prompt]"),
    click.option("--boss", help="A coordinator's id or name."),
)


def wish_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The fields of a spawn."""
    for option in reversed(WISH):
        command = option(command)
    return command


@click.command()
@wish_options
@click.option("--claim-pr", metavar="REF", help="Take this pull request over for the session.")
@click.option("--no-takeover", is_flag=True, help="Not from another live session.")
@click.option("--idempotency-key", help="The same key again spawns nothing else.")
@town_options
def spawn(
    *,
    claim_pr: str | None,
    no_takeover: bool,
    idempotency_key: str | None,
    rig: str,
    agent_id: str | None,
    role: str | None,
    harness: str | None,
    branch: str | None,
    prompt: str | None,
    bead_id: str | None,
    boss: str | None,
    **where: Any,
) -> None:
    """Give an agent a body, now."""
    if no_takeover and claim_pr is None:
        raise click.UsageError("--no-takeover needs --claim-pr")
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    wish = {"agent_id": agent_id, "role": role, "harness": harness, "branch": branch}
    wish |= {"prompt": prompt, "bead_id": bead_id, "boss": boss}
    with terminal.reporting_errors():
        asyncio.run(
            _spawn(place, terminal, rig, wish, idempotency_key, claim_pr, takeover=not no_takeover)
        )


@click.command()
@wish_options
@town_options
def preflight(
    *,
    rig: str,
    agent_id: str | None,
    role: str | None,
    harness: str | None,
    branch: str | None,
    prompt: str | None,
    bead_id: str | None,
    boss: str | None,
    **where: Any,
) -> None:
    """List everything against a spawn; creates nothing. Exit code 1 when there is something."""
    place = Place(**where)
    terminal = Terminal(as_json=place.as_json)
    wish = {"agent_id": agent_id, "role": role, "harness": harness, "branch": branch}
    wish |= {"prompt": prompt, "bead_id": bead_id, "boss": boss}
    with terminal.reporting_errors():
        asyncio.run(_preflight(place, terminal, rig, wish))


async def _spawn(
    place: Place,
    terminal: Terminal,
    rig: str,
    wish: dict[str, Any],
    key: str | None,
    pull_request: str | None,
    *,
    takeover: bool,
) -> None:
    async with open_town(place, terminal) as (_, client, town_id):
        rig_id = await choose_rig(client, town_id, rig, terminal)
        sessions = SessionsClient(client, town_id)
        session = await sessions.spawn(idempotency_key=key, rig_id=rig_id, **wish)
        terminal.fact(f"spawned {session['id']} on {session['branch']}", event="spawned", **session)
        if pull_request is not None:
            await _wait_for_worktree(sessions, session["id"])
            await _claim(sessions, session["id"], pull_request, terminal, takeover=takeover)


async def _wait_for_worktree(sessions: SessionsClient, session_id: str) -> None:
    """Only a session with a worktree can claim; one that ends, or takes too long, is told so by
    the claim itself."""
    clock = SystemClock()
    until_ms = clock.now_ms() + WORKTREE_WAIT_MS
    while clock.now_ms() < until_ms:
        session = await sessions.get(session_id)
        if session["worktree"] is not None or session["state"] in OVER:
            return
        await clock.sleep_until_ms(clock.now_ms() + LOOK_MS)


async def _claim(
    sessions: SessionsClient,
    session_id: str,
    pull_request: str,
    terminal: Terminal,
    *,
    takeover: bool,
) -> None:
    try:
        claimed = await sessions.claim_pr(session_id, pull_request, takeover=takeover)
    except ServerRefused as error:
        rolled_back = await sessions.rollback(session_id, reason=f"claim failed: {error.code}")
        outcome = "deleted" if rolled_back["deleted"] else "killed"
        if not rolled_back["deleted"] and not rolled_back["killed"]:
            outcome = "over already"
        terminal.fact(
            f"the session was {outcome}",
            event="rolled_back",
            **rolled_back,
            claim={"code": error.code, "message": error.message, "requestId": error.request_id},
        )
        raise
    terminal.fact(f"claimed {claimed['url']}", event="claimed", **claimed)


async def _preflight(place: Place, terminal: Terminal, rig: str, wish: dict[str, Any]) -> None:
    async with open_town(place, terminal) as (_, client, town_id):
        rig_id = await choose_rig(client, town_id, rig, terminal)
        findings = await SessionsClient(client, town_id).preflight(rig_id=rig_id, **wish)
    for finding in findings:
        terminal.fact(f"{finding['code']}  {finding['message']}", event="finding", **finding)
    if findings:
        raise click.exceptions.Exit(EXIT_FAILED)
    terminal.fact("nothing is in the way", event="clear")
