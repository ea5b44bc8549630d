"""Each invariant of the observer is found where it is broken, and the loop says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.commands_of_roster import HireAgent, RemoveWatch
from boomtown.container_sim.forge.forge_faults import ForgeFaultKind
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.container_sim.model import AgentRole
from boomtown.limits import TownLimits
from support.forge_town import ForgeTownWorld
from support.town_world import RIG_ID


async def names(world: ForgeTownWorld) -> list[str]:
    await world.tick_now()
    return [violation.name for violation in await world.violations()]


async def test_i16_a_disabled_observer_that_wants_a_check_is_found(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path, has_token=False) as world:
        await world.settle()
        assert await names(world) == []
        await world.plant("UPDATE effects SET state = 'running' WHERE kind = 'check_forges'")
        assert "observer.disabled_wants_nothing" in await names(world)


@pytest.mark.parametrize("role", [AgentRole.ARCHITECT, AgentRole.MAYOR])
async def test_i17_a_coordinator_that_owns_a_request_is_found(
    tmp_path: Path, role: AgentRole
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.open_pull()
        await world.settle()
        await world.execute(HireAgent(role=role))
        assert await names(world) == []
        await world.plant(
            f"UPDATE prs SET agent_id = (SELECT agent_id FROM agents WHERE role = '{role.value}')"
        )
        assert "observer.coordinators_own_none" in await names(world)


async def test_a_repository_that_nobody_watches_any_more_is_forgotten(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        agent = await world.hire_reviewer()
        await world.watch(agent)
        await world.open_pull()
        await world.settle()
        assert len(await world.prs()) == 1
        ((watch_id,),) = await world.rows("SELECT watch_id FROM watches")
        await world.execute(RemoveWatch(agent_id=agent, watch_id=watch_id))
        await world.poll()
        assert await world.prs() == []
        assert await world.rows("SELECT * FROM observed_repos") == []
        world.way.asked.clear()
        await world.poll()
        assert world.way.asked == []


async def test_polls_of_a_slow_forge_keep_no_container_waiting(tmp_path: Path) -> None:
    limits = TownLimits(patrol_polls_max=1, effects_in_flight_max=1)
    async with ForgeTownWorld(tmp_path, limits=limits) as world:
        agent = await world.hire_reviewer()
        for number in range(3):
            world.add_repository(f"acme/app{number}")
            await world.watch(agent, RepositoryName(owner="acme", name=f"app{number}"))
        await world.arm(ForgeFaultKind.HELD, "pulls/list", times=10)
        await world.settle()
        running = await world.rows(
            "SELECT count(*) FROM effects WHERE kind = 'poll_repository' AND state = 'running'"
        )
        assert running == [(1,)]
        await world.execute(CreateBead(rig_id=RIG_ID, title="Widen it"))
        await world.settle()
        assert len(world.containers.starts) == 1
