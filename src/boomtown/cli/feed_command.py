"""`boomtown feed`: follow what changes in a town, and see who else does.

With --cursor the place is kept by the server: what was printed is acknowledged, so a tail that is
ended and started again prints what came between, and at worst its last lines once more.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from boomtown.cli.running_server import find_server, server_options
from boomtown.cli.terminal import Terminal
from boomtown.client import BoomtownClient, FeedFrame, ServerRefused, ServerUnreachable
from boomtown.clock import SystemClock

LOCAL_USER = "local"
TAIL_EVENTS = 10  # shown of the past where no place was named
RECONNECT_MS = 500
RECONNECTS_MAX = 60  # half a minute: a server that restarts is back by then
ACKNOWLEDGE_EVENTS = 50  # printed between two acknowledgements; a heartbeat is one too

EXIT_CODES = "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached."


@click.group(epilog=EXIT_CODES)
def feed() -> None:
    """Follow what changes in a town."""


@feed.command(epilog=EXIT_CODES)
@server_options
@click.option("--town", help="A town's id or name.  [default: the only one]")
@click.option("--after", type=click.IntRange(0), metavar="N", help="Begin after this number.")
@click.option("--cursor", "consumer", metavar="NAME", help="Begin at, and move, a named cursor.")
@click.option("--topic", help='"bead", or "bead.updated".')
@click.option("--agent", metavar="ID", help="Changes of one agent only.")
@click.option("--no-follow", "is_once", is_flag=True, help="End at the newest change.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def tail(
    *,
    data_dir: Path,
    url: str | None,
    key: str | None,
    town: str | None,
    after: int | None,
    consumer: str | None,
    topic: str | None,
    agent: str | None,
    is_once: bool,
    as_json: bool,
) -> None:
    """Print changes as they come.  [default: from the last few]"""
    if after is not None and consumer is not None:
        raise click.UsageError("--after and --cursor both say where to begin")
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        asyncio.run(
            _Tail(
                url=where,
                key=key,
                terminal=terminal,
                after=after,
                consumer=consumer,
                topic=topic,
                agent=agent,
                is_once=is_once,
            ).run(town)
        )


@feed.command(epilog=EXIT_CODES)
@server_options
@click.option("--town", help="A town's id or name.  [default: the only one]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def cursors(
    *, data_dir: Path, url: str | None, key: str | None, town: str | None, as_json: bool
) -> None:
    """List the named cursors and how far each has come."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        asyncio.run(_list_cursors(where, key, town, terminal))


async def _list_cursors(url: str, key: str | None, town: str | None, terminal: Terminal) -> None:
    async with BoomtownClient(url, key=key) as client:
        town_id = await _find_town(client, town, terminal)
        found = await client.list_feed_cursors(town_id)
        _, head = await _kept(client, town_id)
        if terminal.as_json:
            for cursor in found:
                terminal.fact("", event="cursor", head=head, **cursor)
        rows = [
            (each["consumer"], each["seq"], head - each["seq"], each["updated_at"])
            for each in found
        ]
        terminal.table(("cursor", "at", "behind", "moved"), rows)


class _Tail:
    """One run of `tail`."""

    def __init__(
        self,
        *,
        url: str,
        key: str | None,
        terminal: Terminal,
        after: int | None,
        consumer: str | None,
        topic: str | None,
        agent: str | None,
        is_once: bool,
    ) -> None:
        self._url = url
        self._key = key
        self._terminal = terminal
        self._after = after
        self._consumer = consumer
        self._filters = {"topic": topic, "agent": agent}
        self._is_once = is_once
        self._printed = 0  # since the last acknowledgement

    async def run(self, town: str | None) -> None:
        """Until the end was reached (--no-follow), the server refuses, or it stays away."""
        clock = SystemClock()
        async with BoomtownClient(self._url, key=self._key) as client:
            town_id = await _find_town(client, town, self._terminal)
            seq = await self._start(client, town_id)
            page = await client.read_feed(town_id, after=seq, limit=0)  # refuses a bad cursor
            end = int(page["head"]) if self._is_once else None
            tries = 0
            while end is None or seq < end:
                try:
                    frames = client.follow_feed(town_id, after=seq, **self._filters)
                    async with aclosing(frames):
                        async for frame in frames:
                            seq, tries = frame.seq, 0
                            await self._take(client, town_id, frame)
                            if end is not None and seq >= end:
                                break
                except ServerUnreachable:
                    tries += 1
                    if tries > RECONNECTS_MAX:
                        raise
                    await clock.sleep_until_ms(clock.now_ms() + RECONNECT_MS)
            await self._acknowledge(client, town_id, seq)

    async def _start(self, client: BoomtownClient, town_id: str) -> int:
        if self._after is not None:
            return self._after
        oldest, head = await _kept(client, town_id)
        if self._consumer is None:
            return max(head - TAIL_EVENTS, oldest - 1)
        try:
            return int((await client.get_feed_cursor(town_id, self._consumer))["seq"])
        except ServerRefused as error:
            if error.code != "CURSOR_NOT_FOUND":
                raise
        return oldest - 1  # a new one has dealt with nothing that is kept

    async def _take(self, client: BoomtownClient, town_id: str, frame: FeedFrame) -> None:
        if frame.event is not None:
            self._print(frame.event)
            self._printed += 1
        if frame.event is None or self._printed >= ACKNOWLEDGE_EVENTS:
            await self._acknowledge(client, town_id, frame.seq)

    async def _acknowledge(self, client: BoomtownClient, town_id: str, seq: int) -> None:
        if self._consumer is not None:
            await client.put_feed_cursor(town_id, self._consumer, seq)
        self._printed = 0

    def _print(self, change: dict[str, Any]) -> None:
        subject = change["payload"].get("title") or change["payload"].get("name") or ""
        state = change["payload"].get("status") or change["payload"].get("state") or ""
        line = (
            f"{change['seq']:>6}  {change['created_at']}  {change['topic']:<20}"
            f"  {change['entity_id'][-8:]}  {state:<12}  {subject}  ({change['actor']})"
        )
        self._terminal.fact(escape(line), event="change", change=change)


async def _kept(client: BoomtownClient, town_id: str) -> tuple[int, int]:
    """(the oldest number that is kept, the newest)."""
    try:
        page = await client.read_feed(town_id, limit=0)
    except ServerRefused as error:
        if error.code != "CURSOR_EXPIRED":
            raise
        page = error.details
    return int(page["oldest"]), int(page["head"])


async def _find_town(client: BoomtownClient, wanted: str | None, terminal: Terminal) -> str:
    towns = await client.list_towns(LOCAL_USER)
    chosen = [town for town in towns if wanted in (None, town["id"], town["name"])]
    if not chosen:
        terminal.fail("there is no such town", code="TOWN_NOT_FOUND")
    if len(chosen) > 1:
        raise click.UsageError("there are several towns: say which with --town")
    return str(chosen[0]["id"])
