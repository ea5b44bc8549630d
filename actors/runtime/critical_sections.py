"""block_concurrency_while: code of an object that holds back everything that did not start in it.

Theory of operation (durable-actors 2.2). A section waits its turn in the scope of the turn that
asked for it, before ordinary waiters. While it runs it holds that scope, and its own tasks, timers
and I/O are delivered in a scope of its own. When it ends well what was written is committed, and
the caller resumes in the very turn in which it ended, before any queued event; the hold ends with
that turn. When it fails, or runs too long, the object is reset: the code that waits for it never
goes on, and what was written since the last commit is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from boomtown.actors.runtime.gate_tasks import GateTask
from boomtown.actors.runtime.input_gate import Scope
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.runtime_errors import ObjectReset, describe, reset_error
from boomtown.actors.runtime.waiting_frames import waiting_frames
from boomtown.clock import Clock, Timer
from boomtown.limits import RuntimeLimits

T = TypeVar("T")


def block_concurrency_while(
    gates: ObjectGates,
    callback: Callable[[], Awaitable[T]],
    *,
    clock: Clock,
    limits: RuntimeLimits,
) -> asyncio.Future[T]:
    """Run `callback` as a critical section of the present turn's scope.

    Raises ValueError, and breaks nothing, when sections are nested too deeply.
    """
    gates.check_turn("block_concurrency_while")
    parent = gates.scope.current()
    if parent.depth >= limits.critical_section_depth_max:
        raise ValueError("block_concurrency_while is nested too deeply")
    section = _Section(gates, callback, parent, clock=clock, limits=limits)
    parent.wait_with_section(section.start)
    return section.outcome


class _Section:
    """One critical section, from its wait to its end."""

    def __init__(
        self,
        gates: ObjectGates,
        callback: Callable[[], Awaitable[Any]],
        parent: Scope,
        *,
        clock: Clock,
        limits: RuntimeLimits,
    ) -> None:
        self.outcome: asyncio.Future[Any] = gates.loop.create_future()
        self._gates = gates
        self._callback = callback
        self._scope = Scope(gates.hook.call_soon, parent)
        self._clock = clock
        self._limit_ms = limits.critical_section_ms_max
        self._timer: Timer | None = None
        self._task: GateTask | None = None

    def start(self, parent: Scope) -> None:
        """The scope is free, and it is this section's turn."""
        if self._gates.broken is not None:
            return
        parent.lock()
        self._scope.parent = parent
        self._timer = self._clock.call_at_ms(self._clock.now_ms() + self._limit_ms, self._time_out)
        self._task = self._gates.spawn(self._run(), scope=self._scope)
        parent.section = self._task

    async def _run(self) -> None:
        assert self._timer is not None
        gates = self._gates
        try:
            value = await self._callback()
        except (ObjectReset, GeneratorExit):
            raise
        except asyncio.CancelledError:
            gates.break_with(reset_error("A critical section was cancelled before it ended"))
            raise
        except Exception as error:
            failure = reset_error(describe(error))
            failure.__cause__ = error
            gates.break_with(failure)
            return
        finally:
            self._timer.cancel()
        if gates.is_dirty:
            with gates.hook.outside_turn():  # as at the end of a turn, but this one goes on
                gates.commit()
        if gates.broken is not None:
            return
        assert self._scope.parent is not None
        parent = self._scope.parent.current()
        self._scope.finish()
        parent.section = None
        gates.scope = parent
        gates.releases = [*(gates.releases or ()), parent]
        if not self.outcome.done():
            self.outcome.set_result(value)

    def _time_out(self) -> None:
        where = waiting_frames(self._task)
        waiting = len(self._gates.root.waiters or ())
        self._gates.break_with(
            reset_error(
                f"A critical section waited too long in {where} ({waiting} events were queued); "
                "the object was reset",
                overloaded=True,
            )
        )
