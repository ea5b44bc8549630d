"""Which server a command talks to: that of a data directory, or the one at an address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from boomtown.client import ServerUnreachable
from boomtown.data_directory import OPERATOR_KEY, find_running_server
from boomtown.settings import DEFAULT_DATA_DIR

OPTIONS = (
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        envvar="BOOMTOWN_DATA_DIR",
        help="Whose server to ask.",
    ),
    click.option("--url", help="Ask the server at this address instead."),
    click.option("--key", envvar="BOOMTOWN_TOKEN", help="An operator's key, with --url."),
)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `data_dir`, `url` and `key`, for `find_server`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def find_server(data_dir: Path, url: str | None, key: str | None) -> tuple[str, str | None]:
    """The server's address and an operator's key. Raises ServerUnreachable where none runs."""
    if url is not None:
        return url, key
    holder = find_running_server(data_dir)
    if holder is None or holder.address is None:
        raise ServerUnreachable(f"no server runs on data directory {data_dir}: boomtown dev")
    path = data_dir / "keys" / OPERATOR_KEY
    return holder.address, path.read_text().strip() if path.exists() else None
