"""A thread that takes the steps of one piece of work after the other.

An executor of the standard library makes a future with a lock, and another of the loop's, for each
piece of work, which is a tenth of what a lone commit takes; here it is one queue and one wakeup.
The thread is made by the first piece of work. It does not keep the process: one that ends without
`close` is as one that was killed, and recovery is made for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread

import msgspec


class _Order(msgspec.Struct, frozen=True):
    loop: asyncio.AbstractEventLoop
    steps: Iterator[None]
    ended: asyncio.Future[None]


class StepsThread:
    """Satisfies commit_log.StepRunner."""

    def __init__(self) -> None:
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._thread: Thread | None = None

    def start(self, steps: Iterator[None]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="commit log", daemon=True)
            self._thread.start()
        self._orders.put(_Order(loop, steps, ended))
        return ended

    def close(self) -> None:
        """Wait for what was ordered, and end the thread. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._orders.put(None)
            thread.join()

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            error: Exception | None = None
            try:
                for _ in order.steps:
                    pass
            except Exception as raised:
                error = raised
            if not order.loop.is_closed():
                order.loop.call_soon_threadsafe(_end, order.ended, error)


def _end(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
