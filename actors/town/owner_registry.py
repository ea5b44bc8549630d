"""The registry of owners, and whose a town is: kept by the owner `local` for everybody.

An object exists by being called, and has a file from then on. So whoever wants to call the Owner
or the Town that a request names asks here first: a name that somebody made up makes no file.
`local` itself is there from its first start; its own towns stand in its table of towns, those of
others in an index, which they write before the town is made and clear after it is gone. A crash
in between leaves an entry for a town that its owner will finish, or that answers TOWN_NOT_FOUND
itself: what is deleted keeps its file.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.owner_rows import TOWNS
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import TownId

LOCAL_OWNER = "local"  # exists from the first start (decisions 41)

_REGISTER = "INSERT INTO owners (name, created_at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FIND = "SELECT name, created_at_ms FROM owners WHERE name = ?"
_LIST = "SELECT name, created_at_ms FROM owners ORDER BY name"
_INDEX = (
    "INSERT INTO towns_of_others (town_id, owner) VALUES (?, ?)"
    " ON CONFLICT DO UPDATE SET owner = excluded.owner"
)
_UNINDEX = "DELETE FROM towns_of_others WHERE town_id = ?"
_FIND_TOWN = "SELECT owner FROM towns_of_others WHERE town_id = ?"


class OwnerRow(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    created_at_ms: int


def register_owner(tx: TownTransaction, name: str) -> OwnerRow:
    """The same name again changes nothing."""
    tx.run(_REGISTER, name, tx.now_ms)
    row = find_owner(tx, name)
    assert row is not None
    return row


def find_owner(tx: TownTransaction, name: str) -> OwnerRow | None:
    row = tx.find_row(_FIND, name)
    return None if row is None else OwnerRow(name=row[0], created_at_ms=row[1])


def list_owners(tx: TownTransaction) -> list[OwnerRow]:
    """By name."""
    return [OwnerRow(name=name, created_at_ms=at_ms) for name, at_ms in tx.rows(_LIST)]


def index_town(tx: TownTransaction, town_id: TownId, owner: str) -> None:
    """Another owner's town. The same again changes nothing."""
    tx.run(_INDEX, town_id, owner)


def unindex_town(tx: TownTransaction, town_id: TownId) -> None:
    """Harmless for a town that is not there."""
    tx.run(_UNINDEX, town_id)


def find_town_owner(tx: TownTransaction, town_id: TownId) -> str | None:
    """Whose it is: of `local` itself, or of another."""
    if TOWNS.find(tx, town_id) is not None:
        return LOCAL_OWNER
    row = tx.find_row(_FIND_TOWN, town_id)
    return None if row is None else str(row[0])
