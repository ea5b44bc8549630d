"""Where an object's code stands while it waits, for the message of a limit that it ran into.

A chain of coroutines is told by the names of their functions, outermost first: `Bell.alarm >
Bell._ask > wait_for`. The runtime's own functions are left out; what is waited for at the end, a
future, has no name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_OWN_FOLDER = str(Path(__file__).parent)
_TASKS_NAMED_MAX = 5  # of one object, in one message


def waiting_frames(task: asyncio.Task[Any] | None) -> str:
    """The functions of a task that wait; `no awaitable` where none of the object's code does."""
    awaitable: Any = None if task is None else task.get_coro()
    names: list[str] = []
    while (code := getattr(awaitable, "cr_code", None)) is not None:
        if not code.co_filename.startswith(_OWN_FOLDER):
            names.append(code.co_qualname)
        awaitable = awaitable.cr_await
    return " > ".join(names) or "no awaitable"


def waiting_frames_of(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """The same of an object's tasks, in the order of their making."""
    waiting = [waiting_frames(task) for task in tasks if not task.done()]
    named, more = waiting[:_TASKS_NAMED_MAX], len(waiting) - _TASKS_NAMED_MAX
    return ", ".join(named) + (f", {more} more" if more > 0 else "")
