"""What one case about gates acts on: an object's bare gates, a log, and waits without time.

`io` stands for real I/O: a future that the host resolves some passes of the loop later. So the
order of events is a matter of passes, and a case means the same on every loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from boomtown.actors.runtime import critical_sections
from boomtown.actors.runtime.loop_hook import install_hook
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.replies import keep
from boomtown.actors.runtime.runtime_errors import DurableObjectError, ObjectReset, reset_error
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock

T = TypeVar("T")

CASE_PASSES_MAX = 5_000  # a case that takes more is taken to hang


class GateObject:
    """One object: its gates, and what stands for its storage."""

    def __init__(self, world: GateWorld, limits: RuntimeLimits) -> None:
        self.commits: list[Promise] = []
        self.breaks: list[DurableObjectError] = []
        self.is_held = False
        self._world = world
        self._limits = limits
        self.gates = ObjectGates(
            world.hook,
            clock=world.clock,
            limits=limits,
            on_commit=self._commit,
            on_broken=self.breaks.append,
        )

    @property
    def depth(self) -> int:
        """How deep in critical sections the present turn is."""
        return self.gates.scope.depth

    def in_turn(self) -> bool:
        return self._world.hook.turn is self.gates

    async def read(self, value: T) -> T:
        """A storage read: it checks the turn and does not suspend."""
        self.gates.check_turn("read")
        return value

    def write(self) -> None:
        self.gates.check_turn("write")
        self.gates.request_commit()

    def block(self, callback: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        return critical_sections.block_concurrency_while(
            self.gates, callback, clock=self._world.clock, limits=self._limits
        )

    def abort(self, reason: str) -> None:
        """As ctx.abort: does not return."""
        self.gates.break_with(reset_error(reason))
        raise ObjectReset(reason)

    def _commit(self) -> None:
        if self.is_held:
            durable = Promise()
            self.commits.append(durable)
            self.gates.output.lock_while(durable)


class GateWorld:
    """Made inside the running loop, one for each case."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hook = install_hook(self.loop)
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.object = self.new_object()

    def new_object(self, limits: RuntimeLimits | None = None) -> GateObject:
        return GateObject(self, limits or RuntimeLimits())

    def call(
        self, coroutine: Coroutine[Any, Any, Any], target: GateObject | None = None
    ) -> asyncio.Task[Any]:
        """Start an event from a task of its own, as a request does."""
        return self.loop.create_task(self.invoke(coroutine, target))

    async def invoke(
        self, coroutine: Coroutine[Any, Any, T], target: GateObject | None = None
    ) -> T:
        """Deliver an event and wait for its reply."""
        is_done, value = (target or self.object).gates.invoke(coroutine, keep)
        answer: T = value if is_done else await value
        return answer

    async def io(self, passes: int = 5) -> None:
        """Real I/O: the host resolves it `passes` passes of the loop later."""
        future: asyncio.Future[None] = self.loop.create_future()
        self._count_down(passes, future)
        await future

    def _count_down(self, passes: int, future: asyncio.Future[None]) -> None:
        if passes > 0:
            self.hook.call_soon(self._count_down, passes - 1, future)
        elif not future.done():
            future.set_result(None)

    async def settle(self) -> None:
        """From the host: let everything happen that can without real I/O."""
        for _ in range(100):
            await asyncio.sleep(0)

    async def outcome(self, task: asyncio.Future[Any]) -> Any:
        """The result of a call, or its exception as a value."""
        return (await asyncio.gather(task, return_exceptions=True))[0]

    async def reset_reason(self, task: asyncio.Future[Any]) -> str:
        """The text with which a call was refused by a reset."""
        error = await self.outcome(task)
        assert isinstance(error, DurableObjectError), error
        assert error.durable_object_reset
        return str(error)


async def forever() -> None:
    """A wait that only a cancellation ends."""
    await asyncio.Event().wait()


Case = Callable[[GateWorld], Coroutine[Any, Any, None]]
