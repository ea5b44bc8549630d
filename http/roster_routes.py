"""Who works in a town: hire, offboard, reassign, the roster, and the repositories they watch."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from boomtown.actors.town.commands_of_roster import (
    AddWatch,
    HireAgent,
    OffboardAgent,
    ReassignWorkers,
    RemoveWatch,
)
from boomtown.actors.town.questions_of_roster import (
    GetRoster,
    GetTownAgent,
    ListActions,
    ListMemory,
    ListReviewedPrs,
    ListTownAgents,
    ListWatches,
    ListWorkers,
    RosterGrouping,
)
from boomtown.actors.town.roster_views import AddedWatchView
from boomtown.actors.town.views import AgentView
from boomtown.container_sim.forge.addresses import parse_repository
from boomtown.http.bodies import HireBody, ReassignWorkersBody, WatchBody
from boomtown.http.calls import Answered, Call
from boomtown.http.query_parameters import find_choice, find_flag, page_size


async def list_templates(call: Call) -> object:
    """What may be hired, by name; without the prompts' secrets, for they hold none."""
    return [asdict(template) for template in call.services.settings.templates.values()]


async def hire_agent(call: Call) -> object:
    body = await call.body(HireBody)
    return await call.execute(HireAgent(**asdict(body)))


async def list_town_agents(call: Call) -> object:
    with_offboarded = find_flag(call.request.query, "includeOffboarded")
    return await call.query(ListTownAgents(with_offboarded=with_offboarded))


async def get_town_agent(call: Call) -> object:
    return await call.query(GetTownAgent(agent_id=call.agent_id))


async def offboard_agent(call: Call) -> object:
    """204 when the agent has left; 202 with its view while its body is still to be ended."""
    query = call.request.query
    view = await call.execute(
        OffboardAgent(
            agent_id=call.agent_id,
            reassign_to=query.get("reassignTo"),
            force=find_flag(query, "force"),
            reason=query.get("reason"),
        )
    )
    return Answered(view=view, status=202) if isinstance(view, AgentView) else view


async def get_roster(call: Call) -> object:
    group_by = find_choice(call.request.query, "groupBy", RosterGrouping)
    return await call.query(GetRoster(group_by=group_by or RosterGrouping.BOSS))


async def reassign_workers(call: Call) -> object:
    body = await call.body(ReassignWorkersBody)
    return await call.execute(ReassignWorkers(agent_id=call.agent_id, to=body.to))


async def list_workers(call: Call) -> object:
    return await call.query(ListWorkers(agent_id=call.agent_id))


async def list_memory(call: Call) -> object:
    return await call.query(ListMemory(agent_id=call.agent_id))


async def list_actions(call: Call) -> object:
    limit = page_size(call.request.query)
    return await call.query(ListActions(agent_id=call.agent_id, limit=limit))


async def list_reviewed_prs(call: Call) -> object:
    limit = page_size(call.request.query)
    return await call.query(ListReviewedPrs(agent_id=call.agent_id, limit=limit))


async def add_watch(call: Call) -> object:
    """201 for a new one, 200 where the agent watches it already."""
    body = await call.body(WatchBody)
    named = body.repo if body.owner is None else f"{body.owner}/{body.repo}"
    sites = call.services.settings.forge_sites
    address = parse_repository(named, sites, default=sites[0])
    added: Any = await call.execute(
        AddWatch(
            agent_id=call.agent_id,
            forge=address.forge,
            repo_owner=address.repo.owner,
            repo_name=address.repo.name,
        )
    )
    assert isinstance(added, AddedWatchView)
    return added.watch if added.is_new else Answered(view=added.watch, status=200)


async def list_watches(call: Call) -> object:
    return await call.query(ListWatches(agent_id=call.agent_id))


async def list_town_watches(call: Call) -> object:
    return await call.query(ListWatches())


async def delete_watch(call: Call) -> object:
    command = RemoveWatch(agent_id=call.agent_id, watch_id=call.path["watch"])
    return await call.execute(command)
