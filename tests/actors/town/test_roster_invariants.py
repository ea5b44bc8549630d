"""The roster's invariants, each seen to fail in the tick and on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from boomtown.actors.town import roster_invariants
from boomtown.actors.town.commands_of_roster import AddWatch, HireAgent, OffboardAgent
from boomtown.actors.town.questions import CheckInvariants
from boomtown.actors.town.views import AgentView, ListView, ViolationView
from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId
from support.town_world import RIG_ID, TownWorld

Plant = Callable[[TownWorld], Awaitable[str]]


async def _hire(world: TownWorld, role: AgentRole, boss: AgentId | None = None) -> AgentId:
    rig_id = RIG_ID if role == AgentRole.POLECAT else None
    view = await world.execute(HireAgent(role=role, rig_id=rig_id, boss=boss))
    assert isinstance(view, AgentView)
    return AgentId(view.id)


async def _watch(world: TownWorld) -> tuple[AgentId, str]:
    agent_id = await _hire(world, AgentRole.REVIEWER)
    await world.execute(
        AddWatch(agent_id=agent_id, forge="https://f", repo_owner="acme", repo_name="app")
    )
    [(watch_id,)] = await world.rows("SELECT watch_id FROM watches")
    return agent_id, watch_id


async def _watch_of_one_who_left(world: TownWorld) -> str:
    agent_id, watch_id = await _watch(world)
    await world.plant(f"UPDATE agents SET employment = 'offboarded' WHERE agent_id = '{agent_id}'")
    return watch_id


async def _repository_watched_twice(world: TownWorld) -> str:
    await _watch(world)
    await world.plant(
        "CREATE TABLE kept AS SELECT * FROM watches",
        "DROP TABLE watches",
        "CREATE TABLE watches AS SELECT * FROM kept",
        "INSERT INTO watches SELECT 'second', agent_id, owner_user_id, forge, 'ACME', repo_name,"
        " created_at_ms FROM kept",
    )
    return "https://f/acme/app"


async def _boss_who_is_gone(world: TownWorld) -> str:
    architect = await _hire(world, AgentRole.ARCHITECT)
    worker = await _hire(world, AgentRole.POLECAT, architect)
    await world.plant(f"UPDATE agents SET employment = 'offboarded' WHERE agent_id = '{architect}'")
    return worker


async def _bosses_of_each_other(world: TownWorld) -> str:
    first = await _hire(world, AgentRole.ARCHITECT)
    second = await _hire(world, AgentRole.ARCHITECT, first)
    await world.plant(f"UPDATE agents SET boss_id = '{second}' WHERE agent_id = '{first}'")
    return min(first, second)


async def _two_mayors(world: TownWorld) -> str:
    await _hire(world, AgentRole.MAYOR)
    other = await _hire(world, AgentRole.ARCHITECT)
    await world.plant(
        "DROP INDEX one_mayor", f"UPDATE agents SET role = 'mayor' WHERE agent_id = '{other}'"
    )
    ids = await world.rows("SELECT agent_id FROM agents ORDER BY created_at_ms, agent_id")
    return str(ids[1][0])


PLANTS: dict[str, Plant] = {
    roster_invariants.WATCH_HAS_HIRED_AGENT: _watch_of_one_who_left,
    roster_invariants.ONE_WATCH_PER_REPOSITORY: _repository_watched_twice,
    roster_invariants.BOSS_IS_LIVE_OR_FORCED_OUT: _boss_who_is_gone,
    roster_invariants.BOSSES_ARE_ACYCLIC: _bosses_of_each_other,
    roster_invariants.ONE_MAYOR_PER_TOWN: _two_mayors,
}


@pytest.mark.parametrize("name", list(PLANTS))
async def test_a_broken_invariant_of_the_roster_is_reported(tmp_path: Path, name: str) -> None:
    async with TownWorld(tmp_path) as world:
        subject = await PLANTS[name](world)
        await world.tick_now()
        found = [(one.name, one.subject) for one in await world.violations()]
        assert (name, subject) in found
        asked = await world.query(CheckInvariants())
        assert isinstance(asked, ListView)
        told = [(one.name, one.subject) for one in asked.items if isinstance(one, ViolationView)]
        assert told == found


def test_every_invariant_of_the_roster_has_its_plant() -> None:
    constants = {
        value
        for key, value in vars(roster_invariants).items()
        if key.isupper() and isinstance(value, str)
    }
    assert set(PLANTS) == constants


async def test_a_forced_dismissal_is_flagged_and_violates_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        architect = await _hire(world, AgentRole.ARCHITECT)
        await _hire(world, AgentRole.POLECAT, architect)
        await world.execute(OffboardAgent(agent_id=architect, force=True))
        await world.tick_now()
        assert await world.violations() == []
