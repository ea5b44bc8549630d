"""What the callers of one object wait for: futures of their own, settled through its output gate.

A reply is never the task that works for it: a caller that goes away cancels its reply, and
touches nothing else. A reset fails every reply at once, whatever the output gate says. One that
its caller gave up is dropped when it would have been settled: each ends by `deliver`, `drop` or
`fail_all`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from boomtown.actors.runtime.loop_hook import LoopHook
from boomtown.actors.runtime.output_gate import OutputGate
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError, RemoteError

Reply = asyncio.Future[Any]
Finish = Callable[[Any], Any]  # copies a handler's value out of the object, or raises


def keep(value: Any) -> Any:
    """A Finish that hands the value out as it is, for immutable values and tests."""
    return value


class Replies:
    """The open replies of one object."""

    __slots__ = ("_broken", "_hook", "_output", "_pending")

    def __init__(self, hook: LoopHook, output: OutputGate) -> None:
        self._hook = hook
        self._output = output
        self._broken: DurableObjectError | None = None
        self._pending: dict[Reply, None] = {}  # in the order of their making

    def waited_for(self) -> list[Reply]:
        """Those that are open, and whose callers have not gone, in the order of their making."""
        return [reply for reply in self._pending if not reply.done()]

    def new(self) -> Reply:
        """A reply, to be delivered later; of a broken object, one that has failed."""
        reply: Reply = self._hook.loop.create_future()
        if self._broken is not None:
            _fail(reply, self._broken.copy())
        else:
            self._pending[reply] = None
        return reply

    def deliver(self, reply: Reply, value: Any, error: BaseException | None) -> None:
        """Settle a reply once the output gate, as it is now, is open."""
        chain = self._output.chain
        if chain is None:
            self._leave(reply, value, error, None)
            return

        def leave(opening: Promise) -> None:
            # It may be opened inside a turn, whose microtasks the caller's callbacks are not.
            hook = self._hook
            turn, hook.turn = hook.turn, None
            try:
                self._leave(reply, value, error, opening.exception())
            finally:
                hook.turn = turn

        chain.add_done_callback(leave)

    def _leave(
        self, reply: Reply, value: Any, error: BaseException | None, failure: Exception | None
    ) -> None:
        self.drop(reply)
        if reply.done():
            return
        if self._broken is not None:
            _fail(reply, self._broken.copy())
        elif failure is not None:
            _fail(reply, failure)
        elif error is not None:
            _fail(reply, for_the_outside(error))
        else:
            reply.set_result(value)

    def fail_all(self, broken: DurableObjectError) -> None:
        """The object is reset: each caller gets an error of its own."""
        self._broken = broken
        pending, self._pending = self._pending, {}
        for reply in pending:
            if not reply.done():
                _fail(reply, broken.copy())

    def drop(self, reply: Reply) -> None:
        """Nobody will settle it: its event never ran."""
        self._pending.pop(reply, None)


def for_the_outside(error: BaseException) -> BaseException:
    """A handler that was cancelled from inside must not look like the caller's cancellation."""
    if isinstance(error, asyncio.CancelledError):
        return RemoteError("CancelledError", "the call was cancelled inside the object")
    return error


def _fail(reply: Reply, error: BaseException) -> None:
    reply.set_exception(error)
    reply.exception()  # retrieved: the caller may have gone
