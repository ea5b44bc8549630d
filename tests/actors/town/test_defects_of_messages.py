"""Rows of the old system's defects about what agents say late, twice, or of somebody else, and
about the inbox that it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from boomtown.actors.town.commands import CreateBead, DeleteBeads, SetBeadStatus
from boomtown.actors.town.commands_of_agents import (
    GetOrCreateAgent,
    Heartbeat,
    HookBead,
    ReportContainerGone,
    RequestChanges,
)
from boomtown.actors.town.model import BeadKind, BeadStatus, Session, SessionState
from boomtown.actors.town.views import AgentView, BeadView, FactsView, PostedView
from boomtown.container_sim.model import (
    AgentRole,
    InstanceGone,
    SessionKind,
    Unknown,
    Verdict,
)
from boomtown.ids import AgentId, BeadId, InstanceId
from boomtown.wire import encode_json_text
from support.scripted_containers import Reply
from support.town_steps import (
    obey,
    run_session_of,
    serial_tasks,
    sling_convoy,
    start_review,
    start_work,
)
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, TownWorld, speaker

MINUTE_MS = 60_000
BREAK_BEADS = (
    "CREATE TRIGGER breaks BEFORE UPDATE OF status ON beads"
    " BEGIN SELECT RAISE(ABORT, 'planted'); END"
)


async def test_defect_12_done_for_the_first_review_leaves_the_second(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_review(world)
        await world.end_instance()
        await world.settle()
        again = await run_session_of(world, first.bead_id)
        await world.done(first.session_id, Verdict.MERGED)
        await world.settle()
        assert (await world.bead(first.bead_id)).status == BeadStatus.IN_PROGRESS
        assert (await world.session(again.session_id)).state == SessionState.RUNNING


async def test_defect_15_final_bead_asked_to_close_moves_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        _, (first, second) = await sling_convoy(world, *serial_tasks(2))
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.FAILED))
        await world.settle()
        audit = await world.rows("SELECT count(*) FROM bead_events")
        asked = SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.CLOSED)
        answer = cast(BeadView, await world.execute(asked))
        await world.settle()
        assert answer.status == "failed"
        assert await world.rows("SELECT count(*) FROM bead_events") == audit
        assert world.containers.starts == []
        assert (await world.bead(second)).status == BeadStatus.OPEN


async def test_defect_33_agent_without_activity_is_left_alone(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        command = GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.POLECAT)
        await world.execute(command)
        await world.advance_ms(25 * 60 * MINUTE_MS)
        (agent,) = await world.agents()
        assert (agent.employment, agent.last_activity_at_ms) == ("hired", None)
        assert await world.escalation_titles() == []


async def test_defect_35_event_that_raises_twice_is_applied_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.plant(BREAK_BEADS)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.tick_now()
        await world.tick_now()
        assert await world.beads(BeadKind.REVIEW) == []
        await world.plant("DROP TRIGGER breaks")
        await world.settle()
        assert len(await world.beads(BeadKind.REVIEW)) == 1
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_REVIEW


async def test_defect_36_events_of_nobody_are_consumed_in_one_tick(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await _post(world, "agent_done", {"session_id": "nobody", "branch": "b"})
        completed = {"session_id": "nobody", "is_failure": True, "reason": None, "is_proof": True}
        await _post(world, "agent_completed", completed)
        await world.tick_now()
        assert await world.rows("SELECT outcome FROM inbox ORDER BY seq") == [("stale",)] * 2


async def test_defect_37_deleted_bead_takes_its_pending_events_along(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.plant(BREAK_BEADS)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.tick_now()
        await world.plant(
            "DROP TRIGGER breaks", "UPDATE sessions SET state = 'ended', ended_at_ms = 1"
        )
        await world.execute(DeleteBeads(rig_id=RIG_ID, bead_ids=(session.bead_id,)))
        await world.settle()
        pending = await world.rows("SELECT count(*) FROM inbox WHERE applied_at_ms IS NULL")
        assert pending == [(0,)]
        assert await world.beads(BeadKind.REVIEW) == []


async def test_defect_40_hook_of_a_second_agent_releases_and_stops_the_first(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        other = await _another_agent(world)
        answer = cast(
            FactsView,
            await world.execute(HookBead(rig_id=RIG_ID, agent_id=other, bead_id=first.bead_id)),
        )
        assert answer.facts["hooked"] is False
        assert (await world.bead(first.bead_id)).status == BeadStatus.OPEN
        assert (await world.session(first.session_id)).state == SessionState.ENDING
        await world.settle()
        assert len(world.containers.calls_of("stop")) == 1
        assert (await world.session_of(first.bead_id)).agent_id == other
        assert len(world.containers.live_reports()) == 1


async def test_defect_41_process_that_ends_without_done_closes_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.completed(session.session_id)
        await world.settle()
        assert (await world.bead(session.bead_id)).status == BeadStatus.IN_PROGRESS
        await world.advance_ms(world.limits.done_grace_ms)
        bead = await world.bead(session.bead_id)
        assert (bead.status, bead.dispatch_attempts) == (BeadStatus.OPEN, 1)
        assert (await world.session(session.session_id)).end_reason == "no_result"


async def test_defect_42_completion_of_an_old_session_leaves_the_new_one(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first, second = await _dispatched_twice(world)
        answer = cast(PostedView, await world.completed(first.session_id, exit_code=1))
        await world.settle()
        assert answer.stale
        assert (await world.session(second.session_id)).state == SessionState.RUNNING
        assert (await world.bead(second.bead_id)).dispatch_attempts == 0


async def test_defect_50_lost_answer_of_a_start_does_not_silence_its_session(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        work = await start_work(world)
        world.containers.start_replies.append(
            Reply(outcome=Unknown(reason="reset"), is_effective=True)
        )
        await world.done(work.session_id, Verdict.SUBMITTED)
        await world.settle()
        (review,) = await world.reviews_of(work.bead_id)
        session = await world.session_of(review.bead_id)
        answer = cast(FactsView, await world.execute(_changes(session), speaker(session)))
        assert "rework_bead_id" in answer.facts


async def test_defect_59_eviction_of_an_earlier_session_leaves_the_later(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        first, second = await _dispatched_twice(world)
        answer = await world.completed(first.session_id, reason="container eviction")
        assert cast(PostedView, answer).stale
        await world.settle()
        assert (await world.session(second.session_id)).state == SessionState.RUNNING
        assert (await world.bead(second.bead_id)).status == BeadStatus.IN_PROGRESS


@pytest.mark.parametrize("word", ["done", "completed"])
async def test_defect_62_old_word_of_a_polecat_leaves_its_new_bead(
    tmp_path: Path, word: str
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        await world.done(first.session_id, Verdict.SUBMITTED)
        await world.settle()
        second = await start_work(world, "Another")
        assert second.agent_id == first.agent_id
        if word == "done":
            await world.done(first.session_id, Verdict.SUBMITTED)
        else:
            await world.completed(first.session_id, exit_code=1)
        await world.settle()
        assert (await world.bead(second.bead_id)).status == BeadStatus.IN_PROGRESS
        assert (await world.session(second.session_id)).state == SessionState.RUNNING


async def test_defect_67_word_about_the_session_before_is_no_word_about_this_one(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        first = await start_work(world)
        await world.completed(first.session_id, exit_code=1)
        await world.advance_ms(world.limits.dispatch_backoff_ms[0] + 1_000)
        second = await world.session_of(first.bead_id)
        gone = InstanceGone(
            town_id=TOWN_ID,
            instance_id=InstanceId("of-long-ago"),
            exit_code=0,
            reason="stopped",
        )
        await world.execute(ReportContainerGone(gone=gone), SYSTEM)
        await world.settle()
        assert (await world.session(second.session_id)).state == SessionState.STARTING


async def test_defect_72_one_corrupt_row_among_ten(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        for number in range(9):
            await _post(world, "container_noted", {"kind": "note", "message": str(number)})
            if number == 4:
                await world.plant(
                    "INSERT INTO inbox (kind, payload, created_at_ms) VALUES ('?', '{{', 1)"
                )
        await world.tick_now()
        outcomes = [row[0] for row in await world.rows("SELECT outcome FROM inbox ORDER BY seq")]
        assert outcomes == ["applied"] * 5 + [None] + ["applied"] * 4


async def test_defect_72_event_that_fails_half_way_makes_one_review(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.plant(
            "CREATE TRIGGER breaks BEFORE UPDATE OF verdict ON sessions"
            " BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.tick_now()
        assert await world.beads(BeadKind.REVIEW) == []
        await world.plant("DROP TRIGGER breaks")
        await world.settle()
        assert len(await world.beads(BeadKind.REVIEW)) == 1


async def test_poison_event_is_buried_after_eight_tries_and_told_once(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await _post(world, "no_such_event", {})
        for _ in range(world.limits.inbox_attempts_max - 1):
            await world.tick_now()
        assert await world.rows("SELECT count(*) FROM dead_letters") == [(0,)]
        for _ in range(3):
            await world.tick_now()
        ((kind, attempts, error),) = await world.rows(
            "SELECT kind, attempts, error FROM dead_letters"
        )
        assert (kind, attempts) == ("no_such_event", world.limits.inbox_attempts_max)
        assert "no_such_event" in error
        assert await world.rows("SELECT outcome FROM inbox") == [("dead",)]
        assert len(await world.escalation_titles()) == 1


async def test_defect_80_beats_of_an_idle_agent_change_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await obey(world)
        audit = await world.rows("SELECT count(*) FROM bead_events")
        for _ in range(10):
            await world.execute(
                Heartbeat(rig_id=RIG_ID, agent_id=session.agent_id), speaker(session)
            )
            await world.tick_now()
        assert await world.rows("SELECT count(*) FROM bead_events") == audit
        assert await world.live_sessions() == []


async def test_defect_97_events_of_one_instant_are_applied_in_their_order(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        await world.done(session.session_id, Verdict.ABANDONED)
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.tick()
        ((first,), (second,)) = await world.rows(
            "SELECT outcome FROM inbox WHERE kind = 'agent_done' ORDER BY seq"
        )
        assert (first, second) == ("applied", "stale")
        assert await world.beads(BeadKind.REVIEW) == []


async def test_operator_does_not_speak_for_an_agent_that_the_town_started(
    tmp_path: Path,
) -> None:
    """Decisions 31."""
    async with TownWorld(tmp_path) as world:
        session = await start_work(world)
        command = Heartbeat(rig_id=RIG_ID, agent_id=session.agent_id)
        assert cast(FactsView, await world.execute(command)).facts["stale"] is True


async def test_attached_agent_works_without_a_container(tmp_path: Path) -> None:
    """Decisions 31: hooked it is idle, its first beat makes it work, its done submits."""
    async with TownWorld(tmp_path) as world:
        agent_id = await _another_agent(world)
        made = CreateBead(rig_id=RIG_ID, title="By hand", labels=("gt:held",))
        bead_id = BeadId(cast(BeadView, await world.execute(made)).bead_id)
        await world.execute(HookBead(rig_id=RIG_ID, agent_id=agent_id, bead_id=bead_id))
        await world.settle()
        assert (await world.bead(bead_id)).status == BeadStatus.OPEN
        await world.execute(Heartbeat(rig_id=RIG_ID, agent_id=agent_id))
        session = await world.session_of(bead_id)
        assert session.state == SessionState.RUNNING
        assert (await world.bead(bead_id)).status == BeadStatus.IN_PROGRESS
        assert world.containers.calls == []
        await world.done(session.session_id, Verdict.SUBMITTED)
        await world.settle()
        assert (await world.bead(bead_id)).status == BeadStatus.IN_REVIEW
        assert (await world.session(session.session_id)).state == SessionState.ENDED
        assert [start.kind for start in world.containers.starts] == [SessionKind.REVIEW]


def _changes(session: Session) -> RequestChanges:
    return RequestChanges(rig_id=session.rig_id, agent_id=session.agent_id, feedback="mend it")


async def _another_agent(world: TownWorld) -> AgentId:
    command = GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.POLECAT)
    return AgentId(cast(AgentView, await world.execute(command)).id)


async def _dispatched_twice(world: TownWorld) -> tuple[Session, Session]:
    """A bead whose first session ended with its container, and its second."""
    first = await start_work(world)
    await world.end_instance()
    await world.settle()
    return first, await run_session_of(world, first.bead_id)


async def _post(world: TownWorld, tag: str, fields: Mapping[str, object]) -> None:
    payload = encode_json_text({"type": tag, **fields})
    await world.plant(
        "INSERT INTO inbox (kind, payload, created_at_ms)"
        f" VALUES ('{tag}', '{payload}', {world.clock.now_ms()})"
    )
