"""Which event loop a server runs on: uvloop where it is installed, never because it must be."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoopMissing(Exception):
    """uvloop was asked for by name, and is not installed."""


def run_on_loop(main: Coroutine[Any, Any, T], *, kind: str) -> T:
    """Run `main` to its end, as asyncio.run, on the loop that the settings name: "auto",
    "asyncio" or "uvloop". EventLoopMissing where that one is not installed."""
    if kind == "asyncio":
        return asyncio.run(main)
    try:
        import uvloop
    except ImportError:
        if kind == "uvloop":
            main.close()
            raise EventLoopMissing(
                "uvloop is not installed; it comes with boomtown[fast]"
            ) from None
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
