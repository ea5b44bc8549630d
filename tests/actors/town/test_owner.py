"""An owner on a real Host: towns, rigs, keys, and what a crash between two steps leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.commands import CreateBead
from boomtown.actors.town.model import RigConfig
from boomtown.actors.town.questions import GetConfig, GetTown
from boomtown.actors.town.views import (
    ConfigView,
    FactsView,
    ListView,
    RigView,
    TownView,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import RigId, TownId
from support.owner_world import OwnerWorld, view_of


async def _create(world: OwnerWorld, name: str = "Home") -> TownId:
    view = view_of(await world.owner().create_town(name, None))
    assert isinstance(view, TownView)
    return TownId(view.id)


async def _names(world: OwnerWorld, owner: str = "local") -> list[str]:
    view = view_of(await world.owner(owner).list_towns())
    assert isinstance(view, ListView)
    return [item.name for item in view.items if isinstance(item, TownView)]


async def _register(world: OwnerWorld, town_id: TownId, name: str = "widgets") -> RigId:
    answer = await world.owner().register_rig(
        town_id, name, "file:///w.git", "main", RigConfig(), None
    )
    view = view_of(answer)
    assert isinstance(view, RigView)
    return RigId(view.id)


async def test_a_created_town_is_listed_and_has_the_defaults(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        assert await _names(world) == ["Home"]
        config = await world.query(town_id, GetConfig())
        assert isinstance(config, ConfigView)
        assert config.config.max_polecats_per_rig == 3


async def test_a_crash_after_the_row_is_mended_by_the_next_look(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        await world.owner().run_statement(
            "INSERT INTO towns VALUES ('01900000-0000-7000-8000-000000000009', 'Half',"
            " 'creating', 1, 1)"
        )
        assert await _names(world) == ["Half"]
        town = await world.query(TownId("01900000-0000-7000-8000-000000000009"), GetTown())
        assert isinstance(town, TownView)
        assert (town.name, town.owner_user_id) == ("Half", "local")


async def test_another_owners_town_is_not_found(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        for answer in (
            await world.owner("eve").get_town(town_id),
            await world.owner("eve").rename_town(town_id, "Mine"),
            await world.owner("eve").delete_town(town_id, True),
            await world.owner("eve").register_rig(town_id, "r", "u", "main", RigConfig(), None),
            await world.owner("eve").list_rigs(town_id),
        ):
            assert answer.refusal.code == ErrorCode.TOWN_NOT_FOUND
        assert await _names(world) == ["Home"]
        assert await _names(world, "eve") == []


async def test_a_renamed_town_has_one_name(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        view_of(await world.owner().rename_town(town_id, "New"))
        town = await world.query(town_id, GetTown())
        assert isinstance(town, TownView)
        assert (town.name, await _names(world)) == ("New", ["New"])


async def test_defect_93_a_deleted_town_is_gone_and_has_no_alarm(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        rig_id = await _register(world, town_id)
        await world.execute(town_id, CreateBead(rig_id=rig_id, title="x"))
        view_of(await world.owner().delete_town(town_id, True))
        assert await _names(world) == []
        with pytest.raises(BoomtownError) as caught:
            await world.query(town_id, GetTown())
        assert caught.value.code == ErrorCode.TOWN_NOT_FOUND
        with pytest.raises(BoomtownError):
            await world.execute(town_id, CreateBead(rig_id=rig_id, title="x"))
        assert await world.town(town_id).alarm_at() is None
        found = await world.owner().find_rig_town(rig_id)
        assert found.refusal.code == ErrorCode.RIG_NOT_FOUND


async def test_a_rig_is_found_by_its_owner_until_it_is_deleted(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        rig_id = await _register(world, town_id)
        found = view_of(await world.owner().find_rig_town(rig_id))
        assert isinstance(found, FactsView)
        assert found.facts == {"town_id": town_id}
        again = await world.owner().register_rig(
            town_id, "widgets", "file:///w.git", "main", RigConfig(), None
        )
        assert again.refusal.code == ErrorCode.RIG_ALREADY_REGISTERED
        await world.execute(town_id, CreateBead(rig_id=rig_id, title="x"))
        busy = await world.owner().delete_rig(rig_id, False)
        assert busy.refusal.code == ErrorCode.RIG_BUSY
        view_of(await world.owner().delete_rig(rig_id, True))
        rigs = view_of(await world.owner().list_rigs(town_id))
        assert isinstance(rigs, ListView)
        assert rigs.items == ()


async def test_a_rig_half_made_is_finished_by_registering_it_again(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await _create(world)
        await world.owner().run_statement(
            f"INSERT INTO rigs VALUES ('r-half', '{town_id}', 'widgets', 'creating', 1)"
        )
        assert await _register(world, town_id) == "r-half"


async def test_keys_open_and_close(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        owner = world.owner()
        made = view_of(await owner.make_key("operate"))
        assert isinstance(made, FactsView)
        verified = view_of(await owner.verify_key(made.facts["key"]))
        assert isinstance(verified, FactsView)
        assert verified.facts == {"id": made.facts["id"], "scope": "operate"}
        listed = view_of(await owner.list_keys())
        assert isinstance(listed, FactsView)
        assert [key["id"] for key in listed.facts["keys"]] == [made.facts["id"]]
        assert "key" not in listed.facts["keys"][0]
        view_of(await owner.delete_key(made.facts["id"]))
        for answer, code in (
            (await owner.verify_key(made.facts["key"]), ErrorCode.UNAUTHENTICATED),
            (await owner.delete_key(made.facts["id"]), ErrorCode.KEY_NOT_FOUND),
            (await owner.make_key("root"), ErrorCode.INVALID_BODY),
        ):
            assert answer.refusal.code == code
