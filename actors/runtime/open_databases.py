"""How many objects have their files open at once, and which hibernate to make room.

Theory of operation. An open database costs three descriptors and its caches; a host keeps at most
`databases_max`. An object that starts past the bound first has idle ones evicted, by second
chance: the object that was longest in the queue goes, unless an event came after its first, or
since it was last looked at, which puts it at the end once. That is nearly the least recently
used, and an event costs one attribute. Closing takes a moment in the flush thread, so the new
object's start waits, with its events at its gate, until a file is closed.

Busy objects are never evicted. Where all are, the bound is exceeded instead of waited for: the
busy ones may be waiting for the very object that starts. So at any moment at most `databases_max`
files are open, or every open one is busy or starting.

In memory only. Closings always end, so no start waits for ever.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol


class Evictable(Protocol):
    """What is asked of a live object."""

    prevents_eviction: bool
    was_used: bool  # an event came since its first, or since it was last looked at

    def is_busy(self) -> bool: ...


class OpenDatabases:
    """The open files of one host. `evict` is called for an idle object, and must lead to
    `close_began` and later `close_ended`."""

    def __init__(self, *, databases_max: int, evict: Callable[[Evictable], None]) -> None:
        self._databases_max = databases_max
        self._evict = evict
        self._queue: OrderedDict[Evictable, None] = OrderedDict()
        self._closing = 0
        self._waiting: deque[tuple[Evictable, Callable[[], bool]]] = deque()

    @property
    def count(self) -> int:
        """Files that are open now, those being closed included."""
        return len(self._queue) + self._closing

    def open(self, item: Evictable, start: Callable[[], bool]) -> None:
        """Call `start`, which says whether it opened a file, now or when there is room."""
        wanted = len(self._queue) + len(self._waiting) + 1
        while wanted > self._databases_max and (victim := self._find_idle()) is not None:
            self._evict(victim)
            wanted -= 1
        if self._waiting or (self._closing and self.count >= self._databases_max):
            self._waiting.append((item, start))
        else:
            self._start(item, start)

    def _start(self, item: Evictable, start: Callable[[], bool]) -> None:
        # In the queue before its constructor runs, which may start others.
        self._queue[item] = None
        if not start():
            self._queue.pop(item, None)

    def _find_idle(self) -> Evictable | None:
        # Twice around: the first time an object that was used only loses its mark.
        for _ in range(2 * len(self._queue)):
            item = next(iter(self._queue))
            if not (item.was_used or item.prevents_eviction or item.is_busy()):
                return item
            item.was_used = False
            self._queue.move_to_end(item)
        return None

    def close_began(self, item: Evictable) -> None:
        """An object gave up its open file."""
        self._queue.pop(item, None)
        self._closing += 1

    def close_ended(self) -> None:
        """That file is closed: start who waits, as far as there is room."""
        self._closing -= 1
        while self._waiting and (self.count < self._databases_max or not self._closing):
            self._start(*self._waiting.popleft())
