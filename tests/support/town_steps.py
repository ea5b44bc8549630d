"""Longer steps in a TownWorld: a bead from its sling to its review, a convoy to its landing."""

from __future__ import annotations

from typing import cast

from boomtown.actors.town.commands import ConvoyTask, SlingBead, SlingConvoy
from boomtown.actors.town.model import Bead, MergeMode, Session
from boomtown.actors.town.views import SlingBatchView, SlingView
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.ids import BeadId, RigId
from support.town_world import RIG_ID, TownWorld


async def sling(world: TownWorld, title: str = "Paint it", *, rig_id: RigId = RIG_ID) -> BeadId:
    """A bead with its session claimed; nothing was sent yet."""
    view = cast(SlingView, await world.execute(SlingBead(rig_id=rig_id, title=title)))
    return BeadId(view.bead.bead_id)


async def start_work(
    world: TownWorld, title: str = "Paint it", *, rig_id: RigId = RIG_ID
) -> Session:
    """A session that runs for a new bead."""
    bead_id = await sling(world, title, rig_id=rig_id)
    return await run_session_of(world, bead_id)


async def run_session_of(world: TownWorld, bead_id: BeadId) -> Session:
    """Let the loop start the bead's session, and its agent give a sign of life."""
    await world.settle()
    session = await world.session_of(bead_id)
    await world.heartbeat(session.session_id)
    return await world.session(session.session_id)


async def submit_work(world: TownWorld, title: str = "Paint it", *, rig_id: RigId = RIG_ID) -> Bead:
    """A new bead whose work is done; answers its review, which the refinery has taken."""
    session = await start_work(world, title, rig_id=rig_id)
    await world.done(session.session_id, Verdict.SUBMITTED)
    await world.settle()
    return (await world.reviews_of(session.bead_id))[-1]


async def start_review(
    world: TownWorld, title: str = "Paint it", *, rig_id: RigId = RIG_ID
) -> Session:
    """A review session that runs, of a new bead's work."""
    review = await submit_work(world, title, rig_id=rig_id)
    return await run_session_of(world, review.bead_id)


async def sling_convoy(
    world: TownWorld, *tasks: ConvoyTask, mode: MergeMode = MergeMode.REVIEW_THEN_LAND
) -> tuple[BeadId, list[BeadId]]:
    """(the convoy, its beads)."""
    command = SlingConvoy(
        rig_id=RIG_ID,
        convoy_title="Three walls",
        tasks=tasks,
        merge_mode=mode,
        parallel=True,
    )
    view = cast(SlingBatchView, await world.execute(command))
    return BeadId(view.convoy.id), [BeadId(bound.bead.bead_id) for bound in view.beads]


def serial_tasks(count: int) -> tuple[ConvoyTask, ...]:
    """Each waits for the one before."""
    return tuple(
        ConvoyTask(title=f"Wall {index}", depends_on=(index - 1,) if index else ())
        for index in range(count)
    )


async def obey(world: TownWorld, *, rounds: int = 20) -> None:
    """Every agent does what it is for, and the loop goes on, until nobody has anything to do."""
    for _ in range(rounds):
        await world.settle()
        live = await world.live_sessions()
        if not live:
            return
        for session in live:
            await world.heartbeat(session.session_id)
            is_work = session.kind == SessionKind.WORK
            await world.done(session.session_id, Verdict.SUBMITTED if is_work else Verdict.MERGED)
