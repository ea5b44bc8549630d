"""Defect rows of town.md 10 about failing starts, dying containers and drains, on a whole town."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boomtown.actors.town.commands import (
    BeginDrain,
    Caller,
    CallerKind,
    ClearDrain,
    CreateBead,
    DeleteRig,
)
from boomtown.actors.town.commands_of_agents import (
    GetOrCreateAgent,
    ReportContainerGone,
    ReportEviction,
)
from boomtown.actors.town.model import BeadStatus, Employment, SessionState, TownConfig
from boomtown.actors.town.questions import (
    AskRegistry,
    GetDrainStatus,
    GetMayorId,
    GetTownStatus,
    ListRegistry,
    Question,
)
from boomtown.actors.town.views import ListView, TownStatusView
from boomtown.container_sim.model import AgentRole, InstanceGone, Rejected, Unknown, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import BeadId, InstanceId
from boomtown.limits import TownLimits
from support.scripted_containers import Reply
from support.town_steps import run_session_of, sling, start_work, submit_work
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, TownWorld, speaker

MINUTE_MS = 60_000
REJECTED = Rejected(code=ErrorCode.UNKNOWN_HARNESS, message="no such harness")
MANY = TownConfig(max_polecats_per_rig=20, max_dispatch_attempts=50)
NEXT = InstanceId("01890000-0000-7000-8000-0000000000fe")


def container(instance_id: str | None) -> Caller:
    instance = None if instance_id is None else InstanceId(instance_id)
    return Caller(kind=CallerKind.CONTAINER, user_id="local", instance_id=instance)


async def facts(world: TownWorld, command: Any, caller: Caller) -> dict[str, Any]:
    view: Any = await world.execute(command, caller)
    found: dict[str, Any] = view.facts
    return found


async def asked(world: TownWorld, question: Question, caller: Caller) -> Any:
    return await world.query_as(question, caller)


async def breaker(world: TownWorld) -> dict[str, Any]:
    view = await world.query(GetTownStatus())
    assert isinstance(view, TownStatusView)
    return view.breaker


async def open_breaker(world: TownWorld) -> list[BeadId]:
    """Twenty beads whose first start is rejected."""
    world.containers.start_replies.extend([Reply(outcome=REJECTED)] * 20)
    beads = [await sling(world, f"Bead {n}") for n in range(20)]
    await world.settle()
    return beads


# Row 71: the breaker.


async def test_defect_71_twenty_five_running_beads_leave_the_breaker_closed(
    tmp_path: Path,
) -> None:
    limits = TownLimits(polecats_per_rig_max=26)
    async with TownWorld(
        tmp_path, config=TownConfig(max_polecats_per_rig=26), limits=limits
    ) as world:
        for n in range(25):
            await sling(world, f"Bead {n}")
        await world.settle()
        for session in await world.live_sessions():
            await world.heartbeat(session.session_id)
        await world.settle()
        running = [s for s in await world.sessions() if s.state == SessionState.RUNNING]
        assert len(running) == 25
        assert (await breaker(world))["state"] == "closed"
        await start_work(world, "One more")
        assert await world.escalation_titles() == []


async def test_defect_71_twenty_rejections_open_it_with_one_notice_and_it_recovers(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path, config=MANY) as world:
        beads = await open_breaker(world)
        found = await breaker(world)
        assert (found["state"], found["failedStarts"]) == ("open", 20)
        notices = [t for t in await world.escalation_titles() if t.startswith("Nothing is")]
        assert notices == ["Nothing is dispatched: 20 starts failed"]
        starts = len(world.containers.starts)
        await world.advance_ms(world.limits.breaker_pause_ms - 1_000)
        assert len(world.containers.starts) == starts
        await world.advance_ms(2_000)
        assert len(world.containers.starts) == starts + 1
        assert (await breaker(world))["state"] == "half_open"
        (probe,) = await world.live_sessions()
        await world.heartbeat(probe.session_id)
        await world.advance_ms(10_000)
        assert (await breaker(world))["state"] == "closed"
        assert len(await world.live_sessions()) == len(beads)
        titles = await world.escalation_titles()
        assert [t for t in titles if t.startswith("Nothing is")] == notices


async def test_defect_71_rejected_probe_begins_another_pause_without_another_notice(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path, config=MANY) as world:
        await open_breaker(world)
        world.containers.start_replies.append(Reply(outcome=REJECTED))
        starts = len(world.containers.starts)
        await world.advance_ms(world.limits.breaker_pause_ms + 1_000)
        assert len(world.containers.starts) == starts + 1
        assert (await breaker(world))["state"] == "open"
        await world.advance_ms(world.limits.breaker_pause_ms - 5_000)
        assert len(world.containers.starts) == starts + 1
        await world.advance_ms(6_000)
        assert len(world.containers.starts) == starts + 2
        assert await world.counter("breaker.opened") == 1


async def test_defect_71_restart_remembers_that_the_breaker_is_open(tmp_path: Path) -> None:
    async with TownWorld(tmp_path, config=MANY) as world:
        await open_breaker(world)
        await world.restart()
        starts = len(world.containers.starts)
        await world.advance_ms(world.limits.breaker_pause_ms - 1_000)
        assert ((await breaker(world))["state"], len(world.containers.starts)) == ("open", starts)
        await world.advance_ms(2_000)
        assert len(world.containers.starts) == starts + 1


async def test_defect_71_unknown_start_that_proves_dead_is_a_failed_start(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        unknown = Unknown(reason="timeout")
        world.containers.start_replies.append(Reply(outcome=unknown))
        world.containers.probe_replies.extend([Reply(outcome=unknown)] * 500)
        world.containers.stop_replies.extend([Reply(outcome=unknown)] * 500)
        await sling(world)
        await world.settle()
        assert (await breaker(world))["failedStarts"] == 0
        await world.advance_ms(7 * MINUTE_MS)
        assert (await breaker(world))["failedStarts"] >= 1


async def test_defect_71_failures_of_running_agents_and_of_containers_do_not_count(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.completed(session.session_id, exit_code=3)
        await sling(world, "Another")
        await world.settle()
        await world.end_instance()
        await world.settle()
        assert (await breaker(world))["failedStarts"] == 0


# Decisions 28: container restarts.


async def test_container_that_keeps_dying_makes_its_bead_wait_and_says_so(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        for _ in range(world.limits.container_restarts_per_hour_max + 1):
            await run_session_of(world, bead_id)
            await world.end_instance()
            await world.settle()
        bead = await world.bead(bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 0)
        titles = ["Loses its container again and again: Paint it"]
        assert await world.escalation_titles() == titles
        starts = len(world.containers.starts)
        await world.advance_ms(59 * MINUTE_MS)
        assert len(world.containers.starts) == starts
        await world.advance_ms(2 * MINUTE_MS)
        assert len(world.containers.starts) == starts + 1
        assert await world.escalation_titles() == titles


# Rows 55 and 59: drains.


async def test_defect_55_a_drain_of_six_minutes_moves_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        answer = await facts(world, BeginDrain(), container(session.instance_id))
        assert answer["acknowledged"] is True
        assert len(answer["drainNonce"]) == 36
        await sling(world, "Not now")
        before = [(s.session_id, s.state) for s in await world.sessions()]
        audit = await world.rows("SELECT count(*) FROM bead_events")
        await world.advance_ms(6 * MINUTE_MS)
        assert [(s.session_id, s.state) for s in await world.sessions()] == before
        assert await world.rows("SELECT count(*) FROM bead_events") == audit
        assert len(world.containers.starts) == 1
        assert world.containers.calls_of("probe") == world.containers.calls_of("stop") == []
        await world.advance_ms(MINUTE_MS + 1_000)
        assert len(world.containers.starts) == 2
        assert len(world.containers.calls_of("probe")) >= 1
        assert await world.violations() == []


async def test_defect_55_own_heartbeat_does_not_end_the_drain_and_anothers_does(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world, "First")
        second = await start_work(world, "Second")
        drained = container(first.instance_id)
        nonce = (await facts(world, BeginDrain(), drained))["drainNonce"]
        view: Any = await world.heartbeat(first.session_id)
        assert "drainNonce" not in view.facts
        assert (await asked(world, GetDrainStatus(), drained)).facts["draining"] is True
        await world.plant(
            f"UPDATE sessions SET instance_id = '{NEXT}' WHERE session_id = '{second.session_id}'"
        )
        view = await world.heartbeat(second.session_id)
        assert view.facts["drainNonce"] == nonce
        assert (await asked(world, GetDrainStatus(), drained)).facts == {"draining": False}
        assert await facts(world, BeginDrain(), drained) == {
            "acknowledged": True,
            "drainNonce": nonce,
        }
        status = await asked(world, GetDrainStatus(), drained)
        assert status.facts == {"draining": False}, "one instance drains once"


async def test_defect_55_nonce_ends_the_drain_when_another_instance_says_it(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        drained, heir = container(session.instance_id), container(NEXT)
        nonce = (await facts(world, BeginDrain(), drained))["drainNonce"]
        told = (await asked(world, GetDrainStatus(), heir)).facts
        assert (told["drainNonce"], told["draining"]) == (nonce, True)
        assert "drainNonce" not in (await asked(world, GetDrainStatus(), drained)).facts
        no = {"cleared": False}
        assert await facts(world, ClearDrain(nonce="guess"), heir) == no
        assert await facts(world, ClearDrain(nonce=nonce), drained) == no
        await world.restart()
        assert await facts(world, ClearDrain(nonce=nonce), heir) == {"cleared": True}
        assert await facts(world, ClearDrain(nonce=nonce), heir) == no


async def test_defect_55_the_draining_instance_is_gone_and_its_drain_with_it(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await facts(world, BeginDrain(), container(session.instance_id))
        await world.end_instance()
        await world.settle()
        assert (await world.session(session.session_id)).state == SessionState.ENDED
        assert len(world.containers.starts) == 2


async def test_defect_55_notice_of_an_instance_that_is_gone_begins_no_drain(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        gone = InstanceGone(town_id=TOWN_ID, instance_id=NEXT, exit_code=0, reason="stopped")
        await world.execute(ReportContainerGone(gone=gone), SYSTEM)
        answer = await facts(world, BeginDrain(), container(NEXT))
        assert answer == {"acknowledged": True, "drainNonce": None}
        assert (await asked(world, GetDrainStatus(), container(None))).facts == {"draining": False}


async def test_defect_55_status_shows_the_drain(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        at_ms = world.clock.now_ms()
        await facts(world, BeginDrain(), container(NEXT))
        view = await world.query(GetTownStatus())
        assert isinstance(view, TownStatusView)
        assert (view.draining, view.drain_started_at) == (True, at_ms)


async def test_defect_56_evicted_agent_says_its_branch_then_ends_without_an_attempt(
    tmp_path: Path,
) -> None:
    """The town's side: whatever order its words come in, the bead keeps the note and waits."""
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await facts(world, BeginDrain(), container(session.instance_id))
        note = ReportEviction(
            rig_id=RIG_ID, agent_id=session.agent_id, branch=session.branch, saved_at_ms=1
        )
        await world.execute(note, speaker(session, kind=CallerKind.CONTAINER))
        await world.completed(session.session_id, exit_code=1, reason="container eviction")
        await world.settle()
        bead = await world.bead(session.bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 0)
        assert bead.body is not None
        assert session.branch in bead.body
        assert bead.assignee_agent_id == session.agent_id
        assert await world.live_sessions() == []


# Rows 73 and 74: what a container may resume, and a start that is repeated.


async def test_defect_73_new_instance_may_resume_nothing_and_the_old_one_its_own(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        ended = await start_work(world, "Done")
        await world.done(ended.session_id, Verdict.SUBMITTED)
        await world.settle()
        question = AskRegistry(session_ids=(session.session_id, ended.session_id))
        heirs = await asked(world, question, container(NEXT))
        assert heirs.facts == {"resume": [], "drop": [session.session_id, ended.session_id]}
        own = await asked(world, question, container(session.instance_id))
        assert own.facts == {"resume": [session.session_id], "drop": [ended.session_id]}
        listed = await asked(world, ListRegistry(), container(NEXT))
        assert isinstance(listed, ListView)
        assert listed.items == ()


async def test_defect_73_bead_taken_while_its_container_restarts_has_one_live_session(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.end_instance()
        await world.settle()
        again = await world.session_of(session.bead_id)
        assert again.session_id != session.session_id
        refused = await asked(
            world, AskRegistry(session_ids=(session.session_id,)), container(NEXT)
        )
        assert refused.facts["drop"] == [session.session_id]
        assert len(await world.live_sessions()) == 1


async def test_defect_74_repeated_start_is_the_same_session(tmp_path: Path) -> None:
    """A server that restarts while a start is on its way sends it again, under the same id."""
    async with TownWorld(tmp_path) as world:
        world.containers.start_replies.append(Reply(after_ms=50_000))
        bead_id = await sling(world)
        await world.settle()
        await world.restart()
        await world.settle()
        session = await world.session_of(bead_id)
        ids = {start.session_id for start in world.containers.starts}
        assert (len(world.containers.starts), ids) == (2, {session.session_id})
        assert world.containers.peak_live_count == 1
        assert world.containers.calls_of("stop") == []


# Rows 7 and 60: rules that fought each other.


async def test_defect_07_triage_request_is_never_dispatched(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        agent: Any = await world.execute(GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.POLECAT))
        made: Any = await world.execute(
            CreateBead(rig_id=RIG_ID, title="Look at it", labels=("gt:triage-request",))
        )
        await world.plant(
            f"UPDATE beads SET assignee_agent_id = '{agent.id}' WHERE bead_id = '{made.bead_id}'"
        )
        for _ in range(20):
            await world.tick_now()
        assert await world.sessions() == []
        assert await world.counter("actions.dropped") == 0
        assert await world.counter("actions.failed") == 0
        assert await world.violations() == []


async def test_defect_60_silent_refinery_meets_one_rule_at_a_time(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        session = await run_session_of(world, review.bead_id)
        silence = [Reply(outcome=Unknown(reason="503"))] * 50
        world.containers.probe_replies.extend(silence)
        world.containers.stop_replies.extend(silence)
        for _ in range(12):
            await world.advance_ms(10_000)
            live = await world.live_sessions()
            assert [s.session_id for s in live] == [session.session_id]
            assert (await world.bead(review.bead_id)).status == BeadStatus.IN_PROGRESS
            assert await world.violations() == []
        assert len([s for s in await world.sessions() if s.kind == session.kind]) == 1


# Employment.


async def test_agent_dismissed_at_work_leaves_when_its_session_ends(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        world.containers.stop_replies.append(Reply(after_ms=5_000))
        await world.execute(DeleteRig(rig_id=RIG_ID, force=True))
        await world.settle()
        (agent,) = await world.agents()
        assert (agent.employment, agent.offboarded_at_ms) == (Employment.OFFBOARDING, None)
        assert (await world.session(session.session_id)).state == SessionState.ENDING
        await world.advance_ms(6_000)
        (agent,) = await world.agents()
        ended = await world.session(session.session_id)
        assert agent.employment == Employment.OFFBOARDED
        assert agent.offboarded_at_ms == ended.ended_at_ms
        assert agent.offboard_reason == "rig_deleted"
        assert await world.violations() == []


async def test_mayor_is_named_once_there_is_one(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        with pytest.raises(NotFound) as refusal:
            await asked(world, GetMayorId(), container(NEXT))
        assert refusal.value.code == ErrorCode.AGENT_NOT_FOUND
        made: Any = await world.execute(GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.MAYOR))
        assert (await asked(world, GetMayorId(), container(NEXT))).facts == {"mayor_id": made.id}
