"""The town's own row, its rigs, and its counters."""

from __future__ import annotations

from boomtown.actors.town.model import Rig, Town
from boomtown.actors.town.table_memory import Part
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import RigId
from boomtown.wire import encode_json_text

TOWN = Table("town", Town, key="only_row", json=frozenset({"config"}))
RIGS = Table("rigs", Rig, key="rig_id", json=frozenset({"config"}))

_ONLY_ROW = 1
_INSERT_TOWN = (
    "INSERT INTO town (only_row, town_id, name, owner_user_id, config, created_at_ms,"
    " updated_at_ms) VALUES (1, ?, ?, ?, ?, ?, ?)"
)
_FIND_RIG_BY_NAME = f"{RIGS.select} WHERE name = ?"
_LIST_RIGS = f"{RIGS.select} ORDER BY created_at_ms, rig_id"
_BUMP_COUNTER = (
    "INSERT INTO counters (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
_LIST_COUNTERS = "SELECT name, value FROM counters ORDER BY name"


def find_town(tx: TownTransaction) -> Town | None:
    return tx.recall(Part.TOWN, lambda: TOWN.find(tx, _ONLY_ROW))


def get_town(tx: TownTransaction) -> Town:
    """The town; TOWN_NOT_FOUND before InitTown and after its end."""
    town = find_town(tx)
    if town is None:
        raise NotFound(ErrorCode.TOWN_NOT_FOUND)
    return town


def insert_town(tx: TownTransaction, town: Town) -> None:
    tx.run(
        _INSERT_TOWN,
        town.town_id,
        town.name,
        town.owner_user_id,
        encode_json_text(town.config),
        town.created_at_ms,
        town.updated_at_ms,
    )


def update_town(tx: TownTransaction, **columns: object) -> None:
    TOWN.update(tx, _ONLY_ROW, columns)


def find_rig(tx: TownTransaction, rig_id: RigId) -> Rig | None:
    return RIGS.find(tx, rig_id)


def get_rig(tx: TownTransaction, rig_id: RigId) -> Rig:
    rig = find_rig(tx, rig_id)
    if rig is None:
        raise NotFound(ErrorCode.RIG_NOT_FOUND)
    return rig


def find_rig_by_name(tx: TownTransaction, name: str) -> Rig | None:
    return RIGS.find_where(tx, _FIND_RIG_BY_NAME, name)


def list_rigs(tx: TownTransaction) -> list[Rig]:
    """Oldest first."""
    return RIGS.list_where(tx, _LIST_RIGS)


def insert_rig(tx: TownTransaction, rig: Rig) -> None:
    RIGS.insert(tx, rig)


def update_rig(tx: TownTransaction, rig_id: RigId, **columns: object) -> None:
    RIGS.update(tx, rig_id, columns)


def delete_rig(tx: TownTransaction, rig_id: RigId) -> None:
    RIGS.delete(tx, rig_id)


def bump_counter(tx: TownTransaction, name: str, *, by: int = 1) -> None:
    tx.run(_BUMP_COUNTER, name, by)


def list_counters(tx: TownTransaction) -> dict[str, int]:
    return dict(tx.rows(_LIST_COUNTERS))
