"""What is said to containers that run any command, and what they answer: values only."""

from __future__ import annotations

import msgspec


class CommandOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One container to be started."""

    label: str  # whose it is, for logs
    argv: tuple[str, ...]  # `{port}` and `{port_8080}` stand for the ports it is to listen on
    ports: tuple[int, ...]  # that it serves, as its owner names them
    env: dict[str, str]


class PortRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a port of a container."""

    method: str
    target: str  # path and query
    headers: tuple[tuple[str, str], ...]
    body: bytes


class PortAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Its whole answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ExecOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One program to be run inside a running container."""

    argv: tuple[str, ...]
    env: dict[str, str]
    folder: str | None  # None: the container's own
    stdin: bytes


class ExecOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended; of each output the newest part within the bound."""

    exit_code: int  # 128 + n where signal n ended it
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A container, or a program in one, could not be started; nothing of it runs."""


class NoCapacity(CommandFailed):
    """There is no room for one more container now; later there may be."""


class TooManyStarts(CommandFailed):
    """More containers were started lately than the bound allows; later there may be room."""


class NotListening(ConnectionError):
    """Nothing in the container listens on the port, or not yet: nothing was sent."""


def exit_code_of(code: int) -> int:
    """What a shell would say: 128 + n for signal n."""
    return 128 - code if code < 0 else code
