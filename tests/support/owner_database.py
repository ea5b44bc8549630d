"""An owner's tables in memory, without the runtime."""

from __future__ import annotations

from boomtown.actors.town.transaction import TownTransaction
from support.town_database import open_transaction


def open_owner_transaction() -> TownTransaction:
    """An empty owner database with the schema."""
    return open_transaction("owner_schema.sql")
