"""How calls leave the objects of a host: held by the output gate, then as tasks of the host.

Theory of operation. A call that an object's turn makes, to another object, to a service or to a
server, begins once everything that the object wrote before is durable, and never if that fails.
It runs as a task of the host, so nothing that the object does, a reset included, cancels it, and
its answer comes to the object through the input gate. Calls between objects are known to the
graph that finds deadlocks (call_cycles.py). Nothing is durable: a crash leaves calls that were
sent, or were not, and none of them was sent before what it followed was durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from boomtown.actors.runtime.call_cycles import CallGraph, OutgoingCall
from boomtown.actors.runtime.http_client import AiohttpClient
from boomtown.actors.runtime.instance import LiveObject
from boomtown.actors.runtime.loop_hook import LoopHook
from boomtown.actors.runtime.namespace import Connection
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.actors.runtime.outgoing_fetch import HttpClient, OutgoingFetch
from boomtown.actors.runtime.runtime_errors import DurableObjectError, for_caller
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

Connect = Callable[[Connection], LiveObject]
Invoke = Callable[[LiveObject], tuple[bool, Any]]


class HostCalls:
    """The calls of one host's objects; satisfies environment.OutgoingCalls."""

    def __init__(
        self,
        connect: Connect,
        *,
        clock: Clock,
        limits: RuntimeLimits,
        http_client: HttpClient | None,
    ) -> None:
        self._connect = connect
        self.fetch: OutgoingFetch = OutgoingFetch(
            http_client or AiohttpClient(limits), self.hold_and_run, clock=clock, limits=limits
        )
        self._hook: LoopHook | None = None
        self._graph = CallGraph()
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their beginning

    def start(self, hook: LoopHook) -> None:
        """Belong to a loop."""
        self._hook = hook

    async def aclose(self) -> None:
        """Drop the calls that still run; their callers get an error that they may retry."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.fetch.aclose()

    def __len__(self) -> int:
        return len(self._tasks)

    def is_in_turn(self) -> bool:
        """Whether an object's code runs now."""
        return self._hook is not None and self._hook.turn is not None

    def hold_and_run(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Future[Any]:
        """Run `call` as a task of the host, once what the present object wrote is durable."""
        hook = self._hook
        assert hook is not None, "the host is started"
        caller = hook.turn
        assert isinstance(caller, ObjectGates), "only an object's turn has outgoing calls"
        answer: asyncio.Future[Any] = hook.loop.create_future()

        def begin() -> None:
            task = hook.loop.create_task(call())
            self._tasks[task] = None
            task.add_done_callback(end)

        def end(task: asyncio.Task[Any]) -> None:
            del self._tasks[task]
            error = (
                DurableObjectError(
                    "The call was dropped: the host is shutting down", retryable=True
                )
                if task.cancelled()
                else task.exception()
            )
            if answer.done():
                return
            if error is None:
                answer.set_result(task.result())
            else:
                answer.set_exception(error)

        caller.depart(begin)
        return answer

    async def deliver(self, connection: Connection, invoke: Invoke) -> Any:
        """Call the object of a stub: at once from host code, held from an object's turn. Raises
        what its caller is to see."""
        if not self.is_in_turn():
            live = self._connect(connection)
            try:
                is_done, value = invoke(live)
                return value if is_done else await value
            except Exception as error:
                raise for_caller(error, object_id=live.key.object_id) from error.__cause__
        call = OutgoingCall(connection.label)

        async def deliver() -> Any:
            live = self._connect(connection)
            try:
                is_done, value = self._graph.deliver(call, live.gates, lambda: invoke(live))
                return value if is_done else await value
            except Exception as error:
                raise for_caller(error, object_id=live.key.object_id) from error.__cause__

        answer = self.hold_and_run(deliver)
        self._graph.add(call, answer)
        try:
            return await answer
        finally:
            self._graph.remove(answer)
