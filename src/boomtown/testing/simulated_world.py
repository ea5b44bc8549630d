"""One simulated run of a user's own classes: a host on a disk that fails, and its clients.

Theory of operation. The world is one machine with one disk, on which a real Host serves the
classes under test: the gates, the storage, SQLite and the commit path are those of production,
and only the clock, the disk, the entropy and the order of ready tasks are simulated. The workload
runs outside of the machine and outlives it. It reaches objects by `world.stub(name)`: each call
is a task of its own that may take a few milliseconds to get there and back (label "call").

The machine stops at a chosen operation of its disk (label "fault.disk.op"), by a power cut or a
kill, or when the workload says so. From that instant nothing that the program still does in
memory gets out: calls under way, and those made before it is up again, raise MachineLost, which
means that nobody knows whether they were carried out. After a power cut the disk has what was
synced and, by choice, some of the rest; the host starts again on it, 200 ms later.

Durable is what the disk has. The ledger (`acknowledged`) is the outside's: what the workload
writes there it was told by an object, so whatever an outage leaves must agree with it.

Does not simulate more than one host, or a network that loses messages between live machines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw

from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.exchange import Body, HeaderSource, Request, Response
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.namespace import DurableObjectStub
from boomtown.actors.runtime.ports import Durability, SilentInstrument
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.limits import RuntimeLimits, SimulationLimits
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.faults import ChosenFaults, FaultKind, FaultRate
from boomtown.sim.machine import Machine
from boomtown.sim.network import LinkQuality, Network
from boomtown.sim.run_trace import Fact, Trace
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, folder_lister, folder_maker, virtual_sqlite
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, describe_tasks

T = TypeVar("T")

DATA_DIR = Path("/data")
# What a program meets whose machine has stopped, while it is being ended.
STOPPED = (MachineStopped, apsw.Error, DurableObjectError, OSError)


class MachineLost(DurableObjectError):
    """The machine stopped, or is down: nobody knows whether the call was carried out."""

    def __init__(self) -> None:
        super().__init__("The machine stopped during the call", retryable=True)


class Scenario(NamedTuple):
    """What is simulated: the same for every seed."""

    classes: Mapping[str, type[DurableObject]]
    services: Callable[[World], Mapping[str, object]]  # called once for each run, as is the next
    bindings: Callable[[World], Mapping[str, Any]]
    durability: Durability
    limits: SimulationLimits


class _Life:
    """The host between two outages, and the calls that wait for its answers."""

    def __init__(self, disk: Disk, host: Host) -> None:
        self.disk = disk
        self.host = host
        self.calls: dict[asyncio.Task[Any], None] = {}
        self.is_over = False

    @property
    def is_up(self) -> bool:
        return not (self.is_over or self.disk.is_stopped)

    def end(self) -> None:
        self.is_over = True
        for call in list(self.calls):
            call.cancel()


class World:
    """What a workload and an invariant are given. The same seed gives the same world."""

    def __init__(self, loop: VirtualLoop, choices: Choices, scenario: Scenario) -> None:
        self.clock: VirtualClock = VirtualClock(loop)
        self.entropy: ChosenEntropy = ChosenEntropy(choices)
        self.ledger: list[Fact] = []  # what the outside was told, in order
        self.trace: Trace = Trace(self.clock.now_ms)
        self._loop = loop
        self._choices = choices
        self._scenario = scenario
        self._services = dict(scenario.services(self))
        self._bindings = dict(scenario.bindings(self))
        rate = FaultRate(scenario.limits.outages_per_mille, (FaultKind.POWER_CUT, FaultKind.KILL))
        self._faults = ChosenFaults(choices, {"disk.op": rate})
        self._machine = Machine(
            "host",
            self._run_host,
            clock=self.clock,
            choices=choices,
            faults=self._faults,
            network=Network(clock=self.clock, choices=choices, quality=LinkQuality()),
            trace=self.trace,
            reboot_ms=scenario.limits.reboot_ms,
        )
        self._life: _Life | None = None
        self._started = asyncio.Event()

    # What workloads use.

    def stub(self, name: str, *, class_name: str | None = None) -> WorldStub:
        """The object of that name; `class_name` may be left out where there is one class.

        It may be kept across outages and resets: each call finds the present instance.
        """
        if class_name is None:
            (class_name,) = self._scenario.classes
        return WorldStub(self, class_name, name)

    @property
    def host(self) -> Host:
        """The present host, for `run_in_object` and its kin, past the wire. It ends with the next
        outage. Raises MachineLost while the machine is down."""
        if self._life is None or not self._life.is_up:
            raise MachineLost
        return self._life.host

    def acknowledged(self, entry: Fact) -> None:
        """Note in the ledger that an object has confirmed `entry`: an integer or a text."""
        self.ledger.append(entry)
        self.trace.record("acknowledged", entry=entry)

    async def run_clients(
        self, count: int, client: Callable[[int], Coroutine[Any, Any, None]]
    ) -> None:
        """Run `client(0)` to `client(count - 1)` at the same time, until all have returned. The
        first exception ends the others, and is raised here."""
        tasks = [
            asyncio.create_task(client(number), name=f"client {number}") for number in range(count)
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def retry(self, call: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Make `call(*args)` until it is answered: again after each outage, and after each
        failure that says that it may be tried again. So it may be carried out more than once."""
        while True:
            await self.wait_until_up()
            try:
                return await call(*args)
            except DurableObjectError as error:
                if not error.retryable:
                    raise
            await self.sleep_ms(1)

    async def pause(self, at_most_ms: int) -> None:
        """Sleep for a chosen time, often none: so that clients meet at other moments."""
        await self.sleep_ms(self._choices.pick(at_most_ms + 1, label="pause"))

    async def sleep_ms(self, span_ms: int) -> None:
        """Sleep, in virtual time: others run meanwhile, and no real time passes."""
        await self.clock.sleep_until_ms(self.clock.now_ms() + span_ms)

    def kill(self) -> None:
        """Kill the host's process now, as SIGKILL does: the page cache stays."""
        self._stop(FaultKind.KILL)

    def cut_power(self) -> None:
        """Stop the machine now: what was not synced is gone, or by choice some of it is."""
        self._stop(FaultKind.POWER_CUT)

    async def wait_until_up(self) -> None:
        """Return when the host serves calls; at once while it does."""
        while self._life is None or not self._life.is_up:
            self._started.clear()
            await self._started.wait()

    @property
    def outages(self) -> int:
        """How often the host was stopped so far, by a power cut or a kill, chosen or asked for."""
        return self._machine.lives - 1

    def _stop(self, kind: FaultKind) -> None:
        self._machine.crash(kind)
        if self._life is not None:
            self._life.end()

    # What the simulation does with it.

    async def run(
        self,
        workload: Callable[[World], Awaitable[None]],
        invariant: Callable[[World], Awaitable[None]],
    ) -> None:
        """Run the workload, cut the power, start again, and check the invariant. Raises what
        they raise."""
        machine = asyncio.create_task(self._machine.run(), name="machine")
        run_ms_max = self._scenario.limits.run_ms_max
        waiting: list[str] = []
        # Before the bound's own timer: what the tasks wait for is gone once they are cancelled.
        timer = self.clock.call_at_ms(
            self.clock.now_ms() + run_ms_max, lambda: waiting.append(describe_tasks(self._loop))
        )
        bound = asyncio.timeout(run_ms_max / 1000)
        try:
            async with bound:
                await self._alongside(machine, workload)
                self._faults.stop()
                self.cut_power()
                await self._alongside(machine, invariant)
        except TimeoutError as error:
            if bound.expired():
                told = "; ".join(waiting)
                raise TimeoutError(f"{run_ms_max} ms of virtual time are over; {told}") from error
            raise
        finally:
            timer.cancel()
            self._machine.shut_down()
            await machine

    async def _alongside(
        self, machine: asyncio.Task[None], story: Callable[[World], Awaitable[None]]
    ) -> None:
        async def tell() -> None:
            await self.wait_until_up()
            await story(self)

        telling = asyncio.create_task(tell(), name=getattr(story, "__name__", "story"))
        try:
            await asyncio.wait([telling, machine], return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        if machine.done():
            await machine  # the host failed on a disk that works: raise that
        await telling

    async def _run_host(self, disk: Disk) -> None:
        with virtual_sqlite(disk, now_ms=self.clock.now_ms, choices=self._choices) as vfs:
            if not disk.exists(str(DATA_DIR)):
                disk.mkdir(str(DATA_DIR))
            disk.sync_dir("/")
            host = self._new_host(vfs)
            life = _Life(disk, host)
            try:
                await host.start()
                self._life = life
                self._started.set()
                await asyncio.Event().wait()
            finally:
                life.end()
                with contextlib.suppress(*STOPPED):
                    await host.aclose()

    def _new_host(self, vfs: SimulatedVfs) -> Host:
        scenario = self._scenario
        limits = RuntimeLimits()
        backend = SqliteBackend(
            data_dir=DATA_DIR,
            classes_with_alarms=[
                name for name, kind in scenario.classes.items() if hasattr(kind, "alarm")
            ],
            durability=scenario.durability,
            flush=DiskFlush(vfs.disk),
            runner=FlushInline(),
            log=None,
            options=DatabaseOptions(
                vfs=vfs.name,
                make_folders=folder_maker(vfs.disk),
                list_folder=folder_lister(vfs.disk),
                remove_file=lambda file: vfs.disk.delete(str(file)),
            ),
            clock=self.clock,
            entropy=self.entropy,
            limits=limits,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        return Host(
            classes=scenario.classes,
            data_dir=DATA_DIR,
            clock=self.clock,
            entropy=self.entropy,
            secrets=CountingSecrets(),
            limits=limits,
            services=self._services,
            bindings=self._bindings,
            backend=backend,
        )

    async def call(
        self,
        class_name: str,
        name: str,
        what: str,
        deliver: Callable[[DurableObjectStub], Coroutine[Any, Any, T]],
    ) -> T:
        """One call over the wire, for WorldStub; workloads use `stub`."""
        await self._travel()
        stub_host, life = self.host, self._life
        assert life is not None
        self.trace.record("called", object=name, what=what)
        stub = stub_host.namespace(class_name).get_by_name(name)
        task = asyncio.create_task(deliver(stub), name=f"{name}.{what}")
        life.calls[task] = None
        try:
            answer = await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if life.is_over and caller is not None and not caller.cancelling():
                raise MachineLost from None
            raise
        except Exception as error:
            if not life.is_up:
                raise MachineLost from error
            self.trace.record("failed", object=name, what=what, error=type(error).__name__)
            raise
        finally:
            del life.calls[task]
        await self._travel()
        if not life.is_up:
            raise MachineLost
        self.trace.record("answered", object=name, what=what)
        return answer

    async def _travel(self) -> None:
        delay_ms = self._choices.pick(self._scenario.limits.call_delay_ms_max + 1, label="call")
        if delay_ms:
            await self.sleep_ms(delay_ms)


class WorldStub:
    """Calls one object, as DurableObjectStub does, over a wire that an outage cuts.

    Calls raise MachineLost when the machine stops before the answer has arrived; everything else
    as a stub's calls. Calls of one stub that are made at once may arrive in any order.
    """

    def __init__(self, world: World, class_name: str, name: str) -> None:
        self._world = world
        self._class_name = class_name
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            def deliver(stub: DurableObjectStub) -> Coroutine[Any, Any, Any]:
                called: Coroutine[Any, Any, Any] = getattr(stub, name)(*args, **kwargs)
                return called

            return await self._world.call(self._class_name, self._name, name, deliver)

        return call

    async def fetch(
        self,
        request: Request | str,
        *,
        method: str = "GET",
        headers: HeaderSource | None = None,
        body: Body | str = b"",
    ) -> Response:
        """As DurableObjectStub.fetch."""

        def deliver(stub: DurableObjectStub) -> Coroutine[Any, Any, Response]:
            return stub.fetch(request, method=method, headers=headers, body=body)

        return await self._world.call(self._class_name, self._name, "fetch", deliver)
