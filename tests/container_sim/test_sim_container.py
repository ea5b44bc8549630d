"""What only simulated containers have: kills at any instant, a crash of the server, one seed one
run, and the hand-driven clock."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial

import pytest

from boomtown.actors.town.ports import Containers
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.faults import (
    AFTER,
    BEFORE,
    GIT_OPERATIONS,
    GIT_OPERATIONS_BY_HAND,
    Fault,
    FaultKind,
    NoFaults,
    PlannedFaults,
)
from boomtown.container_sim.model import (
    InstanceGone,
    NoContainer,
    Rejected,
    Started,
    StartSession,
    Stopped,
    Unknown,
)
from boomtown.container_sim.sim_container import SimContainers
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.ids import SessionId
from boomtown.sim.choices import Choices, CountingSecrets
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from boomtown.testing.manual_clock import ManualClock
from support.agent_cases import recipe
from support.conformance_worlds import SIM_URL, SimWorld, run_to_end, start
from support.container_orders import TOWN, review_order, work_order
from support.container_world import CALL_MS, mint_container_token, with_fields

S1, S2 = SessionId("s1"), SessionId("s2")


def satisfies_the_port(containers: SimContainers) -> Containers:
    return containers


async def tell_story(world: SimWorld) -> None:
    """One bead from its start to its merge, tried anew as often as a crash asks for."""
    work = work_order(session_id=S1, git_url=SIM_URL)
    review = with_fields(
        review_order(session_id="r", git_url=SIM_URL), target_branch="convoy/one/head"
    )
    tries = 0
    while not world.of("done"):
        tries += 1
        await try_session(world, with_fields(work, session_id=SessionId(f"w{tries}")))
    while "merged" not in [call.body["verdict"] for call in world.of("done")]:
        tries += 1
        await try_session(world, with_fields(review, session_id=SessionId(f"r{tries}")))


async def try_session(world: SimWorld, order: StartSession) -> None:
    """Start a session and wait for its end, or its instance's."""
    gone = len(world.gone)
    await start(world, order)
    while True:
        ended = [call.body["session_id"] for call in world.of("completed")]
        if order.session_id in ended or len(world.gone) > gone:
            return
        await world.clock.sleep_until_ms(world.clock.now_ms() + 1_000)


@pytest.mark.parametrize("operation", GIT_OPERATIONS)
@pytest.mark.parametrize("side", [BEFORE, AFTER])
def test_crash_on_either_side_of_a_git_operation_costs_a_session_at_most(
    side: str, operation: str
) -> None:
    plan = (Fault(point=side + operation, kind=FaultKind.CRASH),)

    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, plan)
        async with world.containers:
            await tell_story(world)
            if operation == "save":
                hanging = recipe("create half.md x", "hang")
                await start(world, work_order(session_id=S2, git_url=SIM_URL, body=hanging))
                await world.clock.sleep_until_ms(world.clock.now_ms() + 30_000)
        assert [fault.point for fault in world.faults.fired] == [side + operation]
        assert world.show("convoy/one/head", "work/0000000d.md").startswith("# Add a file")
        parents = world.repositories.get_commit(world.head("convoy/one/head")).parents
        assert len(parents) == 2
        assert not any(len(world.repositories.get_commit(p).parents) == 2 for p in parents)

    run_virtually(run, Choices(seed=1))


@pytest.mark.parametrize("operation", GIT_OPERATIONS_BY_HAND)
@pytest.mark.parametrize("side", [BEFORE, AFTER])
def test_crash_on_either_side_of_a_deed_by_hand_keeps_the_next_session_from_nothing(
    side: str, operation: str
) -> None:
    """Killed with work that is not pushed, then gone on with, from a tag where that is all."""
    plan = (Fault(point=side + operation, kind=FaultKind.CRASH),)

    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, plan)
        async with world.containers:
            order = work_order(session_id=S1, git_url=SIM_URL, body=recipe("create a x", "hang"))
            if operation == "tag":
                origin = world.repositories.origins[SIM_URL]
                origin.tags[order.branch] = origin.branches.pop("main")
                await try_session(world, with_fields(order, session_id=SessionId("s0"), body=""))
            await start(world, order)
            await world.clock.sleep_until_ms(world.clock.now_ms() + 60_000)
            stopped = await world.containers.kill_session(
                TOWN, S1, grace_ms=1, timeout_ms=10 * CALL_MS
            )
            kept = stopped.report.kept_worktree if isinstance(stopped, Stopped) else None
            assert operation != "take_back" or kept is not None
            await world.clock.sleep_until_ms(world.clock.now_ms() + 60_000)
            for session in (S2, SessionId("s3")):
                goes_on = with_fields(order, session_id=session, body="", kept_worktree=kept)
                await try_session(world, goes_on)
        assert [fault.point for fault in world.faults.fired] == [side + operation]
        assert world.of("done")

    run_virtually(run, Choices(seed=1))


def test_one_bead_has_at_most_one_body_at_any_kill() -> None:
    """Kill the instance at many instants; bodies of one bead never overlap."""

    async def run(loop: VirtualLoop, kill_after_ms: int) -> None:
        world = SimWorld(VirtualClock(loop), kill_after_ms, ())
        async with world.containers:
            order = work_order(session_id=S1, git_url=SIM_URL)
            await start(world, order)
            await world.clock.sleep_until_ms(world.clock.now_ms() + kill_after_ms)
            killed = world.containers.kill_instance(TOWN)
            assert world.containers.live_intervals() == []
            told = len(world.of("done"))
            if killed is not None:
                await world.wait_gone()
                assert len(world.of("done")) == told
            await run_to_end(world, with_fields(order, session_id=S2))
        spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for interval in world.containers.intervals:
            assert interval.ended_at_ms is not None
            spans[interval.bead_id].append((interval.started_at_ms, interval.ended_at_ms))
        for known in spans.values():
            ends = [end for _, end in known]
            assert all(begin >= end for (begin, _), end in zip(known[1:], ends, strict=False))

    for kill_after_ms in range(0, 30_000, 750):
        run_virtually(partial(run, kill_after_ms=kill_after_ms), Choices(seed=kill_after_ms))


def test_one_seed_is_one_run_and_another_is_another() -> None:
    def trace(seed: int) -> list[object]:
        seen: list[object] = []

        async def run(loop: VirtualLoop) -> None:
            world = SimWorld(VirtualClock(loop), seed, ())
            async with world.containers:
                await tell_story(world)
            seen.extend((call.path, call.body, call.headers) for call in world.of("heartbeat"))
            seen.extend(world.containers.intervals)
            seen.append(world.head("convoy/one/head"))

        run_virtually(run, Choices(seed=seed))
        return seen

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)


def test_crash_of_the_server_ends_all_and_tells_nobody() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        async with world.containers:
            hanging = work_order(session_id=S1, git_url=SIM_URL, body=recipe("hang"))
            await start(world, hanging)
            await world.wait_for("heartbeat", 20)
            beats = len(world.of("heartbeat"))
            world.containers.crash()
            assert world.containers.live_intervals() == []
        assert (world.gone, world.of("completed")) == ([], [])
        assert len(world.of("heartbeat")) == beats
        assert len(world.worktrees()) == 1
        assert len(asyncio.all_tasks()) == 1

    run_virtually(run, Choices(seed=1))


def test_call_in_flight_at_a_kill_breaks_at_once_and_proves_nothing() -> None:
    plan = (Fault(point="stop.slow", kind=FaultKind.SLOW, ms=20_000),)

    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, plan)
        async with world.containers:
            hanging = work_order(session_id=S1, git_url=SIM_URL, body=recipe("hang"))
            await start(world, hanging)
            stop = world.containers.stop_session(TOWN, S1, grace_ms=1, timeout_ms=CALL_MS)
            stopping = asyncio.create_task(stop)
            await world.clock.sleep_until_ms(world.clock.now_ms() + 1_000)
            killed_at_ms = world.clock.now_ms()
            world.containers.kill_instance(TOWN)
            assert await stopping == Unknown(reason="ConnectionResetError")
            assert world.clock.now_ms() == killed_at_ms

    run_virtually(run, Choices(seed=1))


def test_boot_that_takes_too_long_is_a_rejection() -> None:
    async def run(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        containers = make_containers(clock, SimTimings(boot=Span(30_000, 30_000)))
        async with containers:
            order = work_order(session_id=S1, git_url=SIM_URL)
            outcome = await containers.start_session(order, timeout_ms=CALL_MS)
            assert isinstance(outcome, Rejected)
            assert outcome.code == ErrorCode.CONTAINER_ERROR
            probed = await containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
            assert probed == NoContainer(ended_instance_id=None)

    run_virtually(run, Choices(seed=1))


async def test_hand_driven_clock_drives_it_as_well() -> None:
    clock = ManualClock()
    containers = satisfies_the_port(make_containers(clock, SimTimings(work=Span(0, 0))))
    assert isinstance(containers, SimContainers)
    async with containers:
        order = work_order(session_id=S1, git_url=SIM_URL)
        starting = asyncio.create_task(containers.start_session(order, timeout_ms=60_000))
        await clock.advance_ms(5_000)
        outcome = await starting
        assert isinstance(outcome, Started)
        await clock.advance_ms(60_000)
        assert [i.session_id for i in containers.intervals] == [S1]
        assert containers.live_intervals() == []
        slow = asyncio.create_task(containers.probe_session(TOWN, S1, timeout_ms=0))
        await clock.advance_ms(1)
        assert await slow == Unknown(reason="timeout")
        containers.kill_instance(TOWN)
        await clock.advance_ms(1_000)


class DeafTown:
    """Takes every call, and says nothing of interest."""

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        return 200, b'{"success":true,"data":{}}'


async def hear_nothing(gone: InstanceGone) -> None:
    """Nobody is interested."""


def make_containers(clock: VirtualClock | ManualClock, timings: SimTimings) -> SimContainers:
    repositories = SimRepositories()
    repositories.add_origin(SIM_URL, {"README.md": b"hello\n"})
    return SimContainers(
        ContainerSettings(data_dir="/data"),
        repositories,
        clock,
        SeededEntropy(1),
        CountingSecrets(),
        DeafTown(),
        NoFaults(),
        timings,
        mint_container_token,
        hear_nothing,
    )


def test_plan_without_faults_counts_the_points_of_a_story() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        async with world.containers:
            await tell_story(world)
        assert isinstance(world.faults, PlannedFaults)
        reached = world.faults.reached
        assert world.faults.fired == []
        assert reached["container.crash@between merge and report"] == 1
        assert reached["container.crash@spawn"] == 2

    run_virtually(run, Choices(seed=1))
