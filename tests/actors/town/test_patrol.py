"""The patrol converges: what it has decided once, it does not decide again."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.patrol import plan_patrol
from boomtown.actors.town.store_patrol import read_patrol_facts
from boomtown.actors.town.store_snapshot import read_snapshot
from support.forge_town import ForgeTownWorld
from support.town_world import RIG_ID, OpenTown, TownWorld


class PlanningTown(OpenTown):
    """Answers what its patrol would do now."""

    async def plan_now(self) -> list[str]:
        tx = self._begin()
        facts = read_patrol_facts(tx, read_snapshot(tx))
        actions = plan_patrol(facts, now_ms=tx.now_ms, limits=tx.limits)
        return [str(type(action).__struct_config__.tag) for action in actions]


class PlanningWorld(ForgeTownWorld):
    town_class = PlanningTown

    async def plan_now(self) -> list[str]:
        planned: list[str] = await self._stub().plan_now()
        return planned


async def test_after_each_tick_nothing_is_left_to_decide(tmp_path: Path) -> None:
    async with PlanningWorld(tmp_path) as world:
        assert await world.plan_now() == ["start_observer"]
        await world.settle()
        assert await world.plan_now() == []
        await world.add_forge_rig()
        await world.watch(await world.hire_reviewer())
        await world.execute(CreateBead(rig_id=RIG_ID, title="Widen it"))
        await world.settle()
        (work,) = await world.live_sessions()
        await world.open_pull()
        await world.open_pull(work.branch)
        for _ in range(4):
            await world.poll()
            assert await world.plan_now() == []
        quiet_at_ms = await world.alarm_at_ms()
        assert quiet_at_ms is not None
        assert quiet_at_ms > world.clock.now_ms() + world.limits.alarm_inbox_ms


async def test_a_town_whose_server_knows_no_forge_does_not_patrol(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        assert await world.rows("SELECT * FROM observer_state") == []
        assert await world.rows("SELECT * FROM effects") == []
