"""Scenarios E (review queue), F (reconciler) and K (alarm and cadence), adapted to sessions."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from boomtown.actors.town.commands import (
    CompleteReview,
    ConvoyTask,
    CreateBead,
    SetBeadStatus,
    SlingBead,
    SlingConvoy,
    StartConvoy,
    SubmitReview,
)
from boomtown.actors.town.commands_of_agents import (
    DeleteAgent,
    GetOrCreateAgent,
    Heartbeat,
    HookBead,
)
from boomtown.actors.town.model import BeadStatus, MergeMode, RigConfig, SessionState
from boomtown.actors.town.questions import GetAgent, GetBead, GetConvoy, GetRig, ListEscalations
from boomtown.actors.town.views import (
    AgentView,
    BeadView,
    ConvoyDetailView,
    EscalationView,
    ListView,
    RigView,
    SlingBatchView,
    SlingView,
)
from boomtown.container_sim.model import AgentRole, Verdict
from boomtown.errors import NotFound
from boomtown.ids import AgentId, BeadId, RigId
from support.town_steps import (
    obey,
    run_session_of,
    serial_tasks,
    sling,
    sling_convoy,
    start_review,
    start_work,
    submit_work,
)
from support.town_world import RIG_ID, TownWorld, speaker

PULL = "https://forge.invalid/app/pull/7"
TWO_TASKS = (ConvoyTask(title="One"), ConvoyTask(title="Two"))


async def test_scenario_E_submit_with_a_pull_request(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.execute(
            SubmitReview(
                rig_id=RIG_ID,
                bead_id=session.bead_id,
                agent_id=session.agent_id,
                branch=session.branch,
                pr_url=PULL,
            )
        )
        (review,) = await world.reviews_of(session.bead_id)
        view = cast(BeadView, await world.query(GetBead(rig_id=RIG_ID, bead_id=review.bead_id)))
        assert view.status == "open"
        assert view.metadata["pr_url"] == PULL
        assert view.metadata["source_bead_id"] == session.bead_id


async def test_scenario_E_merged_review_closes_its_source(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        await world.done(session.session_id, Verdict.MERGED)
        await world.settle()
        assert session.subject is not None
        assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED
        assert (await world.bead(session.subject)).status == BeadStatus.CLOSED
        found = await world.rows("SELECT merge_commit FROM reviews")
        assert found == [("c0ffee",)]


async def test_scenario_E_conflict_is_one_high_escalation(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_review(world)
        command = CompleteReview(
            rig_id=RIG_ID, review_id=session.bead_id, status="conflict", message="a.py conflicts"
        )
        await world.execute(command, speaker(session))
        await world.settle()
        assert session.subject is not None
        assert (await world.bead(session.bead_id)).status == BeadStatus.FAILED
        assert (await world.bead(session.subject)).status == BeadStatus.OPEN
        found = cast(ListView, await world.query(ListEscalations()))
        (escalation,) = [item for item in found.items if isinstance(item, EscalationView)]
        assert (escalation.severity, escalation.message) == ("high", "a.py conflicts")
        assert escalation.metadata["source_bead_id"] == session.subject
        assert escalation.metadata["branch"] == session.branch
        assert escalation.metadata["conflict"] is True
        assert (await world.session(session.session_id)).state == SessionState.ENDED


async def test_scenario_E_done_unhooks_and_makes_a_review(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        view = await _agent(world, session.agent_id)
        assert (view.status, view.current_hook_bead_id) == ("idle", None)
        (review,) = await world.reviews_of(session.bead_id)
        assert review.subject == session.bead_id
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_REVIEW
        assert review.status != BeadStatus.OPEN, "the refinery has taken it"


@pytest.mark.parametrize(
    ("status", "source_after", "closed"), [("failed", "open", 0), ("merged", "closed", 1)]
)
async def test_scenario_E_end_of_a_convoy_tasks_review(
    tmp_path: Path, status: str, source_after: str, closed: int
) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, (bead_id,) = await sling_convoy(world, *serial_tasks(1))
        await _submit(world, bead_id)
        await _complete(world, bead_id, status)
        assert (await world.bead(bead_id)).status == source_after
        assert (await world.convoy(convoy_id)).closed_beads == closed


async def test_scenario_E_one_review_fails_and_the_other_merges(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, (first, second) = await sling_convoy(world, *TWO_TASKS)
        for bead_id, status in ((first, "failed"), (second, "merged")):
            await _submit(world, bead_id)
            await _complete(world, bead_id, status)
        assert (await world.bead(first)).status == BeadStatus.OPEN
        assert (await world.bead(second)).status == BeadStatus.CLOSED
        assert (await world.convoy(convoy_id)).closed_beads == 1


async def test_scenario_F_convoy_is_bound_lazily(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        command = SlingConvoy(rig_id=RIG_ID, convoy_title="One", tasks=serial_tasks(1))
        view = cast(SlingBatchView, await world.execute(command))
        bead_id = BeadId(view.beads[0].bead.bead_id)
        assert view.beads[0].agent is None
        assert (await world.bead(bead_id)).assignee_agent_id is None
        await world.tick()
        assert (await world.bead(bead_id)).assignee_agent_id is not None


async def test_scenario_F_blocked_bead_is_assigned_when_its_blocker_closes(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        _, (first, second) = await sling_convoy(world, *serial_tasks(2))
        await world.settle()
        assert (await world.bead(first)).assignee_agent_id is not None
        assert (await world.bead(second)).assignee_agent_id is None
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.CLOSED))
        await world.settle()
        assert (await world.bead(second)).assignee_agent_id is not None


async def test_scenario_F_beat_of_an_idle_hooked_agent_makes_it_work(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        agent_id, _ = await _attach(world)
        assert (await _agent(world, agent_id)).status == "idle"
        for _ in range(2):
            await world.execute(Heartbeat(rig_id=RIG_ID, agent_id=agent_id))
            assert (await _agent(world, agent_id)).status == "working"


async def test_scenario_F_open_review_gets_a_refinery(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        review = await submit_work(world)
        assert (await world.bead(review.bead_id)).status == BeadStatus.IN_PROGRESS
        roles = [agent.role for agent in await world.agents()]
        assert roles == [AgentRole.POLECAT, AgentRole.REFINERY]


@pytest.mark.parametrize(
    ("mode", "status"),
    [(MergeMode.REVIEW_AND_MERGE, "landed"), (MergeMode.REVIEW_THEN_LAND, "active")],
    ids=["review-and-merge", "review-then-land"],
)
async def test_scenario_F_convoy_whose_beads_are_all_closed(
    tmp_path: Path, mode: MergeMode, status: str
) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, beads = await sling_convoy(world, *TWO_TASKS, mode=mode)
        for bead_id in beads:
            await world.execute(
                SetBeadStatus(rig_id=RIG_ID, bead_id=bead_id, status=BeadStatus.CLOSED)
            )
        await world.settle()
        view = cast(ConvoyDetailView, await world.query(GetConvoy(convoy_id=convoy_id)))
        assert (view.convoy.status, view.convoy.closed_beads) == (status, 2)


async def test_scenario_F_agent_of_a_closed_bead_is_unhooked(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        agent_id, bead_id = await _attach(world)
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=bead_id, status=BeadStatus.CLOSED))
        await world.settle()
        assert (await _agent(world, agent_id)).current_hook_bead_id is None
        assert await world.live_sessions() == []


async def test_scenario_F_active_agent_stays_employed(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await obey(world)
        await world.tick_now()
        assert (await _agent(world, session.agent_id)).employment == "hired"


async def test_scenario_F_sling_answers_an_open_bead_and_its_agent(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = cast(SlingView, await world.execute(SlingBead(rig_id=RIG_ID, title="Paint it")))
        assert view.bead.status == "open"
        assert view.bead.assignee_agent_bead_id == view.agent.id


async def test_scenario_F_staged_convoy_waits_for_its_start(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        command = SlingConvoy(
            rig_id=RIG_ID, convoy_title="Later", tasks=serial_tasks(1), staged=True
        )
        view = cast(SlingBatchView, await world.execute(command))
        convoy_id = BeadId(view.convoy.id)
        await world.advance_ms(600_000)
        assert world.containers.starts == []
        await world.execute(StartConvoy(convoy_id=convoy_id))
        await world.settle()
        assert not (await world.convoy(convoy_id)).is_staged
        assert len(world.containers.starts) == 1


async def test_scenario_K_hook_sling_done_and_heartbeat_arm_the_alarm(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        soon_ms, active_ms = world.limits.alarm_inbox_ms, world.limits.alarm_active_ms
        assert await _alarm_in_ms(world) > active_ms
        await sling(world)
        assert await _alarm_in_ms(world) == soon_ms
        await world.settle()
        (session,) = await world.live_sessions()
        await world.heartbeat(session.session_id)
        assert await _alarm_in_ms(world) <= active_ms
        await world.done(session.session_id, Verdict.SUBMITTED)
        assert await _alarm_in_ms(world) == soon_ms
        await obey(world)
        await _attach(world)
        assert await _alarm_in_ms(world) == soon_ms


async def test_scenario_K_cadence_follows_the_work(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        assert await _alarm_in_ms(world) > world.limits.alarm_active_ms
        session = await start_work(world)
        await world.settle()
        ticks = await world.counter("ticks")
        await world.advance_ms(60_000)
        assert await world.counter("ticks") - ticks == 12
        await world.done(session.session_id, Verdict.SUBMITTED)
        await obey(world)
        ticks = await world.counter("ticks")
        await world.advance_ms(10 * world.limits.alarm_idle_ms)
        assert await world.counter("ticks") - ticks == 10


async def test_scenario_K_hooked_agent_that_was_dispatched_works(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        await world.settle()
        session = await world.session_of(bead_id)
        view = await _agent(world, session.agent_id)
        assert (view.status, view.current_hook_bead_id) == ("working", bead_id)


async def test_scenario_K_dead_agent_stays_dead(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        agent_id = await _new_agent(world)
        await world.execute(DeleteAgent(rig_id=RIG_ID, agent_id=agent_id))
        await sling(world)
        await world.settle()
        assert (await _agent(world, agent_id)).status == "dead"
        (session,) = await world.live_sessions()
        assert session.agent_id != agent_id


async def test_scenario_K_bead_survives_its_agents_death(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.completed(session.session_id, exit_code=-9, reason="signal 9")
        await world.settle()
        bead = await world.bead(session.bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 1)


async def test_scenario_K_rig_config_is_stored_and_read(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        other = RigId("01890000-0000-7000-8000-000000000004")
        await world.add_rig(other, "other", config=RigConfig(max_polecats_per_rig=2))
        view = cast(RigView, await world.query(GetRig(rig_id=other)))
        assert view.config.max_polecats_per_rig == 2
        with pytest.raises(NotFound):
            await world.query(GetRig(rig_id=RigId("01890000-0000-7000-8000-000000000005")))


async def _submit(world: TownWorld, bead_id: BeadId) -> None:
    session = await run_session_of(world, bead_id)
    await world.done(session.session_id, Verdict.SUBMITTED)
    await world.settle()


async def _complete(world: TownWorld, source_id: BeadId, status: str) -> None:
    review = (await world.reviews_of(source_id))[-1]
    await world.execute(
        CompleteReview(rig_id=RIG_ID, review_id=review.bead_id, status=status, message="because")
    )
    await world.settle()


async def _agent(world: TownWorld, agent_id: AgentId) -> AgentView:
    return cast(AgentView, await world.query(GetAgent(rig_id=RIG_ID, agent_id=agent_id)))


async def _new_agent(world: TownWorld) -> AgentId:
    command = GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.POLECAT)
    return AgentId(cast(AgentView, await world.execute(command)).id)


async def _attach(world: TownWorld) -> tuple[AgentId, BeadId]:
    """An agent that a person runs, hooked to a held bead."""
    agent_id = await _new_agent(world)
    made = CreateBead(rig_id=RIG_ID, title="By hand", labels=("gt:held",))
    bead_id = BeadId(cast(BeadView, await world.execute(made)).bead_id)
    await world.execute(HookBead(rig_id=RIG_ID, agent_id=agent_id, bead_id=bead_id))
    return agent_id, bead_id


async def _alarm_in_ms(world: TownWorld) -> int:
    at_ms = await world.alarm_at_ms()
    assert at_ms is not None, "a town always has an alarm"
    return at_ms - world.clock.now_ms()
