"""The output gate: what leaves an object waits until the writes before it are durable.

Theory of operation. Each lock is done when a commit is durable. Beside it stands an `opening`, a
promise that is kept when it and every lock before it are done: a waiter takes the newest opening
(`chain`) as it is at that moment, so later locks do not extend its wait (durable-actors 3.3), in
constant time. Locks may finish out of order; openings are settled in order, by whichever lock
ends. A lock that fails breaks the object at once, and then only those waiters
that came after it: its opening and all later ones are rejected when their turn comes.

One timer serves all locks: it is armed by the first lock and looks at the oldest open one.
Without a lock `chain` is None, and holding costs one attribute test.
"""

from __future__ import annotations

from collections.abc import Callable

from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import reset_error
from boomtown.clock import Clock


class OutputGate:
    """The output gate of one object. `on_broken` is called at the first failure of a lock."""

    __slots__ = (
        "_clock",
        "_failure",
        "_is_watching",
        "_lock_ms_max",
        "_locks",
        "_on_broken",
        "_waiting",
        "chain",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        lock_ms_max: int,
        waiting: Callable[[], str],
        on_broken: Callable[[Exception], None],
    ) -> None:
        """`waiting` tells where the object's code stands, for the message of a lock that was
        held for longer than `lock_ms_max`."""
        self.chain: Promise | None = None
        self._clock = clock
        self._lock_ms_max = lock_ms_max
        self._waiting = waiting
        self._on_broken = on_broken
        self._failure: Exception | None = None  # of the first lock, in their order, that failed
        # Since when, on the monotonic clock; the lock; its opening. A list: an empty deque has
        # 760 bytes.
        self._locks: list[tuple[int, Promise, Promise]] = []
        self._is_watching = False

    def lock_while(self, lock: Promise) -> None:
        """Hold what leaves after this call until `lock` is done."""
        self.chain = opening = Promise()
        self._locks.append((self._clock.monotonic_ms(), lock, opening))
        lock.add_done_callback(self._lock_ended)
        if not self._is_watching:
            self._watch()

    def _lock_ended(self, lock: Promise) -> None:
        error = lock.exception()
        try:
            if error is not None:
                self._on_broken(error)
        finally:  # a disk that fails the commit may fail the rollback; who waits is told anyway
            self._open_ended()

    def _open_ended(self) -> None:
        locks = self._locks
        while locks and locks[0][1].done():
            _, ended, opening = locks.pop(0)
            if self._failure is None:
                self._failure = ended.exception()
            if self._failure is None:
                if self.chain is opening:
                    self.chain = None
                opening.resolve()
            else:
                # It stays the chain: whoever comes now gets its error.
                opening.reject(self._failure)

    def when_open(self, callback: Callable[[Exception | None], None]) -> None:
        """Call `callback` when every lock of this moment is done, at once where there is none;
        with the failure where one failed."""
        chain = self.chain
        if chain is None:
            callback(None)
            return
        chain.add_done_callback(lambda ended: callback(ended.exception()))

    def _watch(self) -> None:
        if self._is_watching or not self._locks:
            return
        self._is_watching = True
        left_ms = self._locks[0][0] + self._lock_ms_max - self._clock.monotonic_ms()
        self._clock.call_at_ms(self._clock.now_ms() + max(1, left_ms), self._look)

    def _look(self) -> None:
        self._is_watching = False
        if self._locks:
            since_ms, lock, _ = self._locks[0]
            if not lock.done() and self._clock.monotonic_ms() - since_ms >= self._lock_ms_max:
                self._give_up(self._time_out())
                return
        self._watch()

    def _give_up(self, error: Exception) -> None:
        self._failure = error
        locks, self._locks = self._locks, []
        self._on_broken(error)
        for _, _, opening in locks:
            opening.reject(error)

    def _time_out(self) -> Exception:
        waiting = self._waiting()
        return reset_error(
            f"A storage operation exceeded its timeout of {self._lock_ms_max} ms"
            + (f", while the object waited in {waiting}" if waiting else "")
            + "; the object was reset",
            overloaded=True,
        )
