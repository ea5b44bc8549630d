"""Ends what a killed server's command containers leave behind: a process that outlives it briefly.

Theory of operation. The kernel ends the leader of each container with the server that made it, but
not what the leader had started. So a server has one keeper, started with its first container: a
process in a session of its own, whose standard input only the server can write. It is told each
instance before that is born, and each that is gone. The end of its input means that the server has
ended, however that was: the keeper kills what the ledgers of the instances still known name, or
what carries their marks, removes their folders, and exits. After an orderly end there are none.

The ledger has a process before that runs its program (recorded_birth.py), and the keeper has the
instance before that, so a kill of the server at any moment leaves nothing for long. A keeper that
was killed itself is replaced with the next start of a container; where the server is killed before
that, the next server ends what is left (command_containers.py). The keeper knows only the
instances of its own server: a new server on the same folder is none of its business.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable
from pathlib import Path

from boomtown.clock import Clock, SystemClock
from boomtown.container_sim.instance import LEDGER_NAME, end_recorded
from boomtown.ids import InstanceId

KEEPER_COMMAND = (sys.executable, "-P", "-m", "boomtown.container_sim.command_keeper")
_BORN, _GONE = "+", "-"


class Keeper:
    """The server's end of its keeper."""

    def __init__(self, folder: Path, *, kill_wait_ms: int) -> None:
        """`folder` holds a folder for each instance."""
        self._arguments = (str(folder.absolute()), str(kill_wait_ms))
        self._process: Process | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the keeper, once there is one."""
        return None if self._process is None else self._process.pid

    async def keep(self, instance_id: InstanceId, others: Iterable[InstanceId]) -> None:
        """Make an instance known that is about to be born; `others` are alive. Raises OSError
        where there can be no keeper."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._process = await asyncio.create_subprocess_exec(
                    *KEEPER_COMMAND,
                    *self._arguments,
                    stdin=PIPE,
                    stdout=DEVNULL,
                    start_new_session=True,
                )
                for other in others:
                    self._tell(_BORN, other)
            self._tell(_BORN, instance_id)
            assert self._process.stdin is not None
            await self._process.stdin.drain()

    def let_go(self, instance_id: InstanceId) -> None:
        """Nothing of that instance lives."""
        self._tell(_GONE, instance_id)

    def _tell(self, what: str, instance_id: InstanceId) -> None:
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.write(f"{what}{instance_id}\n".encode())

    async def aclose(self) -> None:
        """End the keeper; no instance lives any more."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


def known_after(lines: Iterable[str]) -> list[InstanceId]:
    """The instances that were born and are not gone, in the order of their births."""
    known: dict[InstanceId, None] = {}
    for line in lines:
        instance_id = InstanceId(line[1:].rstrip("\n"))
        if not line.endswith("\n"):
            break  # cut off by the kill: that instance is not born yet
        if line.startswith(_BORN):
            known[instance_id] = None
        else:
            known.pop(instance_id, None)
    return list(known)


async def end_instances(
    folder: Path, instances: Iterable[InstanceId], *, kill_wait_ms: int, clock: Clock
) -> None:
    """Kill what is left of `instances`, and remove their folders once nothing is."""
    for instance_id in instances:
        if await end_recorded(
            folder / instance_id / LEDGER_NAME, instance_id, kill_wait_ms=kill_wait_ms, clock=clock
        ):
            shutil.rmtree(folder / instance_id, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Wait for the end of standard input, then end what is still known."""
    folder, kill_wait_ms = Path(arguments[0]), int(arguments[1])
    os.chdir("/")  # a keeper holds no folder of its server's
    known = known_after(sys.stdin)
    if known:
        asyncio.run(end_instances(folder, known, kill_wait_ms=kill_wait_ms, clock=SystemClock()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
