"""Named schedules of objects, on a host with real files and a clock moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    AlarmInfo,
    Cron,
    DurableObject,
    Every,
    Host,
    NoSuchMethod,
    RetryPolicy,
    Schedule,
    SqlError,
)
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.flush_port import OsFlush
from boomtown.actors.runtime.ports import Durability, SilentInstrument
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock

HOUR_MS = 3_600_000
PASSES = 50  # of the loop: more than any delivery here has waits


class Planner(DurableObject):
    """Notes each run in LOG; `payload` says what else to do."""

    async def plan(self, name: str, at: Any, **options: Any) -> Schedule:
        return self.ctx.schedule(name, at, **options)

    async def plan_and_fail(self, name: str, at: int) -> None:
        def write() -> None:
            self.ctx.schedule(name, at)
            raise ValueError("rolled back")

        await self.ctx.storage.put("before", True)
        self.ctx.storage.transaction_sync(write)

    async def on_schedule(self, name: str, payload: Any) -> None:
        self.env.LOG.append((name, payload))
        await self.ctx.storage.put("ran", name)
        match payload:
            case "fail":
                raise ValueError("does not work")
            case "abort":
                self.ctx.abort("killed")
            case "hang":
                self.env.HANGS.set()
                await asyncio.Event().wait()
            case "cancel":
                self.ctx.cancel_schedule(name)
            case "again":
                self.ctx.schedule(name, self.env.CLOCK.now_ms() + HOUR_MS, payload="last")
            case "wipe":
                await self.ctx.storage.delete_all()
            case _:
                await asyncio.sleep(0)

    def _private(self, payload: Any) -> None:
        self.env.LOG.append(("private", payload))

    async def planned(self) -> list[tuple[str, int]]:
        return [(each.name, each.run_at_ms) for each in self.ctx.schedules()]

    async def failures(self) -> list[tuple[str, int, str | None]]:
        return [(each.name, each.failures, each.last_error) for each in self.ctx.schedules()]

    async def dead(self) -> list[tuple[int | None, str, str | None]]:
        return [(each.letter_id, each.name, each.last_error) for each in self.ctx.dead_schedules()]

    async def cancel(self, name: str) -> bool:
        return self.ctx.cancel_schedule(name)

    async def retry(self, letter_id: int) -> None:
        self.ctx.retry_dead_schedule(letter_id)

    async def drop(self, letter_id: int) -> None:
        self.ctx.drop_dead_schedule(letter_id)

    async def alarm(self, info: AlarmInfo) -> None:
        self.env.LOG.append(("alarm", info.retry_count))
        if self.env.FAILS:
            self.env.FAILS.pop()
            raise ValueError("the alarm fails")

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def armed_at(self) -> int | None:
        return await self.ctx.storage.get_alarm()

    async def wipe(self) -> None:
        await self.ctx.storage.delete_all()

    async def peek(self) -> None:
        self.ctx.storage.sql.exec("SELECT * FROM _cf_SCHEDULES")


class Plain(DurableObject):
    """A class without on_schedule and without an alarm."""

    async def plan(self, at: Any, method: str | None = None) -> None:
        self.ctx.schedule("s", at, method=method)

    async def public(self, payload: Any) -> None:
        self.env.LOG.append(("public", payload))


class World:
    """A data directory, a clock, and one host on it after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.fails: list[int] = []
        self.hangs = asyncio.Event()
        self.start_host(Planner, Plain)

    def start_host(self, *classes: type[DurableObject]) -> None:
        limits = RuntimeLimits()
        self.backend = SqliteBackend(
            data_dir=self.folder,
            classes_with_alarms=["Planner"],
            durability=Durability.FULL,
            flush=OsFlush(),
            runner=FlushInline(),
            log=None,
            options=DatabaseOptions(),
            clock=self.clock,
            entropy=SeededEntropy(1),
            limits=limits,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        self.host = Host(
            classes={kind.__name__: kind for kind in classes},
            data_dir=self.folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={
                "LOG": self.log,
                "CLOCK": self.clock,
                "FAILS": self.fails,
                "HANGS": self.hangs,
            },
            backend=self.backend,
            limits=limits,
        )

    async def restart(self, *classes: type[DurableObject]) -> None:
        """The next host; it knows both classes where none is named."""
        await self.host.aclose()
        self.start_host(*(classes or (Planner, Plain)))
        await self.host.start()

    @property
    def stub(self) -> Any:
        return self.host.namespace("Planner").get_by_name("p")

    def in_ms(self, span_ms: int) -> int:
        return self.clock.now_ms() + span_ms

    async def pass_ms(self, span_ms: int) -> None:
        """Let time pass, and what falls due run to its end."""
        await self.clock.advance_ms(span_ms)
        for _ in range(PASSES):
            await asyncio.sleep(0)

    def next_at_ms(self) -> int | None:
        return self.backend.find_next_alarm_at_ms()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, __: None)  # failed runs are reported there
    await world.host.start()
    yield world
    await world.host.aclose()


async def test_schedules_run_at_their_instants_and_only_once(world: World) -> None:
    await world.stub.plan("b", world.in_ms(2_000), payload={"n": (1, 2)})
    await world.stub.plan("a", world.in_ms(1_000))
    await world.pass_ms(999)
    assert world.log == []
    await world.pass_ms(1)
    assert world.log == [("a", None)]
    await world.pass_ms(HOUR_MS)
    assert world.log == [("a", None), ("b", {"n": (1, 2)})]
    assert await world.stub.planned() == []
    assert world.next_at_ms() is None


async def test_schedules_wait_on_disk_while_their_class_is_not_registered(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.stub.plan("a", world.in_ms(1_000))
    await world.restart(Plain)
    assert caplog.messages == ["schedules_wait_for_their_class class=Planner"]
    assert world.next_at_ms() is None  # nobody is woken for it, again and again
    await world.pass_ms(HOUR_MS)
    await world.restart()
    await world.pass_ms(0)
    assert world.log == [("a", None)]


async def test_the_users_alarm_is_not_disturbed(world: World) -> None:
    alarm_at_ms = world.in_ms(10_000)
    await world.stub.arm(alarm_at_ms)
    await world.stub.plan("s", Every(3_000))
    await world.pass_ms(9_000)
    assert world.log == [("s", None)] * 3
    assert await world.stub.armed_at() == alarm_at_ms
    world.fails += [1, 1]
    await world.pass_ms(1_000)
    await world.pass_ms(20_000)
    # Its retries count as if there were no schedules.
    assert [each for each in world.log if each[0] == "alarm"] == [
        ("alarm", 0),
        ("alarm", 1),
        ("alarm", 2),
    ]
    assert await world.stub.armed_at() is None
    assert await world.stub.planned() != []


async def test_missed_periods_are_made_up_for_by_one_run(world: World) -> None:
    started_at_ms = world.clock.now_ms()
    await world.stub.plan("s", Every(60_000))
    await world.stub.plan("c", Cron("0 * * * *"))
    await world.host.aclose()
    await world.clock.advance_ms(5 * HOUR_MS + 30_000)
    world.start_host(Planner, Plain)
    await world.host.start()
    await world.pass_ms(0)
    assert sorted(world.log) == [("c", None), ("s", None)]
    ((_, cron_at_ms), (_, every_at_ms)) = await world.stub.planned()
    assert cron_at_ms % HOUR_MS == 0
    assert every_at_ms == started_at_ms + 301 * 60_000


async def test_a_failing_run_is_retried_then_buried_and_can_be_tried_again(world: World) -> None:
    policy = RetryPolicy(attempts=3, backoff_ms=1_000, backoff_ms_max=1_000)
    await world.stub.plan("s", world.in_ms(1_000), payload="fail", retry=policy)
    await world.pass_ms(1_000)
    assert await world.stub.failures() == [("s", 1, "ValueError: does not work")]
    await world.pass_ms(1_250)
    await world.pass_ms(1_250)
    assert world.log == [("s", "fail")] * 3
    assert await world.stub.planned() == []
    assert await world.stub.dead() == [(1, "s", "ValueError: does not work")]
    await world.stub.retry(1)
    await world.pass_ms(0)
    assert world.log == [("s", "fail")] * 4
    await world.pass_ms(10_000)
    assert await world.stub.dead() == [(1, "s", "ValueError: does not work")]
    await world.stub.drop(1)
    assert await world.stub.dead() == []
    with pytest.raises(KeyError):
        await world.stub.retry(1)


async def test_a_repeating_schedule_goes_on_beside_its_dead_letters(world: World) -> None:
    await world.stub.plan("s", Every(5_000), payload="fail", retry=RetryPolicy(attempts=1))
    await world.pass_ms(10_000)
    assert [letter for letter, *_ in await world.stub.dead()] == [1, 2]
    assert len(await world.stub.planned()) == 1


async def test_a_run_that_kills_its_object_is_buried_and_the_others_run(world: World) -> None:
    await world.stub.plan("a", world.in_ms(1_000), payload="abort")
    await world.stub.plan("b", world.in_ms(2_000))
    for _ in range(40):
        await world.pass_ms(5_000)
    assert world.log.count(("a", "abort")) == 6
    assert ("b", None) in world.log
    assert await world.stub.dead() == [(1, "a", "6 runs began and did not end")]


async def test_a_run_that_a_restart_cut_off_runs_again(world: World) -> None:
    await world.stub.plan("s", world.in_ms(1_000), payload="hang")
    await world.clock.advance_ms(1_000)
    await world.hangs.wait()
    world.hangs.clear()
    await world.restart()
    await world.clock.advance_ms(0)
    await world.hangs.wait()
    assert world.log == [("s", "hang")] * 2


async def test_a_schedule_is_rolled_back_with_its_transaction(world: World) -> None:
    with pytest.raises(ValueError, match="rolled back"):
        await world.stub.plan_and_fail("s", world.in_ms(1_000))
    assert await world.stub.planned() == []
    await world.stub.plan("t", world.in_ms(2_000))
    await world.pass_ms(2_000)
    assert world.log == [("t", None)]


async def test_the_same_name_replaces_and_cancel_removes(world: World) -> None:
    await world.stub.plan("s", world.in_ms(1_000), payload="old")
    await world.stub.plan("s", world.in_ms(2_000), payload="new")
    await world.stub.plan("t", world.in_ms(1_000))
    assert await world.stub.cancel("t")
    assert not await world.stub.cancel("t")
    await world.pass_ms(HOUR_MS)
    assert world.log == [("s", "new")]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [("cancel", ["cancel"]), ("again", ["again", "last"]), ("wipe", ["wipe"])],
)
async def test_a_run_may_change_its_own_schedule(
    world: World, payload: str, expected: list[str]
) -> None:
    await world.stub.plan("s", Every(1_000), payload=payload)
    await world.pass_ms(1_000)
    await world.pass_ms(2 * HOUR_MS)
    assert world.log == [("s", each) for each in expected]
    assert await world.stub.planned() == []


async def test_a_named_method_gets_the_payload_alone(world: World) -> None:
    await world.stub.plan("s", world.in_ms(1_000), method="_private", payload=[1])
    plain = world.host.namespace("Plain").get_by_name("x")
    await plain.plan(world.in_ms(1_000), "public")
    await world.pass_ms(1_000)
    assert sorted(world.log) == [("private", [1]), ("public", None)]


@pytest.mark.parametrize("method", [None, "missing", "alarm", "__init__", "ctx"])
async def test_an_unknown_method_is_an_error_at_once(world: World, method: str | None) -> None:
    plain = world.host.namespace("Plain").get_by_name("x")
    with pytest.raises(TypeError, match="that a schedule can call"):
        await plain.plan(world.in_ms(1_000), method)


async def test_delete_all_forgets_schedules(world: World) -> None:
    await world.stub.plan("s", world.in_ms(1_000))
    await world.stub.wipe()
    await world.pass_ms(HOUR_MS)
    assert world.log == []
    assert world.next_at_ms() is None


async def test_the_table_is_hidden_and_the_handler_not_callable(world: World) -> None:
    await world.stub.plan("s", world.in_ms(1_000))
    with pytest.raises(SqlError, match="SQLITE_AUTH"):
        await world.stub.peek()
    with pytest.raises(NoSuchMethod):
        await world.stub.on_schedule("s", None)


@pytest.mark.parametrize("name", ["", "n" * 1_025], ids=["empty", "long"])
async def test_a_name_out_of_bounds_is_refused(world: World, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await world.stub.plan(name, world.in_ms(1))
