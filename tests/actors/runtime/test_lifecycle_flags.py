"""What callers are told when an object breaks: the table of durable-actors 1.4, row by row.

Not here: the limit of a socket's event (test_web_sockets.py), and an idle shutdown that races with
a call, which finds the next instance instead. The overflow of the KV backend's cache and the
overload of queues have nothing to happen to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boomtown.actors import (
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
)
from boomtown.actors.runtime.commit_path import FlushInline
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.ports import Durability, SilentInstrument
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import RecordingFlush

LIMITS = RuntimeLimits()
DEFERRED = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
    "CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);"
    "INSERT INTO child VALUES (7)"
)


class HeldRunner(FlushInline):
    """A flusher that begins no batch while it is held."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] | None = None

    def start(self, work: Callable[[], None]) -> asyncio.Future[None]:
        if self.held is None:
            return super().start(work)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.held.append(lambda: ended.set_result(None))
        return ended

    def release(self) -> None:
        held, self.held = self.held or [], None
        for end in held:
            end()


class Thing(DurableObject):
    """Breaks in the way that it is told."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        if env.FAILS:
            raise ValueError(env.FAILS[0])

    async def touch(self) -> int:
        return 1

    async def throw(self) -> None:
        raise ValueError("thrown")

    async def throw_in_section(self) -> None:
        async def section() -> None:
            raise ValueError("thrown in a section")

        await self.ctx.block_concurrency_while(section)

    async def wait_in_section(self) -> None:
        await self.ctx.block_concurrency_while(self.wait)

    async def wait(self) -> None:
        await asyncio.Event().wait()

    async def cancel_section(self) -> None:
        async def section() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await self.wait()

        await self.ctx.block_concurrency_while(section)

    async def write(self) -> None:
        await self.ctx.storage.put("a", 1)

    async def write_and_wait(self) -> None:
        await self.write()
        await self.wait()

    async def abort(self, reason: str | None) -> None:
        self.ctx.abort(reason)

    async def violate(self) -> None:
        self.ctx.storage.sql.exec(DEFERRED)

    async def fill(self) -> None:
        self.ctx.storage.sql.exec("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))")

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        await self.wait()


class World:
    """A host without threads, and one stub that is connected."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.runner = HeldRunner()
        self.fails: list[str] = []
        self.host = Host(
            classes={"Thing": Thing},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"FAILS": self.fails},
            backend=SqliteBackend(
                data_dir=folder,
                classes_with_alarms=["Thing"],
                durability=Durability.FULL,
                flush=RecordingFlush(),
                runner=self.runner,
                log=None,
                options=DatabaseOptions(),
                clock=self.clock,
                entropy=SeededEntropy(1),
                limits=LIMITS,
                instrument=SilentInstrument(),
                on_broken=lambda _: None,
            ),
        )
        self.stub: Any = self.host.namespace("Thing").get_by_name("t")

    async def failure_after(
        self, span_ms: int, *calls: Coroutine[Any, Any, Any]
    ) -> DurableObjectError:
        """What the first call gets once so much time has passed; they begin in their order."""
        begun = [asyncio.ensure_future(call) for call in calls]
        await run_passes()
        await self.clock.advance_ms(span_ms)
        outcomes = await asyncio.gather(*begun, return_exceptions=True)
        assert isinstance(outcomes[0], DurableObjectError), outcomes
        return outcomes[0]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    asyncio.get_running_loop().set_exception_handler(lambda _, __: None)
    async with world.host:
        yield world
        world.runner.release()


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one row."""

    retryable: bool = False
    overloaded: bool = False
    durable_object_reset: bool = True


def check(world: World, error: Exception, told: Told, text: str) -> None:
    """`error` has these flags, the object's id, and this text."""
    assert {name: getattr(error, name, False) for name in Told.__struct_fields__} == (
        msgspec.to_builtins(told)
    )
    assert error.durable_object_id == str(world.stub.id)  # type: ignore[attr-defined]
    assert text in str(error)


async def test_a_handler_that_raises_breaks_nothing(world: World) -> None:
    with pytest.raises(ValueError, match=r"^thrown$") as raised:
        await world.stub.throw()
    check(world, raised.value, Told(durable_object_reset=False), "thrown")
    assert await world.stub.touch() == 1


async def test_a_constructor_that_raises_is_a_reset(world: World) -> None:
    world.fails.append("made wrong")
    error = await world.failure_after(0, world.stub.touch())
    check(world, error, Told(), "made wrong")


CALLS: dict[str, tuple[Callable[[Any], Coroutine[Any, Any, Any]], str]] = {
    "section-raises": (lambda stub: stub.throw_in_section(), "ValueError: thrown in a section"),
    "section-dropped": (lambda stub: stub.cancel_section(), "cancelled before it ended"),
    "abort": (lambda stub: stub.abort("enough"), "enough"),
    "abort-without-a-reason": (lambda stub: stub.abort(None), "abort()"),
    "commit-violates": (lambda stub: stub.violate(), "SQLITE_CONSTRAINT"),
}


@pytest.mark.parametrize(("call", "text"), CALLS.values(), ids=list(CALLS))
async def test_what_breaks_an_object_is_a_reset(
    world: World, call: Callable[[Any], Coroutine[Any, Any, Any]], text: str
) -> None:
    check(world, await world.failure_after(0, call(world.stub)), Told(), text)
    # The stub was connected: it stays broken, and a new one finds the next instance.
    check(world, await world.failure_after(0, world.stub.touch()), Told(), text)
    assert await world.host.namespace("Thing").get_by_name("t").touch() == 1


async def test_a_full_disk_is_a_reset_of_whoever_waits(world: World) -> None:
    await world.stub.touch()
    (live,) = world.host.live_objects()
    database: Any = getattr(live.storage, "_database")  # noqa: B009 - the disk is not ours to fill
    database.run("PRAGMA max_page_count = 10")
    error = await world.failure_after(0, world.stub.wait(), world.stub.fill())
    check(world, error, Told(), "database or disk is full: SQLITE_FULL")


async def test_a_section_past_its_limit_is_an_overload(world: World) -> None:
    stub = world.stub
    error = await world.failure_after(30_000, stub.wait_in_section(), stub.touch())
    check(world, error, Told(overloaded=True), "too long in Thing.wait > Event.wait (1 events")


async def test_a_commit_past_its_limit_is_an_overload_that_names_who_waits(world: World) -> None:
    await world.stub.touch()
    world.runner.held = []
    error = await world.failure_after(30_000, world.stub.write(), world.stub.write_and_wait())
    text = "30000 ms, while the object waited in Thing.write_and_wait > Thing.wait > Event.wait;"
    check(world, error, Told(overloaded=True), text)


async def test_an_alarm_past_its_limit_is_an_overload_that_names_where_it_waits(
    world: World,
) -> None:
    await world.stub.arm(world.clock.now_ms() + 1_000)
    await world.clock.advance_ms(1_000)
    error = await world.failure_after(900_000, world.stub.wait())
    text = "900000 ms, waiting in Thing.alarm > Thing.wait > Event.wait;"
    check(world, error, Told(overloaded=True), text)


async def test_a_host_that_ends_may_be_tried_again(world: World) -> None:
    call = asyncio.ensure_future(world.stub.wait())
    await run_passes()
    await world.host.aclose()
    with pytest.raises(DurableObjectError) as raised:
        await call
    check(world, raised.value, Told(retryable=True), "shutting down")
