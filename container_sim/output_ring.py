"""The newest output of one agent, read from a pipe that its whole process group writes to.

The reader never lags: a full pipe would stop the agent. What is older than the bound is dropped,
newest kept, because the end of a log says why.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque

from boomtown.clock import Clock

CHUNK_BYTES_MAX = 65_536


class OutputRing:
    """Made on the event loop; `write_descriptor` is for the child, close it after the spawn."""

    def __init__(self, clock: Clock, *, bytes_max: int) -> None:
        self.last_at_ms: int | None = None  # when something was last written
        self._clock = clock
        self._bytes_max = bytes_max
        self._chunks: deque[bytes] = deque()
        self._byte_count = 0
        self._read_descriptor, self._write_descriptor = os.pipe()
        os.set_blocking(self._read_descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_descriptor, self._read)
        self._is_open = True

    @property
    def write_descriptor(self) -> int:
        return self._write_descriptor

    def close_write_end(self) -> None:
        """The parent's copy, once the child has its own."""
        if self._write_descriptor >= 0:
            os.close(self._write_descriptor)
            self._write_descriptor = -1

    def text(self) -> str:
        """What is kept."""
        return b"".join(self._chunks).decode("utf-8", errors="replace")

    def close(self) -> None:
        """Take what is in the pipe, then stop; the text stays readable."""
        self.close_write_end()
        if self._is_open:
            while self._read():
                continue
            self._shut()

    def _read(self) -> bool:
        try:
            chunk = os.read(self._read_descriptor, CHUNK_BYTES_MAX)
        except BlockingIOError:
            return False
        if not chunk:
            self._shut()
            return False
        self.last_at_ms = self._clock.now_ms()
        self._chunks.append(chunk)
        self._byte_count += len(chunk)
        while self._byte_count > self._bytes_max:
            excess = self._byte_count - self._bytes_max
            oldest = self._chunks.popleft()
            if len(oldest) > excess:
                self._chunks.appendleft(oldest[excess:])
            self._byte_count -= min(excess, len(oldest))
        return True

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._read_descriptor)
            os.close(self._read_descriptor)
