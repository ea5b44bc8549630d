"""The output gate: what leaves an object waits until the writes before it are durable.

Theory of operation. Each lock is a future that is done when a commit is durable. `chain` is a
future that is done when every lock so far is; a waiter takes the chain as it is at that moment,
so later locks do not extend its wait (durable-actors 3.3), in constant time. A lock that is alone
is the chain itself. Locks may finish out of order: link n needs link n-1 and lock n. A lock that
fails, or is cancelled, breaks the object at once, and then only those waiters that came after it.

One timer serves all locks: it is armed by the first lock and looks at the oldest open one.
Without a lock `chain` is None, and holding costs one attribute test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from boomtown.actors.runtime.runtime_errors import reset_error
from boomtown.clock import Clock

Lock = asyncio.Future[None]


class OutputGate:
    """The output gate of one object. `on_broken` is called at the first failure of a lock."""

    __slots__ = (
        "_clock",
        "_is_watching",
        "_lock_ms_max",
        "_locks",
        "_on_broken",
        "_waiting",
        "chain",
        "loop",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Clock,
        lock_ms_max: int,
        waiting: Callable[[], str],
        on_broken: Callable[[Exception], None],
    ) -> None:
        """`waiting` tells where the object's code stands, for the message of a lock that was
        held for longer than `lock_ms_max`."""
        self.loop: asyncio.AbstractEventLoop = loop
        self.chain: Lock | None = None
        self._clock = clock
        self._lock_ms_max = lock_ms_max
        self._waiting = waiting
        self._on_broken = on_broken
        # Since when, on the monotonic clock. A list: an empty deque has 760 bytes.
        self._locks: list[tuple[int, Lock]] = []
        self._is_watching = False

    def lock_while(self, lock: Lock) -> None:
        """Hold what leaves after this call until `lock` is done."""
        before = self.chain
        self._locks.append((self._clock.monotonic_ms(), lock))
        if before is None:
            self.chain = lock  # nearly always: it needs no link
            lock.add_done_callback(self._only_lock_ended)
        else:
            self._join(before, lock)
        if not self._is_watching:
            self._watch()

    def _only_lock_ended(self, lock: Lock) -> None:
        self._note_ended(lock)
        # A failed one stays the chain: whoever comes now gets its error.
        if self.chain is lock and failure_of(lock) is None:
            self.chain = None

    def _note_ended(self, lock: Lock) -> None:
        self._drop_ended_locks()
        error = failure_of(lock)
        if error is not None:
            self._on_broken(error)

    def _join(self, before: Lock, lock: Lock) -> None:
        link: Lock = self.loop.create_future()
        self.chain = link

        def join(_: Lock | None = None) -> None:
            if link.done() or not lock.done() or not before.done():
                return
            error = failure_of(before) or failure_of(lock)
            if self.chain is link and error is None:
                self.chain = None
            if error is None:
                link.set_result(None)
            else:
                link.set_exception(error)
                link.exception()  # retrieved: nobody need be waiting

        def lock_ended(_: Lock) -> None:
            self._note_ended(lock)
            join()

        lock.add_done_callback(lock_ended)
        before.add_done_callback(join)

    def when_open(self, callback: Callable[[Exception | None], None]) -> None:
        """Call `callback` when every lock of this moment is done, at once where there is none;
        with the failure where one failed."""
        chain = self.chain
        if chain is None:
            callback(None)
            return
        chain.add_done_callback(lambda ended: callback(failure_of(ended)))

    def _drop_ended_locks(self) -> None:
        ended = 0
        for _, lock in self._locks:
            if not lock.done():
                break
            ended += 1
        del self._locks[:ended]

    def _watch(self) -> None:
        if self._is_watching or not self._locks:
            return
        self._is_watching = True
        left_ms = self._locks[0][0] + self._lock_ms_max - self._clock.monotonic_ms()
        self._clock.call_at_ms(self._clock.now_ms() + max(1, left_ms), self._look)

    def _look(self) -> None:
        self._is_watching = False
        self._drop_ended_locks()
        if self._locks:
            since_ms, lock = self._locks[0]
            if self._clock.monotonic_ms() - since_ms >= self._lock_ms_max:
                self._on_broken(self._time_out())
                lock.cancel()
                return
        self._watch()

    def _time_out(self) -> Exception:
        waiting = self._waiting()
        return reset_error(
            f"A storage operation exceeded its timeout of {self._lock_ms_max} ms"
            + (f", while the object waited in {waiting}" if waiting else "")
            + "; the object was reset",
            overloaded=True,
        )


def failure_of(lock: Lock) -> Exception | None:
    """Why an ended lock failed; None where it did not."""
    if lock.cancelled():
        return reset_error("A commit was dropped before it was durable")
    error = lock.exception()
    assert error is None or isinstance(error, Exception)
    return error
