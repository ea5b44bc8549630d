"""Evictions and boots: what a control server says of itself to the town, and how long it waits."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.control_desk import REGISTRY_MS_MAX
from boomtown.container_sim.faults import NoFaults
from boomtown.container_sim.model import InstanceGone, Rejected, Started
from boomtown.container_sim.sim_container import SimContainers
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId, SessionId
from boomtown.limits import ContainerLimits
from boomtown.sim.choices import Choices, CountingSecrets
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from support.agent_cases import recipe
from support.conformance_worlds import SIM_URL, SimWorld, run_to_end, start
from support.container_orders import TOWN, work_order
from support.container_world import (
    CALL_MS,
    ContainerWorld,
    mint_container_token,
    open_container_world,
    with_fields,
)

S1, S2 = SessionId("s1"), SessionId("s2")
HALF = recipe("create half.txt begun", "status half", "hang")
WAIT_MS = ContainerLimits().eviction_wait_ms


def evict(world: ContainerWorld) -> None:
    os.kill(world.manager.pids()[TOWN], signal.SIGTERM)


def verbs(world: ContainerWorld) -> list[str]:
    """What was said to the town, in order, without the beats."""
    return [call.verb for call in world.api.calls if call.verb != "heartbeat"]


async def test_row_73_container_asks_once_at_its_boot_before_it_gives_a_body(
    tmp_path: Path,
) -> None:
    async with open_container_world(tmp_path) as world:
        await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        await world.run_to_end(work_order(session_id="s2", git_url=world.origin.url))
        (asked,) = world.api.of("container-registry")
        assert asked.path == f"/api/towns/{TOWN}/container-registry"
        assert asked.body == {"session_ids": []}
        assert world.api.calls[0] == asked
        assert world.api.of("container-eviction") == []


async def test_eviction_is_told_first_and_once_and_an_agent_may_finish(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        go = tmp_path / "go"
        os.mkfifo(go)
        body = recipe(
            "status begun", f"run cat {go}", "create a.txt all of it", "commit All", "done"
        )
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        await world.start(order)
        await world.api.wait_for("status")
        evict(world)
        evict(world)
        told = await world.api.wait_for("container-eviction")
        assert told.headers["Authorization"].startswith("Bearer container-token-")
        refused = await world.start(with_fields(order, session_id=S2, agent_id=AgentId("other")))
        assert isinstance(refused, Rejected)
        assert refused.code == ErrorCode.TOWN_DRAINING
        assert world.gone == []
        await asyncio.to_thread(go.write_text, "go")
        await world.gone_seen.wait()
        assert [call.body["reason"] for call in world.api.of("completed")] == ["exit 0"]
        assert [call.body["verdict"] for call in world.api.of("done")] == ["submitted"]
        assert world.origin.show(order.branch, "a.txt") == "all of it"
        said = verbs(world)
        assert said.count("container-eviction") == 1
        assert said.index("container-eviction") < said.index("completed")
        assert world.gone[0].exit_code == 0
        assert world.processes() == []


async def test_agent_that_does_not_finish_in_time_is_saved_and_evicted(tmp_path: Path) -> None:
    limits = ContainerLimits(eviction_wait_ms=50)
    async with open_container_world(tmp_path, limits=limits) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HALF)
        await world.start(order)
        await world.api.wait_for("status")
        evict(world)
        await world.gone_seen.wait()
        assert world.origin.show(order.branch, "half.txt") == "begun"
        assert verbs(world)[-2:] == ["container-eviction", "completed"]
        assert world.api.of("completed")[0].body["reason"] == "container eviction"


async def test_stop_by_the_server_cuts_the_wait_of_an_eviction_short(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HALF)
        await world.start(order)
        await world.api.wait_for("status")
        evict(world)
        await world.api.wait_for("container-eviction")
        await world.manager.stop_container(TOWN, timeout_ms=CALL_MS)
        assert world.origin.show(order.branch, "half.txt") == "begun"
        assert [(gone.exit_code, gone.reason) for gone in world.gone] == [(0, "stopped")]


async def test_stop_by_the_server_alone_tells_no_eviction(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HALF)
        await world.start(order)
        await world.api.wait_for("status")
        await world.manager.stop_container(TOWN, timeout_ms=CALL_MS)
        assert verbs(world) == ["container-registry", "status", "completed"]


@pytest.mark.parametrize("status", [404, 500])
async def test_town_that_refuses_the_word_is_asked_no_second_time(
    tmp_path: Path, status: int
) -> None:
    limits = ContainerLimits(eviction_wait_ms=50)
    async with open_container_world(tmp_path, limits=limits) as world:
        for verb in ("container-registry", "container-eviction"):
            world.api.answers[verb].append((status, {}))
        order = work_order(session_id="s1", git_url=world.origin.url, body=HALF)
        await world.start(order)
        await world.api.wait_for("status")
        evict(world)
        await world.gone_seen.wait()
        said = verbs(world)
        assert said == ["container-registry", "status", "container-eviction", "completed"]


def test_heartbeat_that_names_a_nonce_leads_to_one_ready_per_nonce() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        handed = [{"drainNonce": nonce} for nonce in ("n1", "n1", "n2", "n1")]
        world.answers["heartbeat"].extend((200, data) for data in handed)
        async with world.containers:
            await start(world, work_order(session_id="s1", git_url=SIM_URL, body=HALF))
            await world.wait_for("heartbeat", 6)
        assert [call.body for call in world.of("container-ready")] == [
            {"nonce": "n1"},
            {"nonce": "n2"},
        ]

    run_virtually(run, Choices(seed=1))


def test_simulated_eviction_waits_no_longer_than_its_bound() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        async with world.containers:
            order = work_order(session_id="s1", git_url=SIM_URL, body=HALF)
            await start(world, with_fields(order, run_ms_max=10 * WAIT_MS))
            await world.wait_for("status")
            evicted_at_ms = world.clock.now_ms()
            world.containers.evict_instance(TOWN)
            await world.clock.sleep_until_ms(evicted_at_ms + WAIT_MS - 1)
            assert len(world.of("container-eviction")) == 1
            assert world.of("completed") == []
            assert (await world.wait_gone()).exit_code == 0
            limits = ContainerLimits()
            assert world.clock.now_ms() <= evicted_at_ms + WAIT_MS + limits.drain_ms_max
        assert [call.body["reason"] for call in world.of("completed")] == ["container eviction"]
        assert world.show("gt/ash/work", "half.txt") == "begun"

    run_virtually(run, Choices(seed=1))


def test_simulated_agent_that_finishes_in_the_wait_completes_normally() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        async with world.containers:
            body = recipe("status begun", "sleep 10", "create a.txt all", "commit All", "done")
            await start(world, work_order(session_id="s1", git_url=SIM_URL, body=body))
            await world.wait_for("status")
            world.containers.evict_instance(TOWN)
            await world.wait_gone()
        assert [call.body["reason"] for call in world.of("completed")] == ["exit 0"]
        assert len(world.of("container-eviction")) == 1

    run_virtually(run, Choices(seed=1))


def test_next_instance_after_an_eviction_asks_anew_and_works() -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimWorld(VirtualClock(loop), 1, ())
        async with world.containers:
            order = work_order(session_id="s1", git_url=SIM_URL)
            await run_to_end(world, order)
            world.containers.evict_instance(TOWN)
            await world.wait_gone()
            said = await run_to_end(world, with_fields(order, session_id=S2))
        assert said["reason"] == "exit 0"
        assert len(world.of("container-registry")) == 2

    run_virtually(run, Choices(seed=1))


class MuteTown:
    """Never answers the question of a boot."""

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        if path.endswith("/container-registry"):
            await asyncio.Event().wait()
        return 200, b'{"success":true,"data":{}}'


async def hear_nothing(gone: InstanceGone) -> None:
    """Nobody is interested."""


def test_row_73_town_that_does_not_answer_holds_up_a_start_for_two_seconds_only() -> None:
    async def run(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        repositories = SimRepositories()
        repositories.add_origin(SIM_URL, {"README.md": b"hello\n"})
        at_once = Span(0, 0)
        containers = SimContainers(
            ContainerSettings(data_dir="/data"),
            repositories,
            clock,
            SeededEntropy(1),
            CountingSecrets(),
            MuteTown(),
            NoFaults(),
            SimTimings(boot=at_once, control_way=at_once),
            mint_container_token,
            hear_nothing,
        )
        async with containers:
            began_at_ms = clock.now_ms()
            order = work_order(session_id="s1", git_url=SIM_URL)
            outcome = await containers.start_session(order, timeout_ms=CALL_MS)
            assert isinstance(outcome, Started)
            assert clock.now_ms() - began_at_ms == REGISTRY_MS_MAX == 2_000

    run_virtually(run, Choices(seed=1))
