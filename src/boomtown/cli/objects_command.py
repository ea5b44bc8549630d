"""`boomtown ls`, `inspect`, `sql`, `alarms`: looking into the objects of a running server.

The server's own process is asked: it has every database open, and nobody else may. The key is
that of its administrator, which lies in the data directory.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.markup import escape

from boomtown.cli.running_server import find_server, server_options
from boomtown.cli.terminal import EXIT_USAGE, Terminal
from boomtown.client import BoomtownClient

PAGE_ROWS = 1_000  # the most that a server answers at once


@click.command()
@click.argument("class_name", metavar="[CLASS]", required=False)
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def ls(
    *, class_name: str | None, data_dir: Path, url: str | None, key: str | None, as_json: bool
) -> None:
    """List the objects that have a file or are in memory."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        rows = asyncio.run(_all_rows(where, key, "/api/objects", {"class": class_name}))
        _tell(terminal, "object", rows)
        columns = ("class", "name", "id", "in memory")
        terminal.table(
            columns,
            [
                (row["class"], row["name"] or "-", row["id"], "yes" if row["is_live"] else "no")
                for row in rows
            ],
        )


@click.command()
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def alarms(*, data_dir: Path, url: str | None, key: str | None, as_json: bool) -> None:
    """List the alarms that are set, the earliest first."""
    terminal = Terminal(as_json=as_json)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        rows = asyncio.run(_all_rows(where, key, "/api/alarms", {}))
        _tell(terminal, "alarm", rows)
        terminal.table(
            ("due", "class", "name", "id"),
            [(row["scheduled_at"], row["class"], row["name"] or "-", row["id"]) for row in rows],
        )


@click.command()
@click.argument("target", metavar="CLASS/NAME")
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def inspect(
    *, target: str, data_dir: Path, url: str | None, key: str | None, as_json: bool
) -> None:
    """Show what one object holds, named or by its id. It is woken as by a call."""
    terminal = Terminal(as_json=as_json)
    path = _path_of(terminal, target)
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        detail: dict[str, Any] = asyncio.run(_request(where, key, "GET", path))
        if as_json:
            terminal.fact("", event="object", **detail)
        terminal.table(
            ("what", "value"),
            [
                (name, ", ".join(map(str, value)) or "-" if name in ("keys", "tables") else value)
                for name, value in detail.items()
            ],
        )


@click.command()
@click.argument("target", metavar="CLASS/NAME")
@click.argument("query")
@click.argument("bindings", nargs=-1)
@click.option("--write", is_flag=True, help="Allow a statement that writes.")
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def sql(
    *,
    target: str,
    query: str,
    bindings: tuple[str, ...],
    write: bool,
    data_dir: Path,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Run QUERY in one object's database; BINDINGS fill its question marks, as text."""
    terminal = Terminal(as_json=as_json)
    path = _path_of(terminal, target) + f"/sql?limit={PAGE_ROWS}"
    body = {"query": query, "bindings": bindings, "write": write}
    with terminal.reporting_errors():
        where, key = find_server(data_dir, url, key)
        answer: dict[str, Any] = asyncio.run(_request(where, key, "POST", path, body))
        if as_json:
            terminal.fact("", event="rows", **answer)
        terminal.table(
            answer["columns"],
            [["NULL" if cell is None else cell for cell in row] for row in answer["rows"]],
        )
        if not as_json and (answer["rows_written"] or answer["has_more_rows"]):
            more = "   there are more rows" if answer["has_more_rows"] else ""
            terminal.fact(f"{answer['rows_written']} rows written{more}", event="rows")


def _path_of(terminal: Terminal, target: str) -> str:
    class_name, slash, name = target.partition("/")
    if not (class_name and slash and name):
        terminal.fail(f"{target}: expected CLASS/NAME", code="USAGE", exit_code=EXIT_USAGE)
    return f"/api/objects/{quote(class_name, safe='')}/{quote(name, safe='')}"


def _tell(terminal: Terminal, event: str, rows: list[dict[str, Any]]) -> None:
    if terminal.as_json:
        for row in rows:
            terminal.fact("", event=event, **row)
    elif not rows:
        terminal.fact(escape(f"no {event} is there"), event=event)


async def _request(
    url: str, key: str | None, method: str, path: str, body: object = None
) -> dict[str, Any]:
    async with BoomtownClient(url, key=key) as client:
        answer: dict[str, Any] = await client.request(method, path, body)
        return answer


async def _all_rows(
    url: str, key: str | None, path: str, query: dict[str, str | None]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with BoomtownClient(url, key=key) as client:
        while True:
            page: list[dict[str, Any]] = await client.request(
                "GET", path, query={**query, "offset": len(rows), "limit": PAGE_ROWS}
            )
            rows += page
            if len(page) < PAGE_ROWS:
                return rows
