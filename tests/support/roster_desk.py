"""Short words for a town's roster: hire, offboard, watch, look; on a Desk."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.commands_of_roster import (
    AddWatch,
    HireAgent,
    OffboardAgent,
    UseGateway,
)
from boomtown.actors.town.model import Session
from boomtown.actors.town.questions_of_roster import GetRoster, RosterGrouping
from boomtown.actors.town.roster_views import AddedWatchView, GatewayView
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.views import AgentView, RosterView
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.town_desk import RIG, Desk, session_caller

FORGE = "https://github.com"
TABLES = (
    "agents",
    "sessions",
    "beads",
    "bead_events",
    "mail",
    "watches",
    "agent_memory",
    "agent_actions",
    "reviewed_prs",
    "roster_log",
    "effects",
)


class RosterDesk(Desk):
    """A Desk with a mayor."""

    def __init__(self) -> None:
        super().__init__()
        self.mayor = self.hire(role="mayor")

    def hire(self, **fields: Any) -> AgentId:
        self.advance_ms(1)  # so that what comes later sorts later
        return AgentId(self.get(hiring(**fields), AgentView).id)

    def worker(self, boss: AgentId, name: str | None = None) -> AgentId:
        return self.hire(role="polecat", rig_id=RIG, boss=boss, name=name)

    def reviewer(self, name: str | None = None) -> AgentId:
        return self.hire(template="code-review-engineer", name=name)

    def offboard(self, agent_id: AgentId, **options: Any) -> AgentView | None:
        """The view while a body is still to be ended."""
        view = self.do(OffboardAgent(agent_id=agent_id, **options))
        return view if isinstance(view, AgentView) else None

    def refusal_of(self, command: Any) -> tuple[ErrorCode, dict[str, Any]]:
        answer = self.ask_to(command)
        assert answer.refusal is not None, answer
        return answer.refusal.code, answer.refusal.details

    def watch(self, agent_id: AgentId, repo: str = "acme/app") -> AddedWatchView:
        return self.get(self.watching(agent_id, repo), AddedWatchView)

    def watching(self, agent_id: AgentId, repo: str = "acme/app") -> AddWatch:
        owner, name = repo.split("/")
        return AddWatch(agent_id=agent_id, forge=FORGE, repo_owner=owner, repo_name=name)

    def act(self, session: Session, action: str, **args: Any) -> GatewayView:
        self.advance_ms(1)
        command = UseGateway(action=action, args=args)
        return self.get(command, GatewayView, caller=session_caller(session))

    def roster(self, group_by: str = "boss") -> list[tuple[str, bool, list[str]]]:
        """Each header, whether it is stale, and the names below it."""
        question = GetRoster(group_by=RosterGrouping(group_by))
        view = self.query(question, RosterView)
        return [
            (group.name, group.stale, [agent.name for agent in group.agents])
            for group in view.groups
        ]

    def boss_of(self, agent_id: AgentId) -> AgentId | None:
        return get_agent(self.tx, agent_id).boss_id

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the tables that a refusal must leave as they are."""
        return {table: self.tx.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def hiring(**fields: Any) -> HireAgent:
    """The command, with a role by its word."""
    if "role" in fields:
        fields["role"] = AgentRole(fields["role"])
    return HireAgent(**fields)
