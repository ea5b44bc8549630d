"""The repositories that reviewers watch: one agent for each, in a town, for one owner.

Names of owners and repositories are compared without regard to case, as forges do. That two
agents of one town never watch the same repository is the table's own constraint, and the insert
names it: any other error of the database stays what it is. Only a dismissal, or the agent's owner,
takes a watch away; a body that crashes keeps it.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.model import Watch
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import AgentId

WATCHES = Table("watches", Watch, key="watch_id")

_INSERT_FREE = (
    "INSERT INTO watches (watch_id, agent_id, owner_user_id, forge, repo_owner, repo_name,"
    " created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (owner_user_id, forge, repo_owner, repo_name) DO NOTHING RETURNING watch_id"
)
_FIND_HOLDER = (
    f"{WATCHES.select} WHERE owner_user_id = ? AND forge = ? AND repo_owner = ? AND repo_name = ?"
)
_LIST = f"{WATCHES.select} ORDER BY created_at_ms, watch_id"
_LIST_OF_AGENT = f"{WATCHES.select} WHERE agent_id = ? ORDER BY created_at_ms, watch_id"


def insert_watch_if_free(tx: TownTransaction, watch: Watch) -> bool:
    """False, and nothing written, where the repository is watched for this owner."""
    return tx.find_row(_INSERT_FREE, *msgspec.structs.astuple(watch)) is not None


def find_watch(tx: TownTransaction, watch_id: str) -> Watch | None:
    return WATCHES.find(tx, watch_id)


def get_holder(tx: TownTransaction, watch: Watch) -> Watch:
    """The watch that stands in this one's way."""
    found = WATCHES.find_where(
        tx, _FIND_HOLDER, watch.owner_user_id, watch.forge, watch.repo_owner, watch.repo_name
    )
    assert found is not None, "the insert met it"
    return found


def list_watches(tx: TownTransaction, agent_id: AgentId | None) -> list[Watch]:
    """Of one agent, or of the town; oldest first."""
    if agent_id is None:
        return WATCHES.list_where(tx, _LIST)
    return WATCHES.list_where(tx, _LIST_OF_AGENT, agent_id)


def delete_watch(tx: TownTransaction, watch_id: str) -> None:
    WATCHES.delete(tx, watch_id)
