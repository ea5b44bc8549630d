"""A server that is nothing but command containers, to be killed: one leader with a child.

`python -m support.commands_program FOLDER` prints the pids of leader, child and keeper when all
three run.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil

from boomtown.clock import SystemClock
from boomtown.container_sim.command_containers import CommandContainers
from boomtown.container_sim.command_model import CommandOrder
from boomtown.entropy import SeededEntropy
from boomtown.limits import ContainerLimits

LEADER = """
import signal, subprocess, sys
subprocess.Popen(
    [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"],
    start_new_session=True,  # out of the leader's group, to be found by its mark
)
signal.pause()
"""


async def main(folder: str) -> None:
    commands = CommandContainers(
        Path(folder), SystemClock(), SeededEntropy(1), limits=ContainerLimits()
    )
    async with commands:
        container = await commands.start(
            CommandOrder(label="Box/1", argv=(sys.executable, "-c", LEADER), ports=(), env={})
        )
        while "up" not in container.output.text():
            await asyncio.to_thread(int)
        (child,) = psutil.Process(container.pid).children()
        print(container.pid, child.pid, commands.keeper_pid, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
