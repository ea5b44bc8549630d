"""What a server runs on: uvloop where it is installed, never because it must be; and a garbage
collector that looks less often."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Python's 700 are passed by each batch of calls that wait for a sync: all of them live, none of
# them in a cycle. Looking through them took a quarter of a write's time, and each full look, at
# a thousand objects, stopped the loop for 50 ms. This many are a few megabytes.
YOUNG_OBJECTS_MAX = 20_000


class EventLoopMissing(Exception):
    """uvloop was asked for by name, and is not installed."""


def collect_less_often() -> None:
    """Have this process look for cycles after YOUNG_OBJECTS_MAX objects, and never again among
    those that it has now; the older generations keep their own measure."""
    gc.freeze()  # of a server, its modules: 28 ms of each full look
    _, *older = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *older)


def run_on_loop(main: Coroutine[Any, Any, T], *, kind: str) -> T:
    """Run `main` to its end, as asyncio.run, on the loop that the settings name: "auto",
    "asyncio" or "uvloop". EventLoopMissing where that one is not installed."""
    collect_less_often()
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
