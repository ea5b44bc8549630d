"""What a command prints, and to whom: a person at a terminal, a log, or a program.

On a terminal rich draws tables and colours (NO_COLOR is honoured); elsewhere the same facts are
plain lines; with --json every fact is one JSON object per line. Errors are one line on standard
error in all three, as JSON with --json.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from boomtown.client import ServerRefused, ServerUnreachable
from boomtown.errors import BoomtownError
from boomtown.wire import encode_json

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


class Terminal:
    """One command's output."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)

    def fact(self, text: str, /, *, event: str, **fields: Any) -> None:
        """Say one thing: `text` (rich markup) to people, the fields to programs."""
        if self.as_json:
            self._line({"event": event, **fields})
        else:
            self._console.print(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for people; programs were told the facts already."""
        if self.as_json:
            return
        if not self._console.is_terminal:
            for row in rows:
                click.echo("  ".join(str(cell) for cell in row))
            return
        drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            drawn.add_row(*(str(cell) for cell in row))
        self._console.print(drawn)

    def _line(self, fields: dict[str, Any]) -> None:
        sys.stdout.write(encode_json(fields).decode() + "\n")
        sys.stdout.flush()

    def fail(
        self,
        message: str,
        *,
        code: str = "FAILED",
        exit_code: int = EXIT_FAILED,
        **fields: Any,
    ) -> NoReturn:
        """Say on standard error why, in one line, and end the command. Programs get `fields`."""
        if self.as_json:
            said = {"event": "error", "code": code, "message": message, **fields}
            line = encode_json(said).decode()
        else:
            line = message
        click.echo(line, err=True)
        raise click.exceptions.Exit(exit_code)

    @contextmanager
    def reporting_errors(self) -> Generator[None]:
        """Turn the errors that a person can do something about into one line each."""
        try:
            yield
        except ServerUnreachable as error:
            self.fail(str(error), code="SERVER_UNREACHABLE", exit_code=EXIT_UNREACHABLE)
        except ServerRefused as error:
            line = f"{error.message} ({error.code})"
            if error.request_id is not None and not self.as_json:
                line = f"{error.message} ({error.code}, request {error.request_id})"
            self.fail(line, **envelope_of(error))
        except BoomtownError as error:
            self.fail(f"{error.message} ({error.code})", code=error.code)


def envelope_of(error: ServerRefused) -> dict[str, Any]:
    """What the server said, with the names of its envelope (http.md 1)."""
    said = {
        "success": False,
        "error": error.message,
        "code": error.code,
        "kind": error.kind,
        "requestId": error.request_id,
        "details": error.details,
    }
    return said | {"issues": error.issues} if error.issues else said
