"""Convoys from the sling to the landing, through the real object and its loop."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from boomtown.actors.town.commands import RetryBead, SetBeadStatus
from boomtown.actors.town.commands_of_agents import RequestChanges
from boomtown.actors.town.model import (
    BeadKind,
    BeadStatus,
    MergeMode,
    OnFailedBead,
    TownConfig,
)
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.ids import BeadId
from boomtown.limits import TownLimits
from support.town_steps import obey, run_session_of, serial_tasks, sling_convoy
from support.town_world import RIG_ID, TownWorld, speaker

BOTH_MODES = pytest.mark.parametrize("mode", list(MergeMode), ids=lambda mode: mode.value)


@BOTH_MODES
async def test_convoy_of_three_goes_from_sling_to_landed(tmp_path: Path, mode: MergeMode) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, beads = await sling_convoy(world, *serial_tasks(3), mode=mode)
        await obey(world)
        convoy = await world.convoy(convoy_id)
        assert [(await world.bead(bead)).status for bead in beads] == [BeadStatus.CLOSED] * 3
        assert (await world.bead(convoy_id)).status == BeadStatus.CLOSED
        assert (convoy.total_beads, convoy.closed_beads) == (3, 3)
        assert convoy.landed_at_ms is not None
        landings = await world.beads(BeadKind.LANDING)
        assert len(landings) == (1 if mode == MergeMode.REVIEW_THEN_LAND else 0)
        assert await world.violations() == []


@BOTH_MODES
async def test_each_bead_is_started_once_and_merged_where_the_mode_says(
    tmp_path: Path, mode: MergeMode
) -> None:
    async with TownWorld(tmp_path) as world:
        await sling_convoy(world, *serial_tasks(3), mode=mode)
        await obey(world)
        works = [start for start in world.containers.starts if start.kind == SessionKind.WORK]
        reviews = [start for start in world.containers.starts if start.kind == SessionKind.REVIEW]
        landings = [s for s in world.containers.starts if s.kind == SessionKind.LANDING]
        assert len({start.bead_id for start in works}) == len(works) == 3
        is_landing = mode == MergeMode.REVIEW_THEN_LAND
        targets = {start.target_branch for start in reviews}
        assert len(targets) == 1
        assert all(t.endswith("/head") == is_landing for t in targets)
        assert [(s.target_branch, s.merge_only) for s in landings] == [("main", True)] * is_landing
        assert world.containers.peak_live_count == 1


async def test_changes_requested_are_worked_on_and_reviewed_again(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, (bead_id,) = await sling_convoy(world, *serial_tasks(1))
        work = await run_session_of(world, bead_id)
        await world.done(work.session_id, Verdict.SUBMITTED)
        await world.settle()
        (review,) = await world.reviews_of(bead_id)
        judging = await run_session_of(world, review.bead_id)
        await world.execute(
            RequestChanges(
                rig_id=RIG_ID, agent_id=judging.agent_id, feedback="Wrong colour", files=("a.py",)
            ),
            speaker(judging),
        )
        await world.settle()
        (rework,) = await world.beads(BeadKind.REWORK)
        assert (await world.bead(review.bead_id)).status == BeadStatus.OPEN
        assert (await world.bead(bead_id)).status == BeadStatus.IN_REVIEW
        mending = await run_session_of(world, rework.bead_id)
        assert mending.branch == work.branch
        order = world.containers.starts[-1]
        assert "Wrong colour" in order.feedback
        assert order.title == "Wall 0"
        await world.done(mending.session_id, Verdict.SUBMITTED)
        await world.settle()
        assert (await world.bead(rework.bead_id)).status == BeadStatus.CLOSED
        again = await world.session_of(review.bead_id)
        assert world.containers.starts[-1].review_number == 2
        await world.heartbeat(again.session_id)
        await world.done(again.session_id, Verdict.MERGED)
        await obey(world)
        assert (await world.bead(bead_id)).status == BeadStatus.CLOSED
        assert (await world.convoy(convoy_id)).landed_at_ms is not None
        assert await world.violations() == []


async def test_failed_blocker_holds_its_dependent_until_it_is_retried(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, (first, second) = await sling_convoy(world, *serial_tasks(2))
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.FAILED))
        await world.settle()
        await world.advance_ms(600_000)
        assert (await world.bead(second)).status == BeadStatus.OPEN
        assert await world.live_sessions() == []
        held = [t for t in await world.escalation_titles() if t.startswith("Held behind")]
        assert held == ["Held behind a failed bead: Wall 1"]
        await world.execute(RetryBead(rig_id=RIG_ID, bead_id=first))
        await obey(world)
        assert (await world.bead(first)).status == BeadStatus.FAILED
        assert (await world.bead(second)).status == BeadStatus.CLOSED
        assert (await world.convoy(convoy_id)).landed_at_ms is not None


async def test_failed_blocker_is_passed_where_the_town_continues(tmp_path: Path) -> None:
    config = TownConfig(on_failed_bead=OnFailedBead.CONTINUE)
    async with TownWorld(tmp_path, config=config) as world:
        convoy_id, (first, second) = await sling_convoy(world, *serial_tasks(2))
        await world.execute(SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.FAILED))
        await obey(world)
        assert (await world.bead(second)).status == BeadStatus.CLOSED
        assert (await world.convoy(convoy_id)).landed_at_ms is not None


async def test_defect_29_serial_convoy_binds_one_agent(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await sling_convoy(world, *serial_tasks(3))
        await world.settle()
        assert len(await world.agents()) == 1
        assert len(await world.live_sessions()) == 1


async def test_defect_38_landing_fails_five_times_with_growing_pauses(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        convoy_id, beads = await sling_convoy(world, *serial_tasks(1))
        work = await run_session_of(world, beads[0])
        await world.done(work.session_id, Verdict.SUBMITTED)
        await world.settle()
        (review,) = await world.reviews_of(beads[0])
        judging = await run_session_of(world, review.bead_id)
        await world.done(judging.session_id, Verdict.MERGED)
        made_at_ms: list[int] = []
        for _ in range(TownLimits().landing_attempts_max):
            landing = await _wait_for_landing(world, len(made_at_ms) + 1)
            made_at_ms.append((await world.bead(landing)).created_at_ms)
            await world.execute(
                SetBeadStatus(rig_id=RIG_ID, bead_id=landing, status=BeadStatus.FAILED)
            )
        await world.advance_ms(7_200_000)
        convoy = await world.convoy(convoy_id)
        assert len(await world.beads(BeadKind.LANDING)) == 5
        assert convoy.landing_attempts == 5
        assert (await world.bead(convoy_id)).status == BeadStatus.FAILED
        pauses = [after - before for before, after in itertools.pairwise(made_at_ms)]
        assert pauses == [60_000, 120_000, 240_000, 480_000]


async def _wait_for_landing(world: TownWorld, number: int) -> BeadId:
    for _ in range(200):
        landings = await world.beads(BeadKind.LANDING)
        if len(landings) == number:
            return landings[-1].bead_id
        await world.advance_ms(5_000)
    raise AssertionError("no landing was made")
