"""A simulated agent: the real agents' code in a task, with a pid, an exit code and a record.

Its exit code is its program's, or the negative signal that ended it. SIGTERM ends it at once, as it
ends the real one, which does not catch it.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Mapping

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.session_run import run_session
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.faulty_calls import FaultyCalls
from boomtown.container_sim.model import SessionKind
from boomtown.container_sim.sim_life import LivingCalls, SimLife
from boomtown.container_sim.sim_programs import Program
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_worktree import SimOutput, SimSurroundings, SimWorktree
from boomtown.container_sim.town_calls import TownCalls
from boomtown.ids import AgentId, BeadId, InstanceId, SessionId


class Interval(msgspec.Struct, kw_only=True):
    """When a session had a body; written by whoever gave it the body, never by the agent."""

    instance_id: InstanceId
    session_id: SessionId
    agent_id: AgentId
    bead_id: BeadId
    kind: SessionKind
    pid: int
    started_at_ms: int
    ended_at_ms: int | None = None  # None while it lives


class SimAgent:
    """Satisfies workplace.AgentBody."""

    def __init__(
        self,
        interval: Interval,
        output: SimOutput,
        life: SimLife,
        clock: Clock,
        program: asyncio.Task[int],
    ) -> None:
        self._interval = interval
        self._output = output
        self._life = life
        self._clock = clock
        self._program = program
        self._signal = signal.SIGKILL
        program.add_done_callback(lambda _: self.note_end())

    @property
    def pid(self) -> int:
        return self._interval.pid

    @property
    def output(self) -> SimOutput:
        return self._output

    def note_end(self) -> None:
        """Nothing of it lives from now on."""
        if self._interval.ended_at_ms is None:
            self._interval.ended_at_ms = self._clock.now_ms()

    async def wait_exit(self) -> int:
        await asyncio.wait({self._program})
        return -self._signal if self._program.cancelled() else self._program.result()

    async def find_breach(self) -> str | None:
        return None  # it uses nothing of the machine

    async def end(self, *, grace_ms: int, kill_wait_ms: int) -> int:
        if not self._program.done():
            self._signal = signal.SIGTERM if grace_ms > 0 else signal.SIGKILL
            self._program.cancel()
            await self._life.spend(self._life.timings.end, "end")
        return await self.wait_exit()


class SimBirths:
    """Satisfies workplace.AgentBirths; agents run in the instance's tasks."""

    def __init__(
        self,
        instance_id: InstanceId,
        repositories: SimRepositories,
        programs: Mapping[str, Program],
        life: SimLife,
        clock: Clock,
        faults: Faults,
        town_calls: TownCalls,
        tasks: asyncio.TaskGroup,
        pids: itertools.count[int],
        intervals: list[Interval],
        *,
        output_bytes_max: int,
    ) -> None:
        self.agents: list[SimAgent] = []
        self._instance_id = instance_id
        self._repositories = repositories
        self._programs = programs
        self._life = life
        self._clock = clock
        self._faults = faults
        self._town_calls = town_calls
        self._tasks = tasks
        self._pids = pids
        self._intervals = intervals
        self._output_bytes_max = output_bytes_max

    async def spawn(self, order: AgentOrder) -> SimAgent:
        await self._life.spend(self._life.timings.spawn, "spawn")
        session = order.session
        output = SimOutput(self._clock, bytes_max=self._output_bytes_max)
        interval = Interval(
            instance_id=self._instance_id,
            session_id=session.session_id,
            agent_id=session.agent_id,
            bead_id=session.bead_id,
            kind=session.kind,
            pid=next(self._pids),
            started_at_ms=self._clock.now_ms(),
        )
        self._intervals.append(interval)
        name = f"agent-{session.session_id}"
        program = self._tasks.create_task(self._run(order, output), name=name)
        agent = SimAgent(interval, output, self._life, self._clock, program)
        self.agents.append(agent)
        return agent

    async def _run(self, order: AgentOrder, output: SimOutput) -> int:
        worktree = SimWorktree(order.worktree, self._repositories, self._life)
        around = SimSurroundings(order, worktree, self._life, output, self._programs)
        calls = FaultyCalls(LivingCalls(self._town_calls, self._life), self._faults, self._clock)
        await self._life.spend(self._life.timings.work, "work")
        return await run_session(order, calls, worktree, around)
