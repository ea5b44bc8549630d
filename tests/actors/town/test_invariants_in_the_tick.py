"""Each invariant is seen by the tick when it is broken in SQL, told by every voice, and left as it
is: the check repairs nothing.

Some of these have a repair of their own among the planners' rules (a released bead, a settled
source, a recounted convoy). Those are planted with a trigger that breaks them again behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from boomtown.actors.town import invariants
from boomtown.actors.town.questions import CheckInvariants, GetTownStatus
from boomtown.actors.town.views import ListView, TownStatusView, ViolationView
from boomtown.limits import TownLimits
from support.town_steps import serial_tasks, sling, sling_convoy, start_review, start_work
from support.town_world import RIG_ID, TOWN_ID, TownWorld

NOW = 1_800_000_000_000
Plant = Callable[[TownWorld], Awaitable[str]]


async def _two_reviews_in_a_rig(world: TownWorld) -> str:
    session = await start_review(world)
    await _second_session(world, session.session_id, "agent_id = 'other', bead_id = 'other'")
    return RIG_ID


async def _two_sessions_of_an_agent(world: TownWorld) -> str:
    session = await start_work(world)
    await _second_session(world, session.session_id, "bead_id = 'other'")
    return session.agent_id


async def _two_sessions_of_a_bead(world: TownWorld) -> str:
    session = await start_work(world)
    await _second_session(world, session.session_id, "agent_id = 'other'")
    return session.bead_id


async def _two_landings_of_a_convoy(world: TownWorld) -> str:
    convoy_id, _ = await sling_convoy(world, *serial_tasks(1))
    await world.plant("DROP INDEX one_live_landing_per_convoy")
    for name in ("one", "two"):
        await world.plant(_bead(name, "merge_request", "landing", subject=convoy_id), _review(name))
    return convoy_id


async def _two_reworks_of_a_review(world: TownWorld) -> str:
    session = await start_review(world)
    await world.plant("DROP INDEX one_live_rework_per_review")
    for name in ("one", "two"):
        await world.plant(_bead(name, "issue", "rework", subject=session.bead_id, labels="held"))
    return session.bead_id


async def _two_agents_of_a_name(world: TownWorld) -> str:
    await start_work(world)
    await world.plant(
        "DROP INDEX one_employed_name_per_rig",
        "INSERT INTO agents (agent_id, rig_id, role, name, identity, employment, created_at_ms)"
        " SELECT 'twin', rig_id, role, name, 'twin', employment, created_at_ms FROM agents",
    )
    return RIG_ID


async def _source_without_review(world: TownWorld) -> str:
    bead_id = await sling(world)
    await world.plant("UPDATE sessions SET state = 'ended', ended_at_ms = 1")
    await _keep(world, "beads", "status = 'in_review'", f"bead_id = '{bead_id}'")
    return bead_id


async def _review_of_an_open_source(world: TownWorld) -> str:
    session = await start_review(world)
    await _keep(world, "beads", "status = 'open'", f"bead_id = '{session.subject}'")
    await world.plant(
        f"UPDATE beads SET labels = '[\"gt:held\"]' WHERE bead_id = '{session.subject}'"
    )
    return session.bead_id


async def _bead_that_nobody_works_on(world: TownWorld) -> str:
    bead_id = await sling(world)
    await world.plant("UPDATE sessions SET state = 'ended', ended_at_ms = 1")
    await _keep(world, "beads", "status = 'in_progress'", f"bead_id = '{bead_id}'")
    return bead_id


async def _assignee_of_another_session(world: TownWorld) -> str:
    session = await start_work(world)
    await world.plant("UPDATE beads SET assignee_agent_id = 'other' WHERE kind = 'work'")
    return session.bead_id


async def _final_bead_with_a_session(world: TownWorld) -> str:
    session = await start_work(world)
    await world.plant("UPDATE sessions SET stop_sent_at_ms = 1800000000000")
    await world.plant("UPDATE beads SET status = 'closed' WHERE kind = 'work'")
    return session.bead_id


async def _session_of_an_offboarded_agent(world: TownWorld) -> str:
    session = await start_work(world)
    await world.plant("UPDATE agents SET employment = 'offboarded'")
    return session.session_id


async def _running_without_a_sign(world: TownWorld) -> str:
    session = await start_work(world)
    await world.plant("UPDATE sessions SET last_heartbeat_at_ms = NULL, started_at_ms = NULL")
    return session.session_id


async def _wrong_progress(world: TownWorld) -> str:
    convoy_id, _ = await sling_convoy(world, *serial_tasks(1))
    await _keep(world, "convoys", "closed_beads = 7", f"bead_id = '{convoy_id}'")
    return convoy_id


async def _landed_and_open(world: TownWorld) -> str:
    convoy_id, _ = await sling_convoy(world, *serial_tasks(1))
    await world.plant(f"UPDATE convoys SET landed_at_ms = 1 WHERE bead_id = '{convoy_id}'")
    return convoy_id


async def _closed_with_a_live_bead(world: TownWorld) -> str:
    convoy_id, _ = await sling_convoy(world, *serial_tasks(1))
    await world.plant(f"UPDATE beads SET status = 'closed' WHERE bead_id = '{convoy_id}'")
    return convoy_id


async def _cycle(world: TownWorld) -> str:
    _, (first, second) = await sling_convoy(world, *serial_tasks(2))
    await world.plant(f"INSERT INTO bead_dependencies VALUES ('{first}', '{second}', 'blocks')")
    return min(first, second)


async def _inbox_that_nobody_drains(world: TownWorld) -> str:
    late_ms = invariants.INBOX_LATE_PERIODS * TownLimits().alarm_idle_ms
    await world.plant(
        "INSERT INTO inbox (kind, payload, created_at_ms)"
        f" VALUES ('poison', '{{}}', {NOW - late_ms - 1_000})"
    )
    return TOWN_ID


PLANTS: dict[str, Plant] = {
    invariants.ONE_RUNNING_REVIEW_PER_RIG: _two_reviews_in_a_rig,
    invariants.ONE_LIVE_SESSION_PER_AGENT: _two_sessions_of_an_agent,
    invariants.ONE_LIVE_SESSION_PER_BEAD: _two_sessions_of_a_bead,
    invariants.ONE_LIVE_LANDING_PER_CONVOY: _two_landings_of_a_convoy,
    invariants.ONE_LIVE_REWORK_PER_REVIEW: _two_reworks_of_a_review,
    invariants.ONE_EMPLOYED_NAME_PER_RIG: _two_agents_of_a_name,
    invariants.IN_REVIEW_HAS_LIVE_REVIEW: _source_without_review,
    invariants.LIVE_REVIEW_HAS_WAITING_SOURCE: _review_of_an_open_source,
    invariants.IN_PROGRESS_HAS_LIVE_SESSION: _bead_that_nobody_works_on,
    invariants.ASSIGNEE_MATCHES_SESSION: _assignee_of_another_session,
    invariants.FINAL_BEAD_HAS_NO_LIVE_SESSION: _final_bead_with_a_session,
    invariants.SESSION_HAS_AGENT: _session_of_an_offboarded_agent,
    invariants.RUNNING_SESSION_GIVES_SIGNS: _running_without_a_sign,
    invariants.CONVOY_PROGRESS_MATCHES: _wrong_progress,
    invariants.LIVE_CONVOY_IS_NOT_LANDED: _landed_and_open,
    invariants.CLOSED_CONVOY_HAS_NO_LIVE_BEAD: _closed_with_a_live_bead,
    invariants.DEPENDENCIES_ARE_ACYCLIC: _cycle,
    invariants.INBOX_IS_DRAINED: _inbox_that_nobody_drains,
}


@pytest.mark.parametrize("name", list(PLANTS))
async def test_broken_invariant_is_reported_and_not_repaired(tmp_path: Path, name: str) -> None:
    async with TownWorld(tmp_path) as world:
        await world.tick_now()
        assert await world.violations() == []
        subject = await PLANTS[name](world)
        await world.tick_now()
        assert (name, subject) in _named(await world.violations())
        asked = cast(ListView, await world.query(CheckInvariants()))
        told = [item for item in asked.items if isinstance(item, ViolationView)]
        assert (name, subject) in [(item.name, item.subject) for item in told]
        status = cast(TownStatusView, await world.query(GetTownStatus()))
        shown = status.reconciler["invariantViolations"]
        assert (name, subject) in [(item["name"], item["subject"]) for item in shown]
        assert await world.counter("invariants.violated") > 0
        await world.tick_now()
        assert (name, subject) in _named(await world.violations()), "it was repaired"


def test_every_invariant_has_its_plant() -> None:
    """A new invariant is not done before it was seen to fail."""
    constants = {
        value
        for key, value in vars(invariants).items()
        if key.isupper() and not key.startswith("_") and isinstance(value, str)
    }
    assert set(PLANTS) == constants


async def test_healthy_town_at_work_reports_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await start_work(world)
        await start_review(world, "Another")
        await world.tick_now()
        assert await world.violations() == []
        assert await world.counter("invariants.violated") == 0


def _named(found: list[invariants.Violation]) -> list[tuple[str, str]]:
    return [(violation.name, violation.subject) for violation in found]


async def _second_session(world: TownWorld, session_id: str, changes: str) -> None:
    """A twin of a live session, with some columns changed, past the unique indexes."""
    await world.plant(
        "DROP INDEX one_live_session_per_agent",
        "DROP INDEX one_live_session_per_bead",
        "DROP INDEX one_running_review_per_rig",
        "INSERT INTO agents (agent_id, role, name, identity, employment, created_at_ms)"
        " VALUES ('other', 'triage', 'other', 'other', 'hired', 1)",
        f"CREATE TABLE twin AS SELECT * FROM sessions WHERE session_id = '{session_id}'",
        f"UPDATE twin SET session_id = 'twin', generation = 99, {changes}",
        "INSERT INTO sessions SELECT * FROM twin",
        "DROP TABLE twin",
    )


async def _keep(world: TownWorld, table: str, broken: str, where: str) -> None:
    """Break a row now, and again behind every repair."""
    await world.plant(
        f"UPDATE {table} SET {broken} WHERE {where}",
        f"CREATE TRIGGER keep_broken AFTER UPDATE ON {table} WHEN new.{where} BEGIN"
        f" UPDATE {table} SET {broken} WHERE {where}; END",
    )


def _bead(name: str, kind_of: str, kind: str, *, subject: str, labels: str = "") -> str:
    shown = f'["gt:{labels}"]' if labels else "[]"
    return (
        "INSERT INTO beads (bead_id, type, kind, subject, title, rig_id, labels, created_at_ms,"
        f" updated_at_ms) VALUES ('{name}', '{kind_of}', '{kind}', '{subject}', '{name}',"
        f" '{RIG_ID}', '{shown}', {NOW}, {NOW})"
    )


def _review(name: str) -> str:
    return (
        "INSERT INTO reviews (bead_id, branch, target_branch, is_approved)"
        f" VALUES ('{name}', 'branch-{name}', 'main', 0)"
    )
