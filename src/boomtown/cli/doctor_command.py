"""`boomtown doctor`: whether this machine can run a server, one line per check."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from boomtown.cli.terminal import EXIT_FAILED, EXIT_USAGE, Terminal
from boomtown.clock import SystemClock
from boomtown.doctor import Finding, Level, examine
from boomtown.errors import InvalidRequest
from boomtown.settings import load_settings

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="[default: .boomtown]")
@click.option("--port", type=int, help="Which port a server is to have.  [default: 8787]")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def doctor(*, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Check disk, clock, limits and programs, and look for processes that were left behind."""
    terminal = Terminal(as_json=as_json)
    try:
        settings = load_settings(flags=flags, config_file=config)
    except InvalidRequest as error:
        terminal.fail(error.message, code=error.code, exit_code=EXIT_USAGE)
    findings = asyncio.run(examine(settings, SystemClock()))
    for finding in findings:
        _tell(terminal, finding)
    if any(finding.level is Level.FAIL for finding in findings):
        raise click.exceptions.Exit(EXIT_FAILED)


def _tell(terminal: Terminal, finding: Finding) -> None:
    colour = COLOURS[finding.level]
    terminal.fact(
        f"[{colour}]{finding.level:4}[/{colour}]  {finding.name:15}  {escape(finding.message)}",
        event="check",
        name=finding.name,
        level=finding.level,
        message=finding.message,
        facts=finding.facts,
    )
