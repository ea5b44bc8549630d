"""The output gate (cases 56 to 60, 73 to 75): what waits for which lock, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import DurableObjectError
from boomtown.actors.runtime.output_gate import OutputGate
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import reset_error
from boomtown.limits import RuntimeLimits
from boomtown.testing import ManualClock
from boomtown.testing.manual_clock import run_passes
from support.counter_world import CounterWorld
from support.fetch_world import FetchWorld, HeldClient
from support.memory_backend import MemoryBackend
from support.socket_world import SocketWorld, read_messages


class Door:
    """A bare output gate: who waits at it, who was let out and who was refused."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.broken: list[Exception] = []
        self.left: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.gate = OutputGate(
            clock=ManualClock(),
            lock_ms_max=RuntimeLimits().output_lock_ms_max,
            waiting=str,
            on_broken=self.broken.append,
        )

    def lock(self) -> Promise:
        """Hold what leaves from now on."""
        lock = Promise()
        self.gate.lock_while(lock)
        return lock

    def wait(self, name: str) -> None:
        """Leave when the locks of this moment are done."""

        def leave(failure: Exception | None) -> None:
            if failure is None:
                self.left.append(name)
            else:
                self.refused.append((name, str(failure)))

        self.gate.when_open(leave)


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[tuple[SocketWorld, MemoryBackend]]:
    """A world of sockets whose commits are durable when the test says."""
    backend = MemoryBackend()
    world = SocketWorld(tmp_path, backend=backend)
    async with world.host:
        yield world, backend


async def test_case_056_without_a_lock_nothing_waits(door: Door) -> None:
    door.wait("first")
    assert door.left == ["first"]


async def test_case_057_a_wait_ends_with_the_locks_before_it(door: Door) -> None:
    first = door.lock()
    door.wait("first")
    door.lock()
    door.wait("second")
    first.resolve()
    await run_passes()
    assert door.left == ["first"]
    assert door.refused == []


async def test_case_058_a_later_lock_that_ends_first_releases_nobody(door: Door) -> None:
    first = door.lock()
    door.wait("first")
    second = door.lock()
    door.wait("second")
    second.resolve()
    await run_passes()
    assert door.left == []
    first.resolve()
    await run_passes()
    assert door.left == ["first", "second"]
    door.wait("third")
    assert door.left[-1] == "third"


async def test_case_059_a_failed_lock_refuses_those_after_it_only(door: Door) -> None:
    first = door.lock()
    door.wait("first")
    second = door.lock()
    door.wait("second")
    second.reject(OSError("no disk"))
    await run_passes()
    assert [str(error) for error in door.broken] == ["no disk"]
    assert door.left == []
    first.resolve()
    await run_passes()
    assert door.left == ["first"]
    assert door.refused == [("second", "no disk")]


async def test_case_060_a_dropped_lock_breaks_the_gate(door: Door) -> None:
    lock = door.lock()
    door.wait("first")
    lock.reject(reset_error("A commit was dropped before it was durable"))
    await run_passes()
    (error,) = door.broken
    assert isinstance(error, DurableObjectError)
    assert error.durable_object_reset
    assert door.left == []
    assert door.refused == [("first", str(error))]


async def test_case_073_a_send_leaves_once_the_writes_before_it_are_durable(
    held: tuple[SocketWorld, MemoryBackend],
) -> None:
    world, backend = held
    ws = await world.connect()
    backend.is_held = True
    received: list[str | bytes | None] = []
    ws.send("put")
    ws.send("send")
    reader = asyncio.ensure_future(read_messages(ws, 3, received))
    await world.until(lambda: len(world.heard()) == 2)
    await run_passes()
    assert received == []
    backend.commits[0].resolve()
    await reader
    assert received == ["put", "after", "sent"]  # gate_37: in the order of the sends


async def test_case_074_an_automatic_response_waits_only_for_sends_before_it(
    held: tuple[SocketWorld, MemoryBackend],
) -> None:
    world, backend = held
    busy, other = await world.connect(), await world.connect()
    await world.room.set_auto_response("ping", "pong")
    backend.is_held = True
    busy.send("put")
    await world.until(world.heard)
    other.send("ping")
    assert await other.receive() == "pong"
    busy.send("ping")
    received: list[str | bytes | None] = []
    reader = asyncio.ensure_future(read_messages(busy, 3, received))
    await run_passes()
    assert received == []
    backend.commits[0].resolve()
    await reader
    assert received == ["put", "after", "pong"]


async def test_gate_36_case_075_an_outgoing_call_waits_for_the_commit(tmp_path: Path) -> None:
    backend = MemoryBackend()
    backend.is_held = True
    world = CounterWorld(tmp_path, backend)
    async with world.host:
        stub = world.counters.get_by_name("a")
        call = asyncio.ensure_future(stub.write_and_tell())
        await world.clock.advance_ms(0)
        assert world.service.heard == []
        backend.commits[0].resolve()
        assert await call == "HELLO"
        call = asyncio.ensure_future(stub.write_and_tell())
        await world.clock.advance_ms(0)
        backend.commits[1].reject(OSError("disk"))
        with pytest.raises(DurableObjectError, match="disk"):
            await call
    assert world.service.heard == ["hello"]


async def test_case_075_a_request_after_a_failed_commit_is_never_sent(tmp_path: Path) -> None:
    client = HeldClient()
    world = FetchWorld(tmp_path, client)
    async with world.host:
        world.backend.is_held = True
        asked = asyncio.ensure_future(world.caller.write_and_ask("http://far/"))
        await run_passes()
        world.backend.commits[0].reject(OSError("no disk"))
        with pytest.raises(DurableObjectError, match="no disk"):
            await asked
        await run_passes()
        assert client.sent == []
