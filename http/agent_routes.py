"""The agents of a rig, from outside."""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands import DeleteAgent, GetOrCreateAgent, RegisterAgent
from boomtown.actors.town.questions import GetAgent, ListAgents, ListEvents
from boomtown.container_sim.model import AgentRole
from boomtown.http.bodies import RegisterAgentBody, RoleBody
from boomtown.http.calls import Call
from boomtown.http.query_parameters import find_choice, find_count, page_size


async def register_agent(call: Call) -> object:
    body = await call.body(RegisterAgentBody)
    return await call.execute(RegisterAgent(rig_id=call.rig_id, **asdict(body)))


async def list_agents(call: Call) -> object:
    query = call.request.query
    return await call.query(
        ListAgents(
            rig_id=call.rig_id,
            role=find_choice(query, "role", AgentRole),
            status=query.get("status"),
        )
    )


async def get_or_create_agent(call: Call) -> object:
    body = await call.body(RoleBody)
    return await call.execute(GetOrCreateAgent(rig_id=call.rig_id, role=body.role))


async def get_agent(call: Call) -> object:
    return await call.query(GetAgent(rig_id=call.rig_id, agent_id=call.agent_id))


async def delete_agent(call: Call) -> object:
    return await call.execute(DeleteAgent(rig_id=call.rig_id, agent_id=call.agent_id))


async def list_agent_events(call: Call) -> object:
    query = call.request.query
    return await call.query(
        ListEvents(
            rig_id=call.rig_id,
            agent_id=call.agent_id,
            after=find_count(query, "after"),
            limit=page_size(query),
        )
    )
