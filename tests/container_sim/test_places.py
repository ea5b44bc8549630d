"""A container with nothing to do sleeps, and loses nothing by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from boomtown.clock import Clock
from boomtown.container_sim.control_client import Answer, ControlClient
from boomtown.container_sim.git import Git
from boomtown.container_sim.lookout import Lookout
from boomtown.container_sim.model import (
    BodyState,
    InstanceGone,
    InstanceReport,
    Rejected,
    SessionReport,
    Started,
)
from boomtown.container_sim.places import Container, Places
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.ids import InstanceId, TownId
from boomtown.limits import ContainerLimits
from boomtown.testing import ManualClock
from boomtown.wire import encode_json
from support.container_orders import AGENT, TOWN, work_order

SLEEP_AFTER_MS = 600_000
ORDER = work_order(session_id="s1")


class IdleContainer:
    """Satisfies Container and ControlWay: starts what it is told to, and ends when it is let."""

    def __init__(self, instance_id: InstanceId, clock: Clock) -> None:
        self.instance_id = instance_id
        self.client = ControlClient(instance_id, self)
        self.pid = 1
        self.is_over = False
        self.is_draining = False
        self.may_end = asyncio.Event()
        self.start_may_answer = asyncio.Event()
        self.start_may_answer.set()
        self.has_session = False
        self._clock = clock
        self._idle_since_at_ms = clock.now_ms()

    def drain(self) -> None:
        self.is_draining = True

    def kill(self) -> None:
        self.may_end.set()

    async def wait_gone(self) -> int:
        await self.may_end.wait()
        self.is_over = True
        return 0

    async def close(self) -> None:
        return None

    def end_session(self) -> None:
        self.has_session = False
        self._idle_since_at_ms = self._clock.now_ms()

    async def send(self, method: str, path: str, body: bytes | None, *, timeout_ms: int) -> Answer:
        if path == "/health":
            return Answer(200, encode_json(self._report()))
        await self.start_may_answer.wait()
        self.has_session = True
        started = SessionReport(
            session_id=ORDER.session_id,
            agent_id=AGENT,
            instance_id=self.instance_id,
            state=BodyState.STARTING,
        )
        return Answer(201, encode_json(started))

    def _report(self) -> InstanceReport:
        return InstanceReport(
            instance_id=self.instance_id,
            town_id=TOWN,
            pid=self.pid,
            started_at_ms=0,
            sessions=(),
            idle_since_at_ms=None if self.has_session else self._idle_since_at_ms,
        )


class IdleWorld:
    """Places over such containers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.containers: list[IdleContainer] = []
        self.gone: list[InstanceGone] = []
        limits = ContainerLimits(sleep_after_ms=SLEEP_AFTER_MS)
        entropy = SeededEntropy()
        git = Git(Path("/nowhere"), self.clock, environment={}, command_ms_max=1)
        lookout = Lookout(git, {}, lambda argv: None, allow_local_git=False)
        self.places = Places(
            self._boot, self.clock, entropy, self._note_gone, lookout, limits=limits
        )

    async def _boot(self, town_id: TownId, instance_id: InstanceId) -> Container:
        self.containers.append(IdleContainer(instance_id, self.clock))
        return self.containers[-1]

    async def _note_gone(self, gone: InstanceGone) -> None:
        self.gone.append(gone)

    async def start(self) -> Started | Rejected:
        outcome = await self.places.start_session(ORDER, timeout_ms=60_000)
        assert isinstance(outcome, Started | Rejected)
        return outcome


@pytest.fixture
async def world() -> AsyncGenerator[IdleWorld]:
    world = IdleWorld()
    async with world.places:
        yield world
        for container in world.containers:
            container.may_end.set()


async def test_container_sleeps_so_long_after_its_last_session(world: IdleWorld) -> None:
    await world.start()
    (container,) = world.containers
    await world.clock.advance_ms(5 * SLEEP_AFTER_MS)
    assert not container.is_draining
    await world.clock.advance_ms(1_000)
    container.end_session()
    await world.clock.advance_ms(SLEEP_AFTER_MS - 1)
    assert not container.is_draining
    await world.clock.advance_ms(1)
    assert container.is_draining
    container.may_end.set()
    await world.clock.advance_ms(1)
    assert [(gone.instance_id, gone.reason) for gone in world.gone] == [
        (container.instance_id, "sleep")
    ]


async def test_start_while_it_falls_asleep_gets_the_next_container(world: IdleWorld) -> None:
    await world.start()
    world.containers[0].end_session()
    await world.clock.advance_ms(SLEEP_AFTER_MS)
    assert world.containers[0].is_draining
    starting = asyncio.create_task(world.start())
    await world.clock.advance_ms(1)
    assert not starting.done()
    world.containers[0].may_end.set()
    outcome = await starting
    assert isinstance(outcome, Started)
    assert len(world.containers) == 2
    assert outcome.report.instance_id == world.containers[1].instance_id


async def test_start_on_its_way_keeps_the_container_awake(world: IdleWorld) -> None:
    await world.start()
    (container,) = world.containers
    container.end_session()
    container.start_may_answer.clear()
    await world.clock.advance_ms(SLEEP_AFTER_MS - 1)
    starting = asyncio.create_task(world.start())
    await world.clock.advance_ms(2 * SLEEP_AFTER_MS)
    assert not container.is_draining
    container.start_may_answer.set()
    assert isinstance(await starting, Started)


async def test_start_that_came_to_nothing_counts_as_use(world: IdleWorld) -> None:
    await world.start()
    (container,) = world.containers
    container.end_session()
    await world.clock.advance_ms(SLEEP_AFTER_MS - 1)
    await world.start()
    container.has_session = False
    await world.clock.advance_ms(SLEEP_AFTER_MS - 1)
    assert not container.is_draining
    await world.clock.advance_ms(1)
    assert container.is_draining


async def test_container_that_hangs_in_its_drain_is_killed(world: IdleWorld) -> None:
    await world.start()
    world.containers[0].end_session()
    await world.clock.advance_ms(SLEEP_AFTER_MS + ContainerLimits().drain_ms_max)
    assert [gone.reason for gone in world.gone] == ["sleep"]


async def test_stop_overrules_sleep(world: IdleWorld) -> None:
    await world.start()
    world.containers[0].end_session()
    await world.clock.advance_ms(SLEEP_AFTER_MS)
    stopping = asyncio.create_task(world.places.stop_container(TOWN, timeout_ms=1_000))
    await world.clock.advance_ms(1)
    refused = await world.start()
    assert isinstance(refused, Rejected)
    assert refused.code is ErrorCode.TOWN_DRAINING
    world.containers[0].may_end.set()
    await stopping
    assert [gone.reason for gone in world.gone] == ["stopped"]
