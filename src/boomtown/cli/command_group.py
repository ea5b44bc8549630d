"""A group whose commands are imported when they are asked for.

Most of what a command imports (the town, the server, the simulator) is for that command alone, and
takes longer than most commands run. So the group knows each by its module and its summary, which is
the first sentence of its help: `--help` of the group imports none.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Mapping
from typing import Any

import click
import msgspec


class CommandPlace(msgspec.Struct, frozen=True):
    """Where a command is, and what the group's help says of it."""

    module: str  # of this package; in it, the command has its own name
    summary: str


class CommandGroup(click.Group):
    """The commands at `places`, by name. Those and their own commands have the group's epilog,
    where they bring none."""

    def __init__(self, *, places: Mapping[str, CommandPlace], **options: Any) -> None:
        super().__init__(**options)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, sorted."""
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None where there is none of that name."""
        place = self._places.get(cmd_name)
        if place is None:
            return None
        command = _import(place.module, cmd_name)
        own = command.commands.values() if isinstance(command, click.Group) else ()
        for each in (command, *own):
            each.epilog = each.epilog or self.epilog
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, as click does, from the summaries."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(len(name) for name in names)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._short_help(name, width)) for name in names])

    def _short_help(self, name: str, width: int) -> str:
        return click.Command(name, help=self._places[name].summary).get_short_help_str(width)


def _import(module: str, name: str) -> click.Command:
    # What is imported stays: looking for garbage in it took a seventh of the time.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        command = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    finally:
        if was_collecting:
            gc.enable()
    assert isinstance(command, click.Command)
    return command
