"""Gives the memory of objects that have ended back to the operating system.

What an object frees, malloc keeps for the next one: 200 towns that were evicted left 250 MiB with
an idle server, nine tenths of which `malloc_trim` returns in 30 ms. So it is called after many
objects have ended, once the host has been quiet for a while: a busy one uses that memory again, and
would only fetch it anew. It runs in a thread, since malloc waits for it, and Python need not.

Nothing is durable. Where the C library has no such function, as on macOS, nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

from boomtown.actors.runtime.ports import ObjectKey, SilentInstrument
from boomtown.clock import Clock, Timer

ENDED_MIN = 100  # 7 MiB, where each is as small as an object can be
PAUSE_MS = 5_000
EVENTS_QUIET_MAX = 100  # starts, endings and commits within a pause


class FreedMemory(SilentInstrument):
    """The instrument of one host."""

    def __init__(self, clock: Clock, *, trim: Callable[[], object]) -> None:
        """`trim` gives back what is free; it must not block."""
        self._clock = clock
        self._trim = trim
        self._ended = 0  # since it was last called
        self._events = 0  # since the last look
        self._timer: Timer | None = None

    def object_started(self, key: ObjectKey) -> None:
        """As Instrument's."""
        self._events += 1

    def object_stopped(self, key: ObjectKey, reason: str) -> None:
        """As Instrument's; its file is closed a moment later."""
        self._events += 1
        self._ended += 1
        if self._ended >= ENDED_MIN and self._timer is None:
            self._look_later()

    def commits_synced(self, commits: int, files: int) -> None:
        """As Instrument's."""
        self._events += commits

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        self._events = 0
        self._timer = self._clock.call_at_ms(self._clock.now_ms() + PAUSE_MS, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._events > EVENTS_QUIET_MAX:
            self._look_later()
            return
        self._ended = 0
        self._trim()


def find_trim() -> Callable[[], object]:
    """glibc's malloc_trim, begun in a thread of the running loop; else what does nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return lambda: None
    trim.argtypes = [ctypes.c_size_t]
    return lambda: asyncio.get_running_loop().run_in_executor(None, trim, 0)
