"""A whole server whose clock stands still, as a process: `refusal_program DATA_DIR CONFIG`.

Everything is real but time: sockets, objects, databases, git, the container manager. Because no
alarm ever comes, nothing changes between two requests, and what a request changes is seen exactly.
It prints one line of JSON when it answers requests, and ends with SIGTERM; POST /shutdown only
makes it say that it ends, so that this can be asked about.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from boomtown.actors import DurableObject
from boomtown.compose import open_server
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.settings import load_settings
from boomtown.testing import ManualClock
from boomtown.wire import encode_json

SECRET_WORDS = "SELECT secret FROM vault"  # of a fault's text: nobody outside may read them
SECRET_PATH = "/srv/boomtown/private.sqlite"


class Trouble(DurableObject):
    """An object of a user's, with bugs."""

    async def fail(self) -> None:
        raise RuntimeError(f"{SECRET_WORDS}: no such table, in {SECRET_PATH}")

    async def reset(self) -> None:
        self.ctx.abort("told to")

    async def greet(self, name: str) -> str:
        return f"Hello, {name}"


async def _serve(data_dir: Path, config: Path) -> None:
    flags = {"port": 0, "data_dir": data_dir, "allow_local_git": True}
    settings = load_settings(flags=flags, environment={}, config_file=config)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_server(
        settings,
        clock=ManualClock(),
        entropy=SeededEntropy(5),
        secrets=SystemSecrets(),
        classes={"Trouble": Trouble},
    ) as server:
        ready = {"url": server.url, "key_file": str(server.operator_key_file)}
        sys.stdout.write(encode_json(ready).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    asyncio.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
