"""Trouble on demand: faults that a person has happen in a town's real containers.

Theory of operation. A fault is armed by one call and fires when its moment comes; both are told by
`faults`, and `fired` counts what really happened, never what was asked for. Two kinds:

- faults at a point of the containers' story (faults.py) are called for in files that the processes
  at that point read (called_faults.py), and count there;
- deeds are done by a task here, by process id: it looks at the town's containers every LOOK_MS,
  counts the different victims that it has seen (containers, or agents that run), and does the deed
  to the nth of them. Of several that appear at one look the seed decides the order.

For a development server only: `compose` makes none elsewhere, and the route then refuses. Nothing
is durable on purpose: an entry forgets the faults of an earlier life, so that a server that was
killed comes back without them. What was already stopped or killed stays so.
"""

from __future__ import annotations

import asyncio
import enum
import os
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.called_faults import CalledFault, CalledFaults
from boomtown.container_sim.faults import FaultKind, NoFaults
from boomtown.container_sim.model import BodyState, InstanceReport
from boomtown.container_sim.process_groups import signal_group
from boomtown.entropy import Entropy, SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import TownId, new_id

LOOK_MS = 50
LOOK_CALL_MS_MAX = 2_000
SEED_BOUND = 1_000_000
HEARTBEATS_DROPPED = 5  # more than a lease holds
COMPLETIONS_DROPPED = 3
SLOW_MS = 3_000
ARMED_MAX = 1_000  # of one town in one life: each is a look at a file, or at the container
PARTITION_MS = 5_000


class ChaosFault(enum.StrEnum):
    """What can be asked for."""

    RESTART_CONTAINERS = "restart-containers"  # SIGKILL to the town's control server
    KILL_AGENT = "kill-agent"  # SIGKILL to an agent's process group
    STOP_AGENT = "stop-agent"  # SIGSTOP to it: it lives and does nothing
    DROP_HEARTBEATS = "drop-heartbeats"
    DROP_COMPLETIONS = "drop-completions"
    REFUSE_START = "refuse-start"
    LOSE_START_REPLY = "lose-start-reply"
    SLOW_START = "slow-start"
    LOSE_PROBE = "lose-probe"
    FILL_DISK = "fill-disk"
    PARTITION = "partition"
    CRASH_IN_CLONE = "crash-in-clone"
    CRASH_IN_PUSH = "crash-in-push"
    CRASH_IN_MERGE = "crash-in-merge"
    CRASH_AFTER_MERGE = "crash-after-merge"  # before the merge is reported


class _AtPoint(msgspec.Struct, frozen=True):
    """What a fault is at its point."""

    point: str
    kind: FaultKind
    times: int = 1
    ms: int = 0


_AT_POINTS = {
    ChaosFault.DROP_HEARTBEATS: _AtPoint("heartbeat.lost", FaultKind.LOST, HEARTBEATS_DROPPED),
    ChaosFault.DROP_COMPLETIONS: _AtPoint("completed.lost", FaultKind.LOST, COMPLETIONS_DROPPED),
    ChaosFault.REFUSE_START: _AtPoint("start.before", FaultKind.ERROR),
    ChaosFault.LOSE_START_REPLY: _AtPoint("start.reply", FaultKind.LOST),
    ChaosFault.SLOW_START: _AtPoint("start.slow", FaultKind.SLOW, ms=SLOW_MS),
    ChaosFault.LOSE_PROBE: _AtPoint("probe.status", FaultKind.LOST),
    ChaosFault.FILL_DISK: _AtPoint("disk.full", FaultKind.DISK_FULL),
    ChaosFault.PARTITION: _AtPoint("partition", FaultKind.PARTITION, ms=PARTITION_MS),
    ChaosFault.CRASH_IN_CLONE: _AtPoint("container.crash@clone", FaultKind.CRASH),
    ChaosFault.CRASH_IN_PUSH: _AtPoint("container.crash@push", FaultKind.CRASH),
    ChaosFault.CRASH_IN_MERGE: _AtPoint("container.crash@merge", FaultKind.CRASH),
    ChaosFault.CRASH_AFTER_MERGE: _AtPoint(
        "container.crash@between merge and report", FaultKind.CRASH
    ),
}
_DEEDS = (ChaosFault.RESTART_CONTAINERS, ChaosFault.KILL_AGENT, ChaosFault.STOP_AGENT)
assert {*_AT_POINTS, *_DEEDS} == {*ChaosFault}


class ArmedFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that was asked for, and how far it has come."""

    id: str
    fault: ChaosFault
    target: str | None  # an agent's or a session's id; None: whoever comes
    nth: int
    seed: int
    reached: int  # how often its moment could have come
    fired: int  # how often it happened
    pids: tuple[int, ...] = ()  # whom a deed hit


class ChaosVictims(Protocol):
    """The containers, as far as trouble can be made for them; places.py's."""

    def pids(self) -> dict[TownId, int]: ...

    async def find_instance(self, town_id: TownId, *, timeout_ms: int) -> InstanceReport | None: ...


class Chaos:
    """The faults of all towns of one server. Use it as an async context manager, inside the
    manager's."""

    def __init__(
        self, containers: ChaosVictims, faults_folder: Path, clock: Clock, entropy: Entropy
    ) -> None:
        self._containers = containers
        self._folder = faults_folder
        self._clock = clock
        self._entropy = entropy
        self._armed: dict[TownId, list[ArmedFault]] = {}
        self._by_key: dict[tuple[TownId, str], str] = {}
        self._tasks = asyncio.TaskGroup()
        self._watchers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if self._folder.is_dir():
            for town in sorted(path for path in self._folder.iterdir() if path.is_dir()):
                shutil.rmtree(town)
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await self._tasks.__aexit__(None, None, None)

    def arm(
        self,
        town_id: TownId,
        fault: ChaosFault,
        *,
        target: str | None,
        nth: int,
        seed: int | None,
        key: str | None,
    ) -> ArmedFault:
        """Have it happen; a call that repeats `key` answers what the first one armed. Raises
        OVERLOADED when the town has had too many."""
        known_id = self._by_key.get((town_id, key)) if key is not None else None
        if known_id is not None:
            return next(armed for armed in self.faults(town_id) if armed.id == known_id)
        if len(self._armed.get(town_id, [])) >= ARMED_MAX:
            raise error_for(ErrorCode.OVERLOADED)
        if seed is None:
            seed = self._entropy.below(SEED_BOUND, label="chaos_seed")
        fault_id = new_id(self._clock.now_ms(), self._entropy, label="chaos_fault")
        armed = ArmedFault(
            id=fault_id, fault=fault, target=target, nth=nth, seed=seed, reached=0, fired=0
        )
        if fault in _DEEDS:
            watcher = self._tasks.create_task(self._watch(town_id, armed), name=f"chaos-{fault}")
            self._watchers.append(watcher)
        else:
            at = _AT_POINTS[fault]
            self._called(town_id).call_for(
                CalledFault(
                    fault_id=fault_id,
                    point=at.point,
                    kind=at.kind,
                    ms=at.ms,
                    nth=nth,
                    times=at.times,
                )
            )
        self._armed.setdefault(town_id, []).append(armed)
        if key is not None:
            self._by_key[town_id, key] = fault_id
        return armed

    def faults(self, town_id: TownId) -> list[ArmedFault]:
        """Everything that was armed in the town in this life, in that order."""
        called = self._called(town_id)
        return [
            armed
            if armed.fault in _DEEDS
            else msgspec.structs.replace(
                armed, reached=called.reached(armed.id), fired=called.fired(armed.id)
            )
            for armed in self._armed.get(town_id, [])
        ]

    def _called(self, town_id: TownId) -> CalledFaults:
        return CalledFaults(NoFaults(), self._folder, town_id)

    async def _watch(self, town_id: TownId, armed: ArmedFault) -> None:
        """Wait for the nth victim, and do it."""
        entropy = SeededEntropy(armed.seed)
        seen: list[int] = []
        while len(seen) < armed.nth:
            found = [pid for pid in await self._find_victims(town_id, armed) if pid not in seen]
            while found:
                seen.append(found.pop(entropy.below(len(found), label="chaos_victim")))
            if len(seen) < armed.nth:
                await self._clock.sleep_until_ms(self._clock.now_ms() + LOOK_MS)
        pid = seen[armed.nth - 1]
        _do(armed.fault, pid)
        rows = self._armed[town_id]
        index = next(i for i, row in enumerate(rows) if row.id == armed.id)
        rows[index] = msgspec.structs.replace(armed, reached=armed.nth, fired=1, pids=(pid,))

    async def _find_victims(self, town_id: TownId, armed: ArmedFault) -> list[int]:
        if armed.fault is ChaosFault.RESTART_CONTAINERS:
            pid = self._containers.pids().get(town_id)
            return [] if pid is None else [pid]
        report = await self._containers.find_instance(town_id, timeout_ms=LOOK_CALL_MS_MAX)
        sessions = () if report is None else report.sessions
        return [
            session.pid
            for session in sessions
            if session.pid is not None
            and session.state is BodyState.RUNNING
            and armed.target in (None, session.agent_id, session.session_id)
        ]


def _do(fault: ChaosFault, pid: int) -> None:
    match fault:
        case ChaosFault.RESTART_CONTAINERS:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # it has just ended by itself, which is as good
        case ChaosFault.KILL_AGENT:
            signal_group(pid, signal.SIGKILL)
        case ChaosFault.STOP_AGENT:
            signal_group(pid, signal.SIGSTOP)
        case _:
            raise AssertionError(f"{fault} is no deed")
