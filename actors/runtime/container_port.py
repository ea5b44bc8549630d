"""What `ctx.container` needs of containers, as protocols (decisions 15); compose joins them.

Calls come from tasks of the host, never from an object's turn.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from boomtown.container_sim.command_model import (
    CommandOrder,
    ExecOrder,
    ExecOutcome,
    PortAnswer,
    PortRequest,
)


class Command(msgspec.Struct, frozen=True):
    """The container of a class: `container = Command(("program", "{port}"), ports=(8080,))`.

    `{port}` in an argument is the number to listen on for the first of `ports`, `{port_8080}` for
    that one; both are in the environment too, as PORT and PORT_8080.
    """

    argv: tuple[str, ...]
    ports: tuple[int, ...] = ()
    env: dict[str, str] = {}


class RunningContainer(Protocol):
    """One container that was started."""

    async def wait_gone(self) -> int:
        """The exit code, once no process of it lives; 128 + n for signal n."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to its program; nothing happens when it has ended."""
        ...

    def kill(self) -> None:
        """End it; `wait_gone` says when it is."""
        ...

    async def fetch(self, port: int, request: PortRequest) -> PortAnswer:
        """Ask a port. Raises NotListening, or ConnectionError where the connection breaks."""
        ...

    async def run(self, order: ExecOrder) -> ExecOutcome:
        """Run a program inside, to its end. Raises CommandFailed where it does not start."""
        ...


class ContainersPort(Protocol):
    """Starts containers."""

    async def start(self, order: CommandOrder) -> RunningContainer:
        """A running container. Raises CommandFailed, as NoCapacity or TooManyStarts where it may
        be tried again later; nothing runs then."""
        ...
