"""The containers of a host's objects: one place per object, which outlives its instances.

Theory of operation. An object's instance attaches to its slot when it starts and lets go when it
ends. A container whose object let go is killed, at once or `inactivity_ms` later if the object has
asked for that; an instance that attaches meanwhile finds it running (durable-actors 7.1, case
177). Every start is a *run* with a number of its own kind, so what an older run reports never
changes a newer one.

What changes the container runs as tasks of the host, one at a time in the order of the calls
(`turn`); a start waits until the run before it is gone, so two containers of one object never
overlap. `is_running` is optimistic: true from the call of start, until the end is seen.

In memory only: containers die with the host (command_containers.py sees to what a crash leaves).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from boomtown.actors.runtime.container_port import Command, ContainersPort, RunningContainer
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.clock import Clock, Timer
from boomtown.container_sim.command_model import (
    CommandFailed,
    CommandOrder,
    ExecOrder,
    ExecOutcome,
    NotListening,
    PortAnswer,
    PortRequest,
)


class ContainerRun:
    """One start, from the call to the end of the last process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.container: RunningContainer | None = None
        self.started: asyncio.Future[None] = loop.create_future()  # or it never will be
        self.ended: asyncio.Future[int | CommandFailed] = loop.create_future()
        self.has_begun = False  # the host works on it: whoever gives it up need not end it
        self.is_given_up: bool = False
        self.destroy_error: Exception | None = None  # given out once

    def end(self, outcome: int | CommandFailed) -> None:
        """It is over; the first outcome counts."""
        if not self.started.done():
            self.started.set_result(None)
        if not self.ended.done():
            self.ended.set_result(outcome)

    def give_up(self) -> None:
        """Nobody wants it any more."""
        self.is_given_up = True
        if self.container is not None:
            self.container.kill()
        elif not self.has_begun:
            self.end(CommandFailed("the container failed to start: its object was reset"))


class ContainerSlot:
    """The place of one object's container."""

    def __init__(self, key: ObjectKey, command: Command, port: ContainersPort) -> None:
        self.command = command
        self.inactivity_ms: int | None = None
        self.run: ContainerRun | None = None
        self._label = f"{key.class_name}/{key.object_id}"
        self._port = port
        self._turn = asyncio.Lock()
        self._watchers: dict[asyncio.Task[None], None] = {}

    @property
    def is_running(self) -> bool:
        run = self.run
        return run is not None and not run.ended.done() and not run.is_given_up

    def new_run(self, loop: asyncio.AbstractEventLoop) -> tuple[ContainerRun, ContainerRun | None]:
        """The next run, and the one before it."""
        before, self.run = self.run, ContainerRun(loop)
        return self.run, before

    async def start(
        self,
        run: ContainerRun,
        before: ContainerRun | None,
        *,
        argv: tuple[str, ...],
        env: dict[str, str],
    ) -> None:
        """Start a run's container; what goes wrong is the run's outcome."""
        run.has_begun = True
        async with self._turn:
            if before is not None:
                await asyncio.wait([before.ended])
            order = CommandOrder(label=self._label, argv=argv, ports=self.command.ports, env=env)
            try:
                container = await self._port.start(order)
            except CommandFailed as error:
                run.end(error)
                return
            except asyncio.CancelledError:
                run.end(CommandFailed("the container failed to start: the host is ending"))
                raise
            run.container = container
            watcher = asyncio.get_running_loop().create_task(self._watch(run, container))
            self._watchers[watcher] = None
            watcher.add_done_callback(self._watchers.pop)
            run.started.set_result(None)
            if run.is_given_up:
                container.kill()

    async def _watch(self, run: ContainerRun, container: RunningContainer) -> None:
        try:
            run.end(await container.wait_gone())
        except asyncio.CancelledError:
            run.end(CommandFailed("the container was not seen to end: the host is ending"))
            raise

    async def destroy(self, run: ContainerRun) -> None:
        """Kill a run's container; returns when it is gone."""
        async with self._turn:
            run.give_up()
            await asyncio.wait([run.ended])

    async def signal(self, run: ContainerRun, number: int) -> None:
        async with self._turn:
            if run.container is not None:
                run.container.signal(number)

    async def fetch(self, run: ContainerRun, port: int, request: PortRequest) -> PortAnswer:
        """Ask a port, once the container is started. Raises NotListening, ConnectionError."""
        await asyncio.wait([run.started])
        if run.container is None:
            raise NotListening(f"The container is not listening to port {port}")
        return await run.container.fetch(port, request)

    async def execute(self, run: ContainerRun, order: ExecOrder) -> ExecOutcome:
        """Run a program inside, once the container is started. Raises CommandFailed."""
        await asyncio.wait([run.started])
        if run.container is None:
            raise CommandFailed("the program failed to start: there is no container")
        return await run.container.run(order)


class ContainerSlots:
    """The slots of one host. `port` is None where there are no containers."""

    def __init__(self, port: ContainersPort | None, *, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._slots: dict[ObjectKey, ContainerSlot] = {}
        self._timers: dict[ObjectKey, Timer] = {}  # of those whose object let go

    def attach(self, key: ObjectKey, command: Command | None) -> ContainerSlot | None:
        """The slot of an object that starts; None where it has no container."""
        if command is None or self._port is None:
            return None
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = ContainerSlot(key, command, self._port)
        return slot

    def let_go(self, key: ObjectKey) -> None:
        """The object's instance has ended."""
        slot = self._slots.get(key)
        if slot is None or key in self._timers:
            return
        if slot.inactivity_ms is None or not slot.is_running:
            self._give_up(key)
            return
        at_ms = self._clock.now_ms() + slot.inactivity_ms
        self._timers[key] = self._clock.call_at_ms(at_ms, lambda: self._give_up(key))

    def _give_up(self, key: ObjectKey) -> None:
        self._timers.pop(key, None)
        slot = self._slots[key]
        if slot.run is None or slot.run.ended.done():
            del self._slots[key]
            return
        slot.run.give_up()  # kept, so that the next start waits for its end

    async def aclose(self) -> None:
        """Kill every container; returns when they are gone. No object is live any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        runs = [slot.run for slot in self._slots.values() if slot.run is not None]
        for run in runs:
            run.give_up()
        if runs:
            await asyncio.wait([run.ended for run in runs])
        self._slots.clear()


Attach = Callable[[ObjectKey, Command | None], ContainerSlot | None]
