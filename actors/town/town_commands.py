"""Commands about the town itself."""

from __future__ import annotations

from boomtown.actors.town.commands import (
    Caller,
    DestroyTown,
    InitTown,
    RenameTown,
    SetPaused,
    UpdateConfig,
)
from boomtown.actors.town.config_rules import masked_config, patched_town_config
from boomtown.actors.town.model import Town
from boomtown.actors.town.store_sessions import list_live_sessions
from boomtown.actors.town.store_town import (
    find_town,
    get_rig,
    get_town,
    insert_town,
    update_rig,
    update_town,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import ConfigView, FactsView, RigView, TownView
from boomtown.actors.town.views_of import rig_view, town_view
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict


def handle_init_town(tx: TownTransaction, caller: Caller, command: InitTown) -> TownView:
    """Idempotent, so that the owner may repeat it after a crash."""
    known = find_town(tx)
    if known is not None:
        assert known.town_id == command.town_id, "a town keeps its id"
        return town_view(known)
    town = Town(
        town_id=command.town_id,
        name=command.name,
        owner_user_id=command.owner_user_id,
        config=command.config,
        is_paused=False,
        is_draining=False,
        created_at_ms=tx.now_ms,
        updated_at_ms=tx.now_ms,
    )
    insert_town(tx, town)
    return town_view(town)


def handle_rename_town(tx: TownTransaction, caller: Caller, command: RenameTown) -> TownView:
    update_town(tx, name=command.name)
    return town_view(get_town(tx))


def handle_destroy_town(tx: TownTransaction, caller: Caller, command: DestroyTown) -> FactsView:
    """Only says whether it may be: town.py then empties the storage, which no savepoint holds."""
    sessions = list_live_sessions(tx)
    if sessions and not command.force:
        raise Conflict(ErrorCode.TOWN_BUSY, details={"sessions": len(sessions)})
    return FactsView(facts={"destroyed": True})


def handle_update_config(tx: TownTransaction, caller: Caller, command: UpdateConfig) -> ConfigView:
    config = patched_town_config(get_town(tx).config, command.patch, limits=tx.limits)
    update_town(tx, config=config)
    return ConfigView(config=masked_config(config))


def handle_set_paused(
    tx: TownTransaction, caller: Caller, command: SetPaused
) -> TownView | RigView:
    if command.rig_id is None:
        update_town(tx, is_paused=command.is_paused)
        return town_view(get_town(tx))
    rig = get_rig(tx, command.rig_id)
    update_rig(tx, rig.rig_id, is_paused=command.is_paused)
    return rig_view(tx, get_rig(tx, rig.rig_id))
