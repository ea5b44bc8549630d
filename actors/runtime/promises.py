"""A promise that something of ours will be durable: a future without a pass of the loop.

An `asyncio.Future` calls its callbacks in the loop's next pass, each as an entry of the loop's
queue; between a commit's sync and its reply there were four such passes, now two. A promise
calls them in the stack of whoever settles it, in the order of their adding.

For the runtime's own bookkeeping only, on the loop's thread: what user code waits for is a future,
whose waker passes the object's gate (loop_hook.py). A callback must not raise; where one does, the
loop's exception handler is told, and the others are called all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any


class Promise:
    """Settled once: by the first `resolve` or `reject`; later ones change nothing."""

    __slots__ = ("_callbacks", "_error", "_is_done")

    def __init__(self) -> None:
        self._is_done = False
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Promise], object]] = []

    def done(self) -> bool:
        return self._is_done

    def exception(self) -> Exception | None:
        """Why it was rejected; None for one that was resolved."""
        assert self._is_done, "a promise that is not settled"
        return self._error

    def resolve(self) -> None:
        """What was promised is so."""
        if self._is_done:
            return
        self._is_done = True
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception as error:
                _report(error)
        self._callbacks.clear()  # they hold much of what waited

    def reject(self, error: Exception) -> None:
        """What was promised will not be."""
        if not self._is_done:
            self._error = error
            self.resolve()

    def add_done_callback(self, callback: Callable[[Promise], object], /) -> None:
        """Call `callback(self)` when this is settled; now, where it is."""
        if self._is_done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def as_future(self) -> asyncio.Future[None]:
        """A future that ends as this does; cancelling it changes nothing here."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(_: Promise) -> None:
            if future.done():
                return
            if self._error is None:
                future.set_result(None)
            else:
                future.set_exception(self._error)
                future.exception()  # retrieved: nobody need be waiting

        self.add_done_callback(settle)
        return future

    def __await__(self) -> Generator[Any, None, None]:
        """Wait, without a pass where this is settled. Raises what it was rejected with."""
        if not self._is_done:
            return (yield from self.as_future().__await__())
        if self._error is not None:
            raise self._error
        return None


def _report(error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": "A callback of a promise failed", "exception": error}
    )
