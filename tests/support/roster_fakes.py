"""What a stand-in town answers about its roster."""

from __future__ import annotations

from boomtown.actors.town import commands_of_roster as c
from boomtown.actors.town import questions_of_roster as q
from boomtown.actors.town import roster_views as r
from boomtown.actors.town import views as v


def roster_answers(agent: v.AgentView) -> dict[type, v.View]:
    """One view for each command and question of the roster, all about this agent."""
    watch = r.WatchView(
        id=agent.id,
        agent_id=agent.id,
        agent_name=agent.name,
        forge="https://github.com",
        owner="acme",
        repo="app",
        created_at=agent.created_at,
    )
    memory = r.MemoryView(key="k", value={"tabs": False}, updated_at=agent.created_at)
    action = r.ActionView(
        id=agent.id,
        agent_id=agent.id,
        session_id=None,
        action="memory.put",
        outcome="allowed",
        metadata={"key": "k"},
        created_at=agent.created_at,
    )
    reviewed = r.ReviewedPrView(
        agent_id=agent.id,
        forge="https://github.com",
        owner="acme",
        repo="app",
        number=7,
        head_sha="c0ffee",
        reviewed_at=agent.created_at,
    )
    group = v.RosterGroupView(
        key=agent.id, name=agent.name, stale=False, coordinator=agent, agents=(agent,)
    )
    agents = v.ListView(items=(agent,))
    return {
        c.HireAgent: agent,
        c.OffboardAgent: v.NothingView(),
        c.ReassignWorkers: v.FactsView(facts={"to": agent.id, "moved": []}),
        c.AddWatch: r.AddedWatchView(watch=watch, is_new=True),
        c.RemoveWatch: v.NothingView(),
        c.UseGateway: r.GatewayView(action_id=agent.id, action="memory.list", allowed=True),
        q.ListTownAgents: agents,
        q.GetTownAgent: agent,
        q.GetRoster: v.RosterView(group_by="boss", groups=(group,)),
        q.ListWorkers: agents,
        q.ListMemory: v.ListView(items=(memory,)),
        q.ListActions: v.ListView(items=(action,)),
        q.ListReviewedPrs: v.ListView(items=(reviewed,)),
        q.ListWatches: v.ListView(items=(watch,)),
    }
