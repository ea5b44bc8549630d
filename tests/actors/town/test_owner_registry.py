"""The owner `local` knows who the owners are and whose a town is; asking makes no object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boomtown.actors.town.views import FactsView, TownView
from boomtown.error_codes import ErrorCode
from boomtown.ids import TownId
from support.owner_world import OwnerWorld, view_of

UNKNOWN = TownId("01900000-0000-7000-8000-000000000099")


def facts(answer: Any) -> dict[str, Any]:
    view = view_of(answer)
    assert isinstance(view, FactsView)
    return view.facts


async def names(world: OwnerWorld) -> list[str]:
    return [owner["name"] for owner in facts(await world.owner().list_owners())["owners"]]


async def create_town(world: OwnerWorld, owner: str) -> TownId:
    view = view_of(await world.owner(owner).create_town("Home", None))
    assert isinstance(view, TownView)
    return TownId(view.id)


def files(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.rglob("*.sqlite") if path.name != "alarms.sqlite")


async def test_local_is_registered_from_the_start(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        assert await names(world) == ["local"]


async def test_an_owner_registered_twice_is_one(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        first = facts(await world.owner().register_owner("ann"))
        await world.clock.advance_ms(5)
        assert facts(await world.owner().register_owner("ann")) == first
        assert facts(await world.owner().find_owner("ann")) == first
        assert await names(world) == ["ann", "local"]
        unknown = await world.owner().find_owner("eve")
        assert unknown.refusal.code == ErrorCode.USER_NOT_FOUND


async def test_owners_outlive_the_process(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        await world.owner().register_owner("ann")
        town_id = await create_town(world, "ann")
    async with OwnerWorld(tmp_path) as world:
        assert await names(world) == ["ann", "local"]
        assert facts(await world.owner().find_town_owner(town_id)) == {"owner": "ann"}


async def test_a_town_is_found_from_its_making_to_its_end(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        for owner in ("local", "ann"):
            town_id = await create_town(world, owner)
            assert facts(await world.owner().find_town_owner(town_id)) == {"owner": owner}
            view_of(await world.owner(owner).delete_town(town_id, True))
            gone = await world.owner().find_town_owner(town_id)
            assert gone.refusal.code == ErrorCode.TOWN_NOT_FOUND


async def test_a_half_made_town_is_noted_when_it_is_finished(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        ann = world.owner("ann")
        await ann.run_statement(f"INSERT INTO towns VALUES ('{UNKNOWN}', 'Half', 'creating', 1, 1)")
        view_of(await ann.list_towns())
        assert facts(await world.owner().find_town_owner(UNKNOWN)) == {"owner": "ann"}


async def test_questions_about_nothing_make_no_file(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        await world.owner().find_owner("eve")
        await world.owner().find_town_owner(UNKNOWN)
        await world.owner().get_town(UNKNOWN)
        assert len(files(tmp_path)) == 1


async def test_nobody_else_keeps_a_registry(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        with pytest.raises(AssertionError):
            await world.owner("ann").register_owner("eve")
