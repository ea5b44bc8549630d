"""One simulated container: a control server's tasks without a process.

Theory of operation. All its tasks live in one task group under one task, so its end is the end of
that task, and "nothing of it lives" is "the task is done". `kill` marks the life as over before it
cancels: effects ask the life, so nothing happens after the kill although tasks still unwind.
Requests in flight at the end are answered by nobody; their callers see a broken connection.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.control_client import Answer, ControlClient, NoAnswer
from boomtown.container_sim.control_desk import ControlDesk
from boomtown.container_sim.deadlines import deadline
from boomtown.container_sim.drain import DrainWish
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.faulty_calls import FaultyCalls
from boomtown.container_sim.faulty_way import FaultyWay
from boomtown.container_sim.sim_agent import Interval, SimAgent, SimBirths
from boomtown.container_sim.sim_git import SimGit
from boomtown.container_sim.sim_life import LivingCalls, SimLife
from boomtown.container_sim.sim_programs import Program
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings
from boomtown.container_sim.town_calls import TownCalls
from boomtown.container_sim.town_link import TownLink
from boomtown.container_sim.workplace import Workplace
from boomtown.entropy import Entropy
from boomtown.ids import InstanceId


class SimWorld(msgspec.Struct, frozen=True, kw_only=True):
    """What all instances of a simulated world share."""

    repositories: SimRepositories
    clock: Clock
    entropy: Entropy
    faults: Faults
    timings: SimTimings
    town_calls: TownCalls
    programs: Mapping[str, Program]
    pids: itertools.count[int]
    intervals: list[Interval]
    bodies: type[Bodies]


class SimInstance:
    """Satisfies places.Container. Made on the event loop; it serves from the first pass on."""

    def __init__(self, order: BootOrder, world: SimWorld) -> None:
        self.instance_id: InstanceId = order.instance_id
        self.pid = next(world.pids)
        self._order = order
        self._world = world
        self._wish = DrainWish()
        self._ready = asyncio.Event()
        self._request_numbers = itertools.count(1)
        self._exit_code = 0
        self._agents: list[SimAgent] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._desk: ControlDesk | None = None
        self._life = SimLife(world.clock, world.entropy, world.faults, world.timings, self.kill)
        way = SimWay(self, world.clock)
        self.client = ControlClient(self.instance_id, FaultyWay(way, world.faults, world.clock))
        self._main = asyncio.create_task(self._serve(), name=f"container-{self.instance_id}")

    @property
    def is_over(self) -> bool:
        return self._life.is_over or self._main.done()

    def drain(self) -> None:
        self._wish.hurry()

    def evict(self) -> None:
        """SIGTERM, by nobody of the town's server: its agents may finish."""
        self._wish.evict()

    def kill(self) -> None:
        """At once, as SIGKILL: nothing of it has any effect from here on."""
        self._end(-signal.SIGKILL)

    async def wait_ready(self) -> None:
        """Return when it takes requests, or never will."""
        await self._ready.wait()

    async def wait_gone(self) -> int | None:
        await asyncio.wait({self._main})
        await self.client.close()
        clock = self._world.clock
        end_ms = self._world.timings.end.draw(self._world.entropy, label="sim.gone_ms")
        await clock.sleep_until_ms(clock.now_ms() + end_ms)
        if not self._main.cancelled():
            self._main.result()  # a bug of ours must not look like a container's end
        return self._exit_code

    def receive(self, method: str, path: str, body: bytes) -> asyncio.Future[Answer]:
        """Take a request; its answer comes later, or ConnectionError when the instance ends."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.is_over or self._tasks is None:
            answered.set_exception(ConnectionRefusedError())
        else:
            self._tasks.create_task(
                self._answer(method, path, body, answered),
                name=f"request-{self.instance_id}-{next(self._request_numbers)}",
            )
        return answered

    async def _answer(
        self, method: str, path: str, body: bytes, answered: asyncio.Future[Answer]
    ) -> None:
        assert self._desk is not None
        try:
            await self._life.spend(self._world.timings.control_way, "control_request")
            answer = await self._desk.answer(method, path, body)
            await self._life.spend(self._world.timings.control_way, "control_answer")
            if not answered.done():
                answered.set_result(answer)
        finally:
            if not answered.done():
                answered.set_exception(ConnectionResetError())

    async def _serve(self) -> None:
        order, world, life = self._order, self._world, self._life
        limits = order.settings.limits
        calls = FaultyCalls(LivingCalls(world.town_calls, life), world.faults, world.clock)
        git = SimGit(Path(order.settings.data_dir), world.repositories, life)
        async with asyncio.TaskGroup() as tasks:
            births = SimBirths(
                self.instance_id,
                world.repositories,
                world.programs,
                life,
                world.clock,
                world.faults,
                world.town_calls,
                tasks,
                world.pids,
                world.intervals,
                output_bytes_max=limits.agent_output_bytes_max,
            )
            self._agents = births.agents
            workplace = Workplace(order, git, births, self._find_program, world.faults, life.reach)
            link = TownLink(order, calls, world.clock, world.entropy, world.faults)
            bodies = world.bodies(
                self.instance_id,
                workplace,
                link,
                world.clock,
                tasks,
                kill_wait_ms=limits.kill_wait_ms_max,
            )
            self._desk = ControlDesk(
                order,
                bodies,
                link,
                workplace,
                git,
                world.clock,
                world.faults,
                life.reach,
                pid=self.pid,
            )
            self._tasks = tasks
            self._ready.set()
            tasks.create_task(self._desk.ask_registry(), name=f"ask-{self.instance_id}")
            await self._desk.drain(self._wish)
            self._end(0)
            await asyncio.Event().wait()

    def _end(self, exit_code: int) -> None:
        if not self.is_over:
            self._life.is_over = True
            self._exit_code = exit_code
            for agent in self._agents:
                agent.note_end()
            self._ready.set()
            self._main.cancel()

    def _find_program(self, argv: tuple[str, ...]) -> str | None:
        return argv[0] if argv and argv[0] in self._world.programs else None


class SimWay:
    """Satisfies ControlWay to a simulated instance."""

    def __init__(self, instance: SimInstance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    async def close(self) -> None:
        """There is no connection to close."""

    async def send(self, method: str, path: str, body: bytes | None, *, timeout_ms: int) -> Answer:
        answered = self._instance.receive(method, path, body or b"")
        try:
            async with deadline(self._clock, timeout_ms):
                return await answered
        except TimeoutError as error:
            raise NoAnswer("timeout") from error
        except ConnectionError as error:
            raise NoAnswer(type(error).__name__) from error
