"""Two worlds with one face for the containers' conformance suite: processes, and memory."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from boomtown.actors.town.ports import Containers
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.faults import FaultPlan, PlannedFaults
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.model import BodyState, InstanceGone, Known, StartOutcome, StartSession
from boomtown.container_sim.sim_container import SimContainers
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.ids import SessionId
from boomtown.limits import ContainerLimits
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from boomtown.wire import decode_json, encode_json
from support.container_orders import TOWN
from support.container_world import CALL_MS, OVER, ContainerWorld, mint_container_token
from support.git_origin import GitOrigin
from support.town_api import TownCall, open_town_api

HARNESSES = {
    "critic": HarnessSpec(argv=("false",)),
    "absent": HarnessSpec(argv=("no-such-program-anywhere",)),
}
SIM_URL = "https://origin.invalid/rig.git"


class World(Protocol):
    """What a case sees. Waiting is for what was said to the town, never for a time."""

    gone: list[InstanceGone]

    @property
    def containers(self) -> Containers: ...
    @property
    def url(self) -> str: ...
    @property
    def answers(self) -> defaultdict[str, deque[tuple[int, object]]]:
        """By verb: what the town answers next; 200 with nothing else. A refusal's text is its
        code."""
        ...

    def of(self, verb: str) -> list[TownCall]: ...
    async def wait_for(self, verb: str, count: int = 1) -> TownCall: ...
    async def wait_gone(self) -> InstanceGone: ...
    def push_file(self, path: str, text: str, *, branch: str) -> str: ...
    def show(self, branch: str, path: str) -> str: ...
    def head(self, branch: str) -> str: ...
    def worktrees(self) -> list[str]: ...
    def kill_instance(self) -> None: ...
    def fired(self, point: str) -> int: ...


Case = Callable[[World], Awaitable[None]]


class RealWorld:
    """Processes, a bare repository, HTTP on loopback."""

    def __init__(self, world: ContainerWorld, origin: GitOrigin) -> None:
        self.gone = world.gone
        self.containers = world.manager
        self.url = origin.url
        self.answers = world.api.answers
        self.of = world.api.of
        self.wait_for = world.api.wait_for
        self.show = origin.show
        self.head = origin.head
        self.worktrees = world.worktrees
        self._world = world
        self._origin = origin

    def push_file(self, path: str, text: str, *, branch: str) -> str:
        return self._origin.push_file(path, text, branch=branch)

    async def wait_gone(self) -> InstanceGone:
        await self._world.gone_seen.wait()
        return self.gone[-1]

    def kill_instance(self) -> None:
        os.kill(self._world.manager.pids()[TOWN], signal.SIGKILL)

    def fired(self, point: str) -> int:
        path = self._world.data_dir / "faults" / f"fired {point}"
        return path.stat().st_size if path.exists() else 0


class SimWorld:
    """Memory under virtual time."""

    def __init__(self, clock: VirtualClock, seed: int, plan: FaultPlan) -> None:
        self.gone: list[InstanceGone] = []
        self.url = SIM_URL
        self.answers: defaultdict[str, deque[tuple[int, object]]] = defaultdict(deque)
        self.clock = clock
        self.repositories = SimRepositories()
        self.repositories.add_origin(SIM_URL, {"README.md": b"hello\n"})
        self.faults = PlannedFaults(plan)
        self._calls: list[TownCall] = []
        self._changed = asyncio.Condition()
        settings = ContainerSettings(data_dir="/data", harnesses=HARNESSES, faults=plan)
        self.containers = SimContainers(
            settings,
            self.repositories,
            clock,
            ChosenEntropy(Choices(seed=seed)),
            CountingSecrets(),
            self,
            self.faults,
            SimTimings(work=Span(0, 2_000)),  # the orders' run limit is a minute
            mint_container_token,
            self._note_gone,
        )

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """The town: satisfies TownCalls."""
        verb = path.rpartition("/")[2]
        words: dict[str, Any] = decode_json(body)
        queue = self.answers[verb]
        accepted: tuple[int, object] = (200, {"accepted": True})
        status, data = queue.popleft() if queue else accepted
        async with self._changed:
            self._calls.append(TownCall(path=path, verb=verb, body=words, headers=headers))
            self._changed.notify_all()
        answer: dict[str, object] = {"success": status < 400, "data": data}
        if status >= 400 and isinstance(data, str):
            answer = {"success": False, "code": data}
        return status, encode_json(answer)

    def of(self, verb: str) -> list[TownCall]:
        return [call for call in self._calls if call.verb == verb]

    async def wait_for(self, verb: str, count: int = 1) -> TownCall:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.of(verb)) >= count)
        return self.of(verb)[count - 1]

    async def wait_gone(self) -> InstanceGone:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self.gone))
        return self.gone[-1]

    def push_file(self, path: str, text: str, *, branch: str) -> str:
        return self.repositories.push_file(SIM_URL, path, text, branch=branch)

    def show(self, branch: str, path: str) -> str:
        text = self.repositories.find_file(SIM_URL, branch, path)
        assert text is not None, f"{branch} has no {path}"
        return text.strip()

    def head(self, branch: str) -> str:
        return self.repositories.origins[SIM_URL].branches[branch]

    def worktrees(self) -> list[str]:
        return sorted(Path(path).name for path in self.repositories.worktrees)

    def kill_instance(self) -> None:
        assert self.containers.kill_instance(TOWN) is not None

    def fired(self, point: str) -> int:
        return sum(1 for fault in self.faults.fired if fault.point == point)

    async def _note_gone(self, gone: InstanceGone) -> None:
        async with self._changed:
            self.gone.append(gone)
            self._changed.notify_all()


def run_real(case: Case, folder: Path, plan: FaultPlan = ()) -> None:
    """Run a case with processes."""

    async def run() -> None:
        async with open_town_api() as api:
            world = ContainerWorld(folder, api, HARNESSES, ContainerLimits())
            world.settings = msgspec.structs.replace(world.settings, faults=plan)
            world.manager = world.make_manager()
            async with world.manager:
                await case(RealWorld(world, world.origin))

    asyncio.run(run())


def run_simulated(case: Case, *, seed: int = 1, plan: FaultPlan = ()) -> None:
    """Run a case in memory; the order of ready tasks is the seed's."""

    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), seed, plan)
        async with world.containers:
            await case(world)
        assert world.containers.live_intervals() == []

    run_virtually(run, Choices(seed=seed))


async def start(world: World, order: StartSession) -> StartOutcome:
    """Start a session at once."""
    return await world.containers.start_session(order, timeout_ms=CALL_MS)


async def run_to_end(world: World, order: StartSession) -> dict[str, Any]:
    """Start a session and return what its completion said."""
    count = len(world.of("completed")) + 1
    await start(world, order)
    return (await world.wait_for("completed", count)).body


async def wait_running(world: World, session_id: SessionId) -> int:
    """The pid of the session's agent, once it runs."""
    beats = 0
    while True:
        probed = await world.containers.probe_session(TOWN, session_id, timeout_ms=CALL_MS)
        assert isinstance(probed, Known), probed
        assert probed.report.state not in OVER, probed
        if probed.report.state is BodyState.RUNNING:
            assert probed.report.pid is not None
            return probed.report.pid
        beats += 1
        await world.wait_for("heartbeat", beats)
