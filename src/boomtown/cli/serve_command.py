"""`boomtown serve MODULE:CLASS …`: a user's own classes, over HTTP and WebSockets.

With --reload the server ends in order and starts again in the same process when a source file
changes: what was in memory is lost, sockets included, and what was stored is kept. A change that
cannot be loaded is told, and the next one is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from boomtown.actors import DurableObject
from boomtown.actors.runtime.sqlite_memory import reserve_little
from boomtown.cli.terminal import EXIT_USAGE, Terminal
from boomtown.clock import SystemClock
from boomtown.compose import PortInUse, RunningServer, open_server
from boomtown.data_directory import DataDirectoryInUse, DataDirectoryUnusable
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.errors import InvalidRequest
from boomtown.event_loop import EventLoopMissing, run_on_loop
from boomtown.served_classes import ClassSource, NotServable
from boomtown.settings import Settings, load_settings


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="MODULE:CLASS...")
@click.option("--port", type=int, help="Where to listen; 0 takes a free port.  [default: 8787]")
@click.option("--host", help="Which address to bind.  [default: 127.0.0.1]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="[default: .boomtown]")
@click.option("--no-auth", is_flag=True, default=None, help="Ask nobody for a key; loopback only.")
@click.option("--durability", type=click.Choice(["full", "process"]), help="[default: full]")
@click.option("--reload", "reloads", is_flag=True, help="Start again when a source file changes.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def serve(
    *, targets: tuple[str, ...], reloads: bool, config: Path | None, as_json: bool, **flags: Any
) -> None:
    """Serve classes of durable objects under /actors until SIGTERM or Ctrl-C."""
    terminal = Terminal(as_json=as_json)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s  %(message)s")
    reserve_little()  # before a user's module may open a database of its own
    source = ClassSource(targets, Path.cwd())
    try:
        settings = load_settings(flags=flags, config_file=config)
        classes = source.load()
    except InvalidRequest as error:
        terminal.fail(error.message, code=error.code, exit_code=EXIT_USAGE)
    except NotServable as error:
        terminal.fail(str(error), code="NOT_SERVABLE", exit_code=EXIT_USAGE)
    if reloads:
        sys.dont_write_bytecode = True
    with terminal.reporting_errors():
        try:
            serving = _Serving(settings, source, terminal, reloads=reloads)
            run_on_loop(serving.run(classes), kind=settings.event_loop)
        except EventLoopMissing as error:
            terminal.fail(str(error), code="EVENT_LOOP_MISSING", exit_code=EXIT_USAGE)
        except DataDirectoryInUse as error:
            terminal.fail(str(error), code="DATA_DIRECTORY_IN_USE")
        except DataDirectoryUnusable as error:
            terminal.fail(str(error), code="DATA_DIRECTORY_UNUSABLE")
        except PortInUse as error:
            terminal.fail(str(error), code="PORT_IN_USE")
        except _Stopped as error:
            terminal.fail(str(error), code="STORAGE_FAILED")


class _Stopped(Exception):
    """The disk refused a write or a sync; what was acknowledged before is kept."""


class _Serving:
    def __init__(
        self, settings: Settings, source: ClassSource, terminal: Terminal, *, reloads: bool
    ) -> None:
        self._settings = settings
        self._source = source
        self._terminal = terminal
        self._reloads = reloads
        self._clock = SystemClock()
        self._stop = asyncio.Event()

    async def run(self, classes: Mapping[str, type[DurableObject]] | None) -> None:
        """Serve until somebody says stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        while classes is not None:
            classes = await self._serve(classes)
        self._terminal.fact(" stopped", event="stopped")

    async def _serve(
        self, classes: Mapping[str, type[DurableObject]]
    ) -> Mapping[str, type[DurableObject]] | None:
        """Serve one load of the classes; answers the next one, or None for the end."""
        async with open_server(
            self._settings,
            clock=self._clock,
            entropy=SeededEntropy(),
            secrets=SystemSecrets(),
            classes=classes,
        ) as server:
            self._say_ready(server, classes)
            # The next start listens where this one did.
            port = urlsplit(server.url).port
            self._settings = msgspec.structs.replace(self._settings, port=port)
            loaded = None
            while loaded is None and await self._wait_change(server):
                loaded = self._load()
            if loaded is None:
                self._terminal.fact(" stopping", event="stopping")
        if server.host.failure is not None:
            raise _Stopped(f"stopped, because nothing more can be kept: {server.host.failure}")
        return loaded

    async def _wait_change(self, server: RunningServer) -> bool:
        """Whether a file has changed, before anybody said stop."""
        ends = [
            asyncio.ensure_future(self._stop.wait()),
            asyncio.ensure_future(server.shutdown.wait()),
        ]
        waits: list[asyncio.Future[Any]] = [*ends]
        if self._reloads:
            waits.append(asyncio.ensure_future(self._source.wait_change(self._clock)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return not any(end.done() for end in ends)
        finally:
            for wait in waits:
                wait.cancel()

    def _load(self) -> Mapping[str, type[DurableObject]] | None:
        try:
            classes = self._source.load()
        except NotServable as error:
            self._terminal.fact(
                f" [red]not reloaded[/red]  {error}", event="not_reloaded", message=str(error)
            )
            return None
        self._terminal.fact(" reloading", event="reloading")
        return classes

    def _say_ready(self, server: RunningServer, classes: Mapping[str, type[DurableObject]]) -> None:
        names = sorted(classes)
        self._terminal.fact(
            f" [bold]{server.url}[/bold]   serves {', '.join(names)}   data in "
            f"{server.data_directory.folder}",
            event="ready",
            url=server.url,
            pid=server.pid,
            data_dir=str(server.data_directory.folder),
            key_file=str(server.operator_key_file),
            classes=names,
        )
        if not self._terminal.as_json:
            for name in names:
                self._terminal.fact(f"   {server.url}/actors/{name}/NAME/…", event="ready")
