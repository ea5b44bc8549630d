"""The demo's server: `boomtown dev` as a child process, started, asked where it is, stopped.

A process of its own, so that what the demo shows is what a user starts, and so that a server that
is killed can be started again on the same data directory.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable

LINE_BYTES_MAX = 65_536
READY_S_MAX = 30
STOP_S_MAX = 20


class ReadyLine(msgspec.Struct, frozen=True):
    """What `boomtown dev --json` says once it serves."""

    url: str
    pid: int
    key_file: str


class ServerProcess:
    """One run of the server."""

    def __init__(
        self,
        process: anyio.abc.Process,
        ready: ReadyLine,
        *,
        data_dir: Path,
        config: Path,
        log: Path,
    ) -> None:
        self._process = process
        self._config = config
        self._log = log
        self.data_dir = data_dir
        self.ready = ready
        self.operator_key = Path(ready.key_file).read_text().strip()

    @classmethod
    async def start(
        cls, *, data_dir: Path, config: Path, log: Path, port: int = 0
    ) -> ServerProcess:
        """Start it and wait until it is ready. Raises Unavailable(STARTING_UP) with what it
        said."""
        command = (sys.executable, "-m", "boomtown", "dev", "--json", "--allow-local-git")
        where = ("--port", str(port), "--data-dir", str(data_dir), "--config", str(config))
        with log.open("ab") as errors:
            process = await anyio.open_process(
                [*command, *where], stderr=errors, cwd=data_dir.parent
            )
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)
        try:
            with anyio.fail_after(READY_S_MAX):
                while (line := await _next_event(lines)).get("event") != "ready":
                    continue
        except (anyio.EndOfStream, anyio.IncompleteRead, TimeoutError) as error:
            if process.returncode is None:
                process.kill()
            await process.aclose()
            said = log.read_text().strip().splitlines()
            reason = said[-1] if said else "it said nothing"
            raise Unavailable(
                ErrorCode.STARTING_UP, f"the server did not start: {reason}"
            ) from error
        ready = msgspec.convert(line, ReadyLine)
        return cls(process, ready, data_dir=data_dir, config=config, log=log)

    async def crash(self) -> None:
        """SIGKILL by its process id, and its end."""
        os.kill(self.ready.pid, signal.SIGKILL)
        await self._process.wait()
        await self._process.aclose()

    async def start_again(self) -> ServerProcess:
        """Another life on the same data directory and port. Raises as `start`."""
        port = urlsplit(self.ready.url).port
        assert port is not None
        return await ServerProcess.start(
            data_dir=self.data_dir, config=self._config, log=self._log, port=port
        )

    async def stop(self) -> None:
        """SIGTERM; SIGKILL when it takes too long. Harmless when it has ended."""
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
                with anyio.move_on_after(STOP_S_MAX):
                    await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
            await self._process.aclose()


async def _next_event(lines: BufferedByteReceiveStream) -> dict[str, Any]:
    return msgspec.json.decode(
        await lines.receive_until(b"\n", LINE_BYTES_MAX), type=dict[str, Any]
    )
