"""A start survives a crash at each of its points: the intent is written, the call is made, the body
is there, the answer is recorded. Afterwards there is one session with one body, and it works on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from boomtown.actors.town.model import BeadStatus, EffectKind, EffectState, SessionState
from boomtown.clock import Clock
from boomtown.container_sim.model import StartOutcome, StartSession, Verdict
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from support.scripted_containers import Reply, ScriptedContainers
from support.town_steps import obey, sling
from support.town_world import TownWorld


class MuteContainers(ScriptedContainers):
    """Starts bodies as told, and keeps the answers to itself while it is mute."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.is_mute = True

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        answer = await super().start_session(request, timeout_ms=timeout_ms)
        if self.is_mute:
            await asyncio.Event().wait()
        return answer


async def test_crash_between_the_intent_and_the_call(tmp_path: Path) -> None:
    idle = TownLimits(effects_in_flight_max=0)
    async with TownWorld(tmp_path, limits=idle) as world:
        bead_id = await sling(world)
        await world.settle()
        (effect,) = await world.effects()
        assert (effect.kind, effect.state) == (EffectKind.START, EffectState.PENDING)
        assert world.containers.starts == []
        world.limits = TownLimits()
        await world.restart()
        await _assert_one_body(world, bead_id, calls=1)


async def test_crash_while_the_call_is_on_its_way(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(after_ms=60_000))
        bead_id = await sling(world)
        await world.settle()
        (effect,) = await world.effects()
        assert (effect.state, effect.attempts) == (EffectState.RUNNING, 1)
        assert world.containers.live_reports() == []
        await world.restart()
        await _assert_one_body(world, bead_id, calls=2)


async def test_crash_when_the_body_is_there_and_the_answer_is_lost(tmp_path: Path) -> None:
    async with TownWorld(tmp_path, containers=MuteContainers) as world:
        assert isinstance(world.containers, MuteContainers)
        bead_id = await sling(world)
        await world.settle()
        assert len(world.containers.live_reports()) == 1
        world.containers.is_mute = False
        await world.restart()
        await _assert_one_body(world, bead_id, calls=2)


async def test_crash_between_the_answer_and_its_application(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        await world.tick()
        (effect,) = await world.effects()
        pending = await world.rows("SELECT kind FROM inbox WHERE applied_at_ms IS NULL")
        assert (effect.state, pending) == (EffectState.ANSWERED, [("start_answered",)])
        await world.restart()
        await _assert_one_body(world, bead_id, calls=1)


async def test_crash_after_a_claim_that_was_not_sent(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        (session,) = await world.live_sessions()
        assert session.state == SessionState.CLAIMED
        await world.restart()
        await _assert_one_body(world, bead_id, calls=1)


async def test_crash_while_a_stop_is_on_its_way(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        world.containers.stop_replies.append(Reply(after_ms=60_000))
        await sling(world)
        await world.settle()
        (session,) = await world.live_sessions()
        await world.heartbeat(session.session_id)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        assert (await world.session(session.session_id)).state == SessionState.ENDING
        await world.restart()
        await world.settle()
        assert (await world.session(session.session_id)).state == SessionState.ENDED
        assert len(world.containers.calls_of("stop")) == 2


async def test_start_sent_twice_says_the_same(tmp_path: Path) -> None:
    async with TownWorld(tmp_path, containers=MuteContainers) as world:
        assert isinstance(world.containers, MuteContainers)
        await sling(world)
        await world.settle()
        world.containers.is_mute = False
        await world.restart()
        await world.settle()
        first, second = (msgspec.to_builtins(order) for order in world.containers.starts)
        assert first == second


async def _assert_one_body(world: TownWorld, bead_id: BeadId, *, calls: int) -> None:
    await world.settle()
    (session,) = await world.sessions()
    assert session.state == SessionState.STARTING
    assert len(world.containers.starts) == calls
    assert {start.session_id for start in world.containers.starts} == {session.session_id}
    assert len(world.containers.live_reports()) == 1
    assert world.containers.peak_live_count == 1
    await obey(world)
    assert (await world.bead(bead_id)).status == BeadStatus.CLOSED
    assert await world.violations() == []
