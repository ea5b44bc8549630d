"""`boomtown dev`: the whole system in one process tree, for one developer."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from boomtown.actors.runtime.sqlite_memory import reserve_little
from boomtown.cli.terminal import EXIT_USAGE, Terminal
from boomtown.clock import SystemClock
from boomtown.compose import PortInUse, RunningServer, open_server
from boomtown.data_directory import DataDirectoryInUse, DataDirectoryUnusable
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.errors import InvalidRequest
from boomtown.settings import Settings, load_settings


@click.command()
@click.option("--port", type=int, help="Where to listen; 0 takes a free port.  [default: 8787]")
@click.option("--host", help="Which address to bind.  [default: 127.0.0.1]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="[default: .boomtown]")
@click.option("--no-auth", is_flag=True, default=None, help="Ask nobody for a key; loopback only.")
@click.option(
    "--allow-local-git",
    is_flag=True,
    default=None,
    help="Allow file:// and absolute paths as git addresses.",
)
@click.option("--durability", type=click.Choice(["full", "process"]), help="[default: full]")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def dev(*, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Run the development server until SIGTERM or Ctrl-C."""
    terminal = Terminal(as_json=as_json)
    _log_to(sys.stderr if as_json else sys.stdout, is_quiet=as_json)
    reserve_little()
    try:
        settings = load_settings(flags=flags | {"is_development": True}, config_file=config)
    except InvalidRequest as error:
        terminal.fail(error.message, code=error.code, exit_code=EXIT_USAGE)
    with terminal.reporting_errors():
        try:
            asyncio.run(_serve(settings, terminal))
        except DataDirectoryInUse as error:
            terminal.fail(str(error), code="DATA_DIRECTORY_IN_USE")
        except DataDirectoryUnusable as error:
            terminal.fail(str(error), code="DATA_DIRECTORY_UNUSABLE")
        except PortInUse as error:
            terminal.fail(str(error), code="PORT_IN_USE")
        except StorageFailed as error:
            terminal.fail(str(error), code="STORAGE_FAILED")


class StorageFailed(Exception):
    """The disk refused a write or a sync; what was acknowledged before is kept."""


async def _serve(settings: Settings, terminal: Terminal) -> None:
    clock = SystemClock()
    before_ms = clock.monotonic_ms()
    loop = asyncio.get_running_loop()
    async with open_server(
        settings, clock=clock, entropy=SeededEntropy(), secrets=SystemSecrets(), classes={}
    ) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.shutdown.set)
        _say_ready(server, settings, terminal, clock.monotonic_ms() - before_ms)
        await server.shutdown.wait()
        terminal.fact(" stopping", event="stopping")
        failure = server.host.failure
    if failure is not None:
        raise StorageFailed(f"stopped, because nothing more can be kept: {failure}")
    terminal.fact(" stopped", event="stopped")


def _say_ready(
    server: RunningServer, settings: Settings, terminal: Terminal, ready_ms: int
) -> None:
    data_dir = server.data_directory.folder
    if terminal.as_json:
        terminal.fact(
            "",
            event="ready",
            url=server.url,
            pid=server.pid,
            data_dir=str(data_dir),
            key_file=str(server.operator_key_file),
            ready_ms=ready_ms,
        )
        return
    loopback = "loopback only" if server.is_loopback else f"bound to {settings.host}"
    access = (
        "nobody is asked for a key"
        if settings.no_auth
        else f"key in {_near(server.operator_key_file)}"
    )
    lines = (
        f" [bold]boomtown {version('boomtown')}[/bold]   development, {loopback}",
        f"   API     {server.url}    OpenAPI {server.url}/openapi.json",
        f"   Access  {access}",
        f"   Data    {_near(data_dir)}   (kept)",
        "   Try     boomtown demo        boomtown chaos restart-containers        boomtown status",
        f" ready in {ready_ms / 1000:.1f} s",
    )
    for line in lines:
        terminal.fact(line, event="ready")


def _near(path: Path) -> str:
    """A path as a person in the present folder would write it."""
    try:
        return f"./{path.relative_to(Path.cwd())}"
    except ValueError:
        return str(path)


def _log_to(stream: Any, *, is_quiet: bool) -> None:
    """One line per record; requests and state changes come through `boomtown.*` loggers."""
    logging.basicConfig(
        stream=stream,
        level=logging.WARNING if is_quiet else logging.INFO,
        format="%(asctime)s %(name)s  %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
