"""An owner's rows: the towns, and which town a rig is in."""

from __future__ import annotations

import enum

import msgspec

from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import RigId, TownId


class RowState(enum.StrEnum):
    CREATING = "creating"  # the row is there; what it names may not be
    READY = "ready"
    DELETING = "deleting"  # what it names may be gone


class TownRow(msgspec.Struct, frozen=True, kw_only=True):
    town_id: TownId
    name: str
    state: RowState
    created_at_ms: int
    updated_at_ms: int


class RigRow(msgspec.Struct, frozen=True, kw_only=True):
    rig_id: RigId
    town_id: TownId
    name: str
    state: RowState
    created_at_ms: int


TOWNS = Table("towns", TownRow, key="town_id")
RIGS = Table("rigs", RigRow, key="rig_id")

_LIST_TOWNS = f"{TOWNS.select} ORDER BY created_at_ms, town_id"
_FIND_RIG_BY_NAME = f"{RIGS.select} WHERE town_id = ? AND name = ?"


def get_town_row(tx: TownTransaction, town_id: TownId) -> TownRow:
    """Another owner's town is TOWN_NOT_FOUND, as one that never was."""
    row = TOWNS.find(tx, town_id)
    if row is None:
        raise NotFound(ErrorCode.TOWN_NOT_FOUND)
    return row


def list_town_rows(tx: TownTransaction) -> list[TownRow]:
    """Oldest first."""
    return TOWNS.list_where(tx, _LIST_TOWNS)


def get_rig_row(tx: TownTransaction, rig_id: RigId) -> RigRow:
    row = RIGS.find(tx, rig_id)
    if row is None:
        raise NotFound(ErrorCode.RIG_NOT_FOUND)
    return row


def find_rig_row(tx: TownTransaction, town_id: TownId, name: str) -> RigRow | None:
    return RIGS.find_where(tx, _FIND_RIG_BY_NAME, town_id, name)
