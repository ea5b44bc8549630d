"""`simulate`: what it finds, that it finds it again, and what it lets pass."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from boomtown.actors import Durability, DurableObject
from boomtown.limits import SimulationLimits
from boomtown.testing import (
    MachineLost,
    SimulationFailed,
    SimulationReport,
    VirtualClock,
    World,
    evict,
    list_ids,
    reset,
    run_alarm,
    run_in_object,
    simulate,
)

NUMBERS = 8
STORMY = SimulationLimits(outages_per_mille=20)
CALM = SimulationLimits(outages_per_mille=0)


class Register(DurableObject):
    """Keeps numbers; `add` may be repeated."""

    async def add(self, number: int) -> int:
        await self.ctx.storage.put(f"{number:04}", number)
        return number

    async def numbers(self) -> list[int]:
        return list((await self.ctx.storage.list()).values())

    async def wait_for_ever(self) -> None:
        await asyncio.Event().wait()

    async def draw_real_randomness(self) -> None:
        try:
            uuid.uuid4()
        except RuntimeError:
            self.ctx.storage.put("swallowed", True)

    async def remind(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        await self.add(1_000)


async def add_numbers(world: World) -> None:
    register = world.stub("r")

    async def client(first: int) -> None:
        for number in range(first, first + NUMBERS):
            world.acknowledged(await world.retry(register.add, number))

    await world.run_clients(2, lambda nth: client(100 * nth))


async def no_number_is_lost(world: World) -> None:
    found = await world.stub("r").numbers()
    lost = [entry for entry in world.ledger if entry not in found]
    assert not lost, f"lost {lost[0]!r}"


def run(seeds: range, **options: Any) -> SimulationReport:
    return simulate(Register, add_numbers, seeds=seeds, invariant=no_number_is_lost, **options)


def failure_of(workload: Any, **options: Any) -> SimulationFailed:
    with pytest.raises(SimulationFailed) as failed:
        simulate(Register, workload, seeds=range(30), **options)
    return failed.value


def test_nothing_that_was_acknowledged_is_lost_in_a_storm() -> None:
    report = run(range(6), limits=STORMY)
    assert report.acknowledged == 6 * 2 * NUMBERS
    assert report.outages > 2 * 6


def test_replies_that_do_not_wait_for_the_disk_are_found_to_be_lost() -> None:
    failed = failure_of(
        add_numbers, invariant=no_number_is_lost, durability=Durability.PROCESS, limits=STORMY
    )
    assert failed.kind == "AssertionError"
    assert "lost" in str(failed)


def test_the_same_seed_is_the_same_run() -> None:
    first, second = (run(range(3), limits=STORMY).digests for _ in range(2))
    assert first == second
    assert len(set(first.values())) == 3


def test_a_failure_is_shrunk_and_its_plan_shows_it_again() -> None:
    async def meet(world: World) -> None:
        pauses: list[int] = []

        async def client(number: int) -> None:
            before_ms = world.clock.now_ms()
            await world.pause(9)
            pauses.append(world.clock.now_ms() - before_ms)
            await world.retry(world.stub("r").add, number)

        await world.run_clients(3, client)
        assert sum(pauses) < 9, "they paused for long"

    failed = failure_of(meet, limits=STORMY)
    assert {label for label, _ in failed.plan} == {"pause"}
    assert sum(failed.plan.values()) == 9
    assert failed.replay in str(failed)
    options = failed.replay.removeprefix(f"simulate(..., seeds=[{failed.seed}], plan='")
    plan = options.removesuffix("')")
    with pytest.raises(SimulationFailed, match="they paused for long"):
        simulate(Register, meet, seeds=[failed.seed], limits=STORMY, plan=plan)
    assert simulate(Register, meet, seeds=[failed.seed], limits=STORMY, plan="").outages == 1


def test_a_workload_that_waits_for_ever_is_found() -> None:
    async def wait(world: World) -> None:
        await world.stub("r").wait_for_ever()

    failed = failure_of(wait, limits=CALM)
    assert failed.kind == "TimeoutError"
    assert "3600000 ms of virtual time are over" in str(failed)
    assert "Register.wait_for_ever" in str(failed)


def test_an_escape_that_the_object_swallows_is_found() -> None:
    async def draw(world: World) -> None:
        await world.stub("r").draw_real_randomness()

    failed = failure_of(draw, limits=CALM)
    assert (failed.kind, "uuid.uuid4" in str(failed)) == ("escape", True)


def test_a_run_that_differs_from_its_repetition_is_found() -> None:
    runs: list[None] = []

    async def differ(world: World) -> None:
        runs.append(None)
        world.acknowledged(len(runs))

    assert failure_of(differ, limits=CALM).kind == "not deterministic"


@pytest.mark.parametrize("kind", ["kill", "cut_power"])
def test_calls_fail_from_the_instant_of_an_outage_until_the_restart(kind: str) -> None:
    async def stop(world: World) -> None:
        register = world.stub("r")
        await register.add(1)
        under_way = asyncio.create_task(register.wait_for_ever())
        await world.sleep_ms(50)
        world.kill() if kind == "kill" else world.cut_power()
        with pytest.raises(MachineLost):
            await under_way
        with pytest.raises(MachineLost):
            await register.numbers()
        stopped_at_ms = world.clock.now_ms()
        await world.wait_until_up()
        assert world.clock.now_ms() - stopped_at_ms >= 190
        assert await register.numbers() == [1]
        assert world.outages == 1

    simulate(Register, stop, seeds=range(3), limits=CALM)


def test_no_answer_arrives_after_an_outage() -> None:
    async def cut_while_under_way(world: World) -> None:
        call = asyncio.create_task(world.stub("r").add(1))
        await world.sleep_ms(world.entropy.below(9, label="cut"))
        has_arrived = call.done()
        world.cut_power()
        assert not world.outages, "the machine is down, and not up again"
        (answer,) = await asyncio.gather(call, return_exceptions=True)
        assert isinstance(answer, MachineLost) is not has_arrived
        world.acknowledged(has_arrived)

    digests = simulate(Register, cut_while_under_way, seeds=range(40), limits=CALM).digests
    assert len(set(digests.values())) > 5


def test_the_functions_of_tests_work_on_a_simulated_host() -> None:
    async def use(world: World) -> None:
        stub: Any = world.host.namespace("Register").get_by_name("r")
        await stub.add(1)
        await stub.remind(world.clock.now_ms() + 1_000)
        assert await run_in_object(stub, lambda instance, ctx: ctx.storage.get("0001")) == 1
        assert await run_alarm(stub)
        await evict(stub)
        await stub.remind(world.clock.now_ms() + 1_000)
        assert list_ids(world.host.namespace("Register")) == [stub.id]
        await reset(world.host)
        assert list_ids(world.host.namespace("Register")) == []
        world.cut_power()
        with pytest.raises(MachineLost):
            list_ids(world.host.namespace("Register"))

    async def is_empty(world: World) -> None:
        await world.sleep_ms(5_000)
        assert list_ids(world.host.namespace("Register")) == []

    simulate(Register, use, seeds=range(10), limits=CALM, invariant=is_empty)


def test_the_invariant_is_checked_after_a_restart() -> None:
    async def is_restarted(world: World) -> None:
        assert world.outages == 1
        assert await world.stub("r").numbers() == [7]

    async def add_one(world: World) -> None:
        await world.stub("r").add(7)

    simulate(Register, add_one, seeds=range(2), limits=CALM, invariant=is_restarted)


def test_alarms_survive_outages() -> None:
    async def remind(world: World) -> None:
        at_ms = world.clock.now_ms() + 500
        await world.stub("r").remind(at_ms)
        world.cut_power()
        await world.clock.sleep_until_ms(at_ms + 100)
        assert await world.stub("r").numbers() == [1_000]

    simulate(Register, remind, seeds=range(3), limits=CALM)


def test_the_first_client_that_fails_ends_the_others() -> None:
    async def work(world: World) -> None:
        ended: list[int] = []

        async def client(number: int) -> None:
            if number == 1:
                raise KeyError(number)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        with pytest.raises(KeyError):
            await world.run_clients(3, client)
        assert ended == [0, 2]

    simulate(Register, work, seeds=range(1), limits=CALM)


def test_a_handlers_error_reaches_the_workload() -> None:
    async def misuse(world: World) -> None:
        with pytest.raises(TypeError, match="number"):
            await world.retry(world.stub("r").add, "seven")
        with pytest.raises(TypeError, match="no fetch handler"):
            await world.stub("r").fetch("http://r/")

    simulate(Register, misuse, seeds=range(1), limits=CALM)


def test_the_worlds_clock_is_virtual() -> None:
    async def sleep_for_half_an_hour(world: World) -> None:
        assert isinstance(world.clock, VirtualClock)
        await world.sleep_ms(1_800_000)

    simulate(Register, sleep_for_half_an_hour, seeds=range(1), limits=CALM)
