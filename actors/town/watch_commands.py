"""Commands about watched repositories: subscribe, and let go."""

from __future__ import annotations

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_roster import AddWatch, RemoveWatch
from boomtown.actors.town.model import Employment, Watch
from boomtown.actors.town.roster_views import AddedWatchView, WatchView
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.store_watches import (
    delete_watch,
    find_watch,
    get_holder,
    insert_watch_if_free,
    list_watches,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import NothingView
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict, InvalidRequest, NotFound


def handle_add_watch(tx: TownTransaction, caller: Caller, command: AddWatch) -> AddedWatchView:
    """The agent's own watch again is answered as it stands."""
    agent = get_agent(tx, command.agent_id)
    if agent.employment != Employment.HIRED:
        raise Conflict(ErrorCode.AGENT_OFFBOARDED)
    watch = Watch(
        watch_id=tx.new_id(),
        agent_id=agent.agent_id,
        owner_user_id=get_town(tx).owner_user_id,
        forge=command.forge,
        repo_owner=command.repo_owner,
        repo_name=command.repo_name,
        created_at_ms=tx.now_ms,
    )
    if insert_watch_if_free(tx, watch):
        if len(list_watches(tx, agent.agent_id)) > tx.limits.watches_per_agent_max:
            raise InvalidRequest(
                ErrorCode.INVALID_BODY,
                f"An agent watches at most {tx.limits.watches_per_agent_max} repositories",
            )
        return AddedWatchView(watch=watch_view(tx, watch), is_new=True)
    holder = get_holder(tx, watch)
    if holder.agent_id == agent.agent_id:
        return AddedWatchView(watch=watch_view(tx, holder), is_new=False)
    name = get_agent(tx, holder.agent_id).name
    raise Conflict(
        ErrorCode.REPO_ALREADY_WATCHED,
        f"{name} watches {holder.repo_owner}/{holder.repo_name}",
        details={"agent": holder.agent_id, "name": name, "watch": holder.watch_id},
    )


def handle_remove_watch(tx: TownTransaction, caller: Caller, command: RemoveWatch) -> NothingView:
    """WATCH_NOT_FOUND for another agent's watch, too."""
    get_agent(tx, command.agent_id)
    watch = find_watch(tx, command.watch_id)
    if watch is None or watch.agent_id != command.agent_id:
        raise NotFound(ErrorCode.WATCH_NOT_FOUND)
    delete_watch(tx, watch.watch_id)
    return NothingView()


def watch_view(tx: TownTransaction, watch: Watch) -> WatchView:
    return WatchView(
        id=watch.watch_id,
        agent_id=watch.agent_id,
        agent_name=get_agent(tx, watch.agent_id).name,
        forge=watch.forge,
        owner=watch.repo_owner,
        repo=watch.repo_name,
        created_at=watch.created_at_ms,
    )
