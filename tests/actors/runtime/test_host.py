"""Identity, stubs and the life of objects, on a host with real files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import (
    AlarmInfo,
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
    Host,
    RemoteError,
    Request,
    Response,
)
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from support.memory_backend import MemoryBackend


class Custom(Exception):
    """Of a class that callers do not know."""


class Counter(DurableObject):
    """Counts in memory and in storage."""

    made = 0

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        Counter.made += 1
        self.calls = 0
        self.released = asyncio.Event()

    async def increment(self, by: int = 1) -> int:
        total: int = (await self.ctx.storage.get("total") or 0) + by
        await self.ctx.storage.put("total", total)
        return total

    async def count_call(self) -> int:
        self.calls += 1
        return self.calls - 1

    async def told_name(self) -> str | None:
        return self.ctx.id.name

    async def raise_builtin(self) -> None:
        raise KeyError("missing")

    async def raise_custom(self) -> None:
        raise Custom("strange")

    async def put_and_abort(self, reason: str | None, *, syncs: bool = False) -> None:
        await self.ctx.storage.put("total", 100)
        if syncs:
            await self.ctx.storage.sync()
        try:
            self.ctx.abort(reason)
        except Exception:
            self.env.LOG.append("caught")
        self.env.LOG.append("went on")

    async def block(self) -> str:
        async def section() -> str:
            await self.ctx.storage.put("blocked", True)
            return "value"

        return await self.ctx.block_concurrency_while(section)

    async def write_and_tell(self) -> str:
        await self.ctx.storage.put("told", True)
        answer: str = await self.env.SERVICE.tell("hello")
        return answer

    async def start_background(self) -> None:
        async def background() -> None:
            await self.released.wait()
            self.env.LOG.append("background")

        self.ctx.wait_until(background())

    async def release(self) -> None:
        self.released.set()

    async def items(self) -> list[list[int]]:
        return self._items

    _items = [[1]]  # noqa: RUF012 - shared on purpose: it must not leave the object

    async def fetch(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            yield str(await self.ctx.storage.get("total")).encode()

        if request.path == "/stream":
            return Response(parts())
        return Response.json({"method": request.method, "body": await request.text()})

    async def alarm(self, info: AlarmInfo) -> None:
        self.env.LOG.append((info.scheduled_time, info.retry_count, self.ctx.id.name))
        self.env.RANG.set()

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)


class Failing(DurableObject):
    """Its constructor fails as long as the binding says so."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        if env.FAILS:
            env.FAILS.pop()
            raise ValueError("no instance")
        ctx.block_concurrency_while(self._prepare)
        self.is_ready = False

    async def _prepare(self) -> None:
        await asyncio.sleep(0)
        self.is_ready = True

    async def ready(self) -> bool:
        return self.is_ready


class Service:
    """A port of the host."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def tell(self, what: str) -> str:
        self.heard.append(what)
        return what.upper()


class World:
    """A host, its clock and what its objects noted."""

    def __init__(self, folder: Path, backend: MemoryBackend | None = None) -> None:
        self.clock = ManualClock()
        self.log: list[Any] = []
        self.fails: list[int] = []
        self.service = Service()
        self.rang = asyncio.Event()
        self.host = Host(
            classes={"Counter": Counter, "Failing": Failing},
            data_dir=folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"LOG": self.log, "FAILS": self.fails, "RANG": self.rang},
            services={"SERVICE": self.service},
            backend=backend,
        )
        self.counters = self.host.namespace("Counter")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with world.host:
        yield world


async def test_case_001_a_name_always_has_the_same_id(world: World) -> None:
    first, again = world.counters.id_from_name("a"), world.counters.id_from_name("a")
    assert str(first) == str(again)
    assert len(str(first)) == 64


async def test_case_002_unique_ids_are_unique_and_nameless(world: World) -> None:
    first, second = world.counters.new_unique_id(), world.counters.new_unique_id()
    assert not first.equals(second)
    assert first.name is None


async def test_case_003_text_round_trips_without_the_name(world: World) -> None:
    named = world.counters.id_from_name("a")
    again = world.counters.id_from_string(str(named))
    assert str(again) == str(named)
    assert again.name is None


@pytest.mark.parametrize("text", ["1234567", "0" * 64, "g" * 64], ids=["004", "005", "no hex"])
async def test_case_004_005_other_text_is_no_id(world: World, text: str) -> None:
    with pytest.raises(TypeError):
        world.counters.id_from_string(text)


async def test_case_006_an_id_of_another_namespace_is_refused(world: World) -> None:
    foreign = world.host.namespace("Failing").id_from_name("a")
    with pytest.raises(TypeError, match="not valid for this namespace"):
        world.counters.id_from_string(str(foreign))


async def test_case_007_equality_ignores_the_name(world: World) -> None:
    named = world.counters.id_from_name("a")
    assert named.equals(world.counters.id_from_string(str(named)))


async def test_case_008_009_010_an_object_is_told_a_short_name(world: World) -> None:
    assert await world.counters.get_by_name("n" * 1024).told_name() == "n" * 1024
    assert await world.counters.get_by_name("n" * 1025).told_name() is None
    assert await world.counters.get(world.counters.new_unique_id()).told_name() is None


async def test_case_013_jurisdictions_are_refused(world: World) -> None:
    assert world.counters.new_unique_id(jurisdiction=None)
    with pytest.raises(ValueError, match="Jurisdiction"):
        world.counters.new_unique_id(jurisdiction="eu")


async def test_case_017_calls_of_a_cold_object_find_one_instance(world: World) -> None:
    stub = world.counters.get_by_name("a")
    Counter.made = 0
    assert await asyncio.gather(*[stub.count_call() for _ in range(3)]) == [0, 1, 2]
    assert Counter.made == 1


async def test_case_018_a_connected_stub_stays_broken(world: World) -> None:
    stub, unused = world.counters.get_by_name("a"), world.counters.get_by_name("a")
    await stub.count_call()
    for call in (stub.put_and_abort("x"), stub.count_call()):
        with pytest.raises(DurableObjectError, match="x"):
            await call
    assert await unused.count_call() == 0  # case_019


async def test_case_020_a_failing_handler_breaks_nothing(world: World) -> None:
    stub = world.counters.get_by_name("a")
    await stub.count_call()
    with pytest.raises(KeyError, match="missing") as raised:
        await stub.raise_builtin()
    assert raised.value.remote  # type: ignore[attr-defined]
    with pytest.raises(RemoteError, match="Custom: strange"):
        await stub.raise_custom()
    assert await stub.count_call() == 1


@pytest.mark.parametrize("reason", ["x", None], ids=["case_021", "case_022"])
async def test_case_021_025_abort_tells_callers_and_ends_the_code(
    world: World, reason: str | None
) -> None:
    with pytest.raises(DurableObjectError, match=reason or "abort") as raised:
        await world.counters.get_by_name("a").put_and_abort(reason)
    assert raised.value.durable_object_reset
    assert world.log == []


async def test_case_023_024_an_abort_loses_what_was_not_synced(world: World) -> None:
    await world.counters.get_by_name("a").increment(2)
    with pytest.raises(DurableObjectError):
        await world.counters.get_by_name("a").put_and_abort("x")
    assert await world.counters.get_by_name("a").increment() == 3
    with pytest.raises(DurableObjectError):
        await world.counters.get_by_name("a").put_and_abort("x", syncs=True)
    assert await world.counters.get_by_name("a").increment() == 101


async def test_case_031_a_failing_constructor_fails_its_callers_only(world: World) -> None:
    world.fails.append(1)
    objects = world.host.namespace("Failing")
    with pytest.raises(DurableObjectError, match="no instance") as raised:
        await objects.get_by_name("a").ready()
    assert raised.value.durable_object_reset
    assert await objects.get_by_name("a").ready()  # case_032


async def test_case_033_a_section_returns_its_value(world: World) -> None:
    assert await world.counters.get_by_name("a").block() == "value"


async def test_case_026_040_idle_objects_are_evicted_and_busy_ones_are_not(world: World) -> None:
    idle, busy = world.counters.get_by_name("idle"), world.counters.get_by_name("busy")
    await idle.increment()
    await idle.count_call()
    await busy.start_background()
    await world.clock.advance_ms(9_999)
    assert world.host.statistics().live_objects == 2
    await world.clock.advance_ms(3_000)
    assert world.host.statistics().live_objects == 1
    assert await idle.count_call() == 0
    assert await idle.increment() == 2
    await busy.release()
    assert world.log == ["background"]
    await world.clock.advance_ms(13_000)
    assert world.host.statistics().live_objects == 0


async def test_gate_36_case_075_an_outgoing_call_waits_for_the_commit(tmp_path: Path) -> None:
    backend = MemoryBackend()
    backend.is_held = True
    world = World(tmp_path, backend)
    async with world.host:
        stub = world.counters.get_by_name("a")
        call = asyncio.ensure_future(stub.write_and_tell())
        await world.clock.advance_ms(0)
        assert world.service.heard == []
        backend.commits[0].set_result(None)
        assert await call == "HELLO"
        call = asyncio.ensure_future(stub.write_and_tell())
        await world.clock.advance_ms(0)
        backend.commits[1].set_exception(OSError("disk"))
        with pytest.raises(DurableObjectError, match="disk"):
            await call
    assert world.service.heard == ["hello"]


async def test_values_are_copied_at_the_border(world: World) -> None:
    stub = world.counters.get_by_name("a")
    items = await stub.items()
    items[0].append(2)
    assert await stub.items() == [[1]]
    with pytest.raises(TypeError, match="argument by"):
        await stub.increment("1")
    for name in ("alarm", "no_such_method"):
        with pytest.raises(TypeError, match=name):
            await getattr(stub, name)()


async def test_fetch_answers_and_streams_through_the_gate(world: World) -> None:
    stub = world.counters.get_by_name("a")
    await stub.increment(7)
    answer = await stub.fetch("https://host/path", method="post", body="hi")
    assert await answer.json_as(dict) == {"method": "POST", "body": "hi"}
    assert await (await stub.fetch(Request("GET", "https://host/stream"))).bytes() == b"a7"


async def test_an_alarm_reaches_its_object_also_after_an_eviction(world: World) -> None:
    stub = world.counters.get_by_name("a")
    at_ms = world.clock.now_ms() + 60_000
    await stub.arm(at_ms)
    await world.host.evict("Counter", str(stub.id))
    assert world.host.statistics().live_objects == 0
    await world.clock.advance_to_ms(at_ms - 1)
    assert world.log == []
    await world.clock.advance_ms(1)
    await world.rang.wait()
    assert world.log == [(at_ms, 0, "a")]  # case_015
