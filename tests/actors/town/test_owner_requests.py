"""A creation with an idempotency key makes one thing, whatever comes between two tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from boomtown.actors.town.commands import CreateRig
from boomtown.actors.town.model import MergeMode, RefineryConfig, RigConfig
from boomtown.actors.town.views import Answer, ListView, RigView, TownView
from boomtown.error_codes import ErrorCode
from boomtown.ids import RigId, TownId
from support.owner_world import OwnerWorld, view_of

CONFIG = RigConfig(
    harness="mine",
    review_harness="scripted",
    convoy_merge_mode=MergeMode.REVIEW_AND_MERGE,
    refinery=RefineryConfig(gates=(("make", "test"),)),
)


async def town_of(world: OwnerWorld) -> TownId:
    view = view_of(await world.owner().create_town("Home", None))
    assert isinstance(view, TownView)
    return TownId(view.id)


async def register(
    world: OwnerWorld, town_id: TownId, key: str | None, config: RigConfig = CONFIG
) -> Answer:
    answer: Answer = await world.owner().register_rig(
        town_id, "widgets", "file:///w.git", "main", config, key
    )
    return answer


async def items_of(listed: Any) -> tuple[object, ...]:
    view = view_of(await listed)
    assert isinstance(view, ListView)
    return view.items


async def test_the_same_key_makes_one_town(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        first = view_of(await world.owner().create_town("Home", "k"))
        assert view_of(await world.owner().create_town("Home", "k")) == first
        assert len(await items_of(world.owner().list_towns())) == 1
        other = await world.owner().create_town("Else", "k")
        assert other.refusal.code == ErrorCode.IDEMPOTENCY_MISMATCH


async def test_a_renamed_towns_creation_is_answered_as_the_first_time(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        first = view_of(await world.owner().create_town("Home", "k"))
        assert isinstance(first, TownView)
        view_of(await world.owner().rename_town(TownId(first.id), "New"))
        assert view_of(await world.owner().create_town("Home", "k")) == first


async def test_the_same_key_makes_one_rig_with_its_settings(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await town_of(world)
        first = view_of(await register(world, town_id, "k"))
        assert isinstance(first, RigView)
        assert first.config == CONFIG
        assert view_of(await register(world, town_id, "k")) == first
        assert await items_of(world.owner().list_rigs(town_id)) == (first,)
        otherwise = msgspec.structs.replace(CONFIG, harness="yours")
        for answer, code in (
            (await register(world, town_id, "k", otherwise), ErrorCode.IDEMPOTENCY_MISMATCH),
            (await world.owner().create_town("Home", "k"), ErrorCode.IDEMPOTENCY_MISMATCH),
            (await register(world, town_id, None), ErrorCode.RIG_ALREADY_REGISTERED),
            (await register(world, town_id, "other"), ErrorCode.RIG_ALREADY_REGISTERED),
        ):
            assert answer.refusal is not None
            assert answer.refusal.code == code


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (RigConfig(max_dispatch_attempts=0), "max_dispatch_attempts"),
        (RigConfig(max_polecats_per_rig=21), "max_polecats_per_rig"),
        (RigConfig(merge_strategy="magic"), "merge_strategy"),
    ],
)
async def test_a_setting_out_of_bounds_makes_no_rig(
    tmp_path: Path, config: RigConfig, field: str
) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await town_of(world)
        answer = await register(world, town_id, "k", config)
        assert answer.refusal is not None
        assert answer.refusal.code == ErrorCode.INVALID_BODY
        assert [issue.path for issue in answer.refusal.issues] == [field]
        assert await items_of(world.owner().list_rigs(town_id)) == ()
        view_of(await register(world, town_id, "k"))


async def test_a_crash_before_the_answer_is_finished_by_the_second_try(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        owner = world.owner()
        town = view_of(await owner.create_town("Home", "t"))
        assert isinstance(town, TownView)
        rig = view_of(await register(world, TownId(town.id), "r"))
        for statement in (
            "UPDATE requests SET answer = NULL",
            "UPDATE rigs SET state = 'creating'",
            "UPDATE towns SET state = 'creating'",
        ):
            await owner.run_statement(statement)
        assert view_of(await owner.create_town("Home", "t")) == town
        assert view_of(await register(world, TownId(town.id), "r")) == rig
        assert len(await items_of(owner.list_towns())) == 1


async def test_what_another_try_finished_is_answered_to_the_first_ones_key(
    tmp_path: Path,
) -> None:
    """The rig is ready, and only the answer to this key was never kept."""
    async with OwnerWorld(tmp_path) as world:
        town_id = await town_of(world)
        rig = view_of(await register(world, town_id, "r"))
        await world.owner().run_statement("UPDATE requests SET answer = NULL")
        assert view_of(await register(world, town_id, "r")) == rig


async def test_a_key_is_good_for_a_day(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        first = view_of(await world.owner().create_town("Home", "k"))
        await world.clock.advance_ms(world.limits.idempotency_kept_ms - 1)
        assert view_of(await world.owner().create_town("Home", "k")) == first
        await world.clock.advance_ms(1)
        second = view_of(await world.owner().create_town("Else", "k"))
        assert second != first
        assert len(await items_of(world.owner().list_towns())) == 2


async def test_a_key_whose_creation_the_town_refused_is_free_again(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await town_of(world)
        unknown = CreateRig(
            rig_id=RigId("01900000-0000-7000-8000-000000000077"),
            name="widgets",
            git_url="file:///other.git",
            default_branch="main",
        )
        await world.execute(town_id, unknown)
        refused = await register(world, town_id, "k")
        assert refused.refusal is not None
        assert refused.refusal.code == ErrorCode.RIG_ALREADY_REGISTERED
        view_of(await world.owner().create_town("Other", "k"))


async def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    async with OwnerWorld(tmp_path) as world:
        town_id = await town_of(world)
        rig = view_of(await register(world, town_id, None))
        assert isinstance(rig, RigView)
        refused = await register(world, town_id, "k")
        assert refused.refusal is not None
        view_of(await world.owner().delete_rig(rig.id, True))
        assert refused.refusal.code == ErrorCode.RIG_ALREADY_REGISTERED
        made = view_of(await register(world, town_id, "k"))
        assert isinstance(made, RigView)
        assert made.id != rig.id
