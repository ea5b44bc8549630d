"""A town on a real Host: what crosses its border, and when its alarm is brought forward."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead, CreateRig, UpdateBead
from boomtown.actors.town.commands_of_agents import CheckMail, RegisterAgent
from boomtown.actors.town.questions import GetBead, GetTownStatus, ListEvents
from boomtown.actors.town.views import (
    AgentView,
    BeadView,
    ListView,
    TownStatusView,
    TownView,
)
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId, RigId, TownId
from support.owner_world import OwnerWorld, view_of

RIG = RigId("01900000-0000-7000-8000-00000000bbbb")


async def _town(world: OwnerWorld) -> TownId:
    view = view_of(await world.owner().create_town("Home", None))
    assert isinstance(view, TownView)
    town_id = TownId(view.id)
    rig = CreateRig(rig_id=RIG, name="w", git_url="file:///w.git", default_branch="main")
    await world.execute(town_id, rig)
    await world.clock.advance_ms(world.limits.alarm_inbox_ms)
    return town_id


async def test_values_keep_their_shape_across_the_border(tmp_path: Path) -> None:
    metadata = {"n": 1, "f": 2.5, "none": None, "deep": {"list": [1, "x", True]}}
    async with OwnerWorld(tmp_path) as world:
        town_id = await _town(world)
        made = await world.execute(
            town_id, CreateBead(rig_id=RIG, title="T", labels=("a",), metadata=metadata)
        )
        assert isinstance(made, BeadView)
        assert (made.labels, made.metadata) == (("a",), metadata)
        read = await world.query(town_id, GetBead(rig_id=RIG, bead_id=BeadId(made.bead_id)))
        assert read == made


async def test_a_refusal_is_a_value_and_leaves_nothing(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _town(world)
        command = CreateBead(rig_id=RIG, title="T", depends_on=(BeadId("missing"),))
        with pytest.raises(BoomtownError) as caught:
            await world.execute(town_id, command)
        assert caught.value.code == ErrorCode.BEAD_NOT_FOUND
        events = await world.query(town_id, ListEvents())
        assert isinstance(events, ListView)
        assert events.items == ()


async def test_scenario_K_work_brings_the_alarm_forward_and_silence_does_not(
    tmp_path: Path,
) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _town(world)
        now_ms = world.clock.now_ms()
        assert await world.town(town_id).alarm_at() == now_ms + world.limits.alarm_idle_ms
        agent = await world.execute(
            town_id,
            RegisterAgent(rig_id=RIG, role=AgentRole.POLECAT, name="Ada", identity="ada"),
        )
        assert isinstance(agent, AgentView)
        await world.execute(town_id, CheckMail(rig_id=RIG, agent_id=AgentId(agent.id)))
        assert await world.town(town_id).alarm_at() == now_ms + world.limits.alarm_active_ms
        await world.execute(town_id, CreateBead(rig_id=RIG, title="T", labels=("gt:held",)))
        assert await world.town(town_id).alarm_at() == now_ms + world.limits.alarm_inbox_ms


async def test_a_refused_command_does_not_arm(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _town(world)
        before = await world.town(town_id).alarm_at()
        with pytest.raises(BoomtownError):
            await world.execute(town_id, UpdateBead(rig_id=RIG, bead_id=BeadId("missing")))
        assert await world.town(town_id).alarm_at() == before


async def test_the_status_tells_the_next_alarm(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _town(world)
        status = await world.query(town_id, GetTownStatus())
        assert isinstance(status, TownStatusView)
        assert status.alarm["nextFireAt"] == await world.town(town_id).alarm_at()
        assert status.alarm["intervalLabel"] == "idle"
