"""Answers about the roster: lists, one agent's leavings, and the grouped view."""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.model import Agent
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
    RosterQuestion,
)
from boomtown.actors.town.roster_views import ActionView, MemoryView, ReviewedPrView
from boomtown.actors.town.store_agents import find_agent, find_mayor, get_agent, list_agents
from boomtown.actors.town.store_roster import (
    AgentAction,
    ReviewedPr,
    list_actions,
    list_coordinators,
    list_employed,
    list_memory,
    list_reviewed_prs,
    list_workers,
)
from boomtown.actors.town.store_town import list_rigs
from boomtown.actors.town.store_watches import list_watches
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import ListView, RosterGroupView, RosterView, View
from boomtown.actors.town.views_of import agent_view
from boomtown.actors.town.watch_commands import watch_view
from boomtown.ids import AgentId

STAGES = ("working", "waiting", "stalled", "idle")  # what needs a look first
NOBODY = "mayor"  # the header of a town without a mayor


def answer_of_roster(tx: TownTransaction, question: RosterQuestion) -> View:
    """Lists are bounded by `list_limit_max` where they grow with history."""
    match question:
        case GetRoster():
            return roster_view(tx, question.group_by)
        case GetTownAgent():
            return agent_view(tx, get_agent(tx, question.agent_id))
        case ListTownAgents():
            agents = list_agents(tx) if question.with_offboarded else list_employed(tx)
            return ListView(items=tuple(agent_view(tx, agent) for agent in agents))
        case ListWatches():
            if question.agent_id is not None:
                get_agent(tx, question.agent_id)
            watches = list_watches(tx, question.agent_id)
            return ListView(items=tuple(watch_view(tx, watch) for watch in watches))
        case ListWorkers() | ListMemory() | ListActions() | ListReviewedPrs():
            get_agent(tx, question.agent_id)
            return _of_one(tx, question)
        case _:
            assert_never(question)


def roster_view(tx: TownTransaction, group_by: RosterGrouping) -> RosterView:
    """Everybody who is employed, once, under a header."""
    match group_by:
        case RosterGrouping.BOSS:
            groups = _by_boss(tx)
        case RosterGrouping.STAGE:
            groups = _by_stage(tx)
        case RosterGrouping.RIG:
            groups = _by_rig(tx)
        case _:
            assert_never(group_by)
    return RosterView(group_by=group_by.value, groups=tuple(groups))


def _of_one(
    tx: TownTransaction, question: ListWorkers | ListMemory | ListActions | ListReviewedPrs
) -> ListView:
    agent_id = question.agent_id
    match question:
        case ListWorkers():
            workers = list_workers(tx, agent_id)
            return ListView(items=tuple(agent_view(tx, worker) for worker in workers))
        case ListMemory():
            entries = list_memory(tx, agent_id)
            return ListView(
                items=tuple(
                    MemoryView(key=entry.key, value=entry.value, updated_at=entry.updated_at_ms)
                    for entry in entries
                )
            )
        case ListActions():
            actions = list_actions(tx, agent_id, limit=_bounded(tx, question.limit))
            return ListView(items=tuple(_action_view(action) for action in actions))
        case ListReviewedPrs():
            reviewed = list_reviewed_prs(tx, agent_id, limit=_bounded(tx, question.limit))
            return ListView(items=tuple(_reviewed_view(one) for one in reviewed))
        case _:
            assert_never(question)


def _by_boss(tx: TownTransaction) -> list[RosterGroupView]:
    """Each live coordinator is a header, workers or not; who has no boss stands below the mayor;
    a boss who is gone is a header as long as somebody points at it."""
    coordinators = list_coordinators(tx)
    heads = {agent.agent_id for agent in coordinators}
    mayor = find_mayor(tx)
    top = None if mayor is None else mayor.agent_id
    below: dict[AgentId | None, list[Agent]] = {}
    for agent in list_employed(tx):
        if agent.boss_id is not None or agent.agent_id not in heads:
            below.setdefault(agent.boss_id or top, []).append(agent)
    groups = [_headed(tx, head, below.pop(head.agent_id, [])) for head in coordinators]
    if None in below:
        members = below.pop(None)
        groups.insert(0, _group(tx, members, key=NOBODY, name=NOBODY))
    gone = sorted((_boss_name(tx, boss_id), boss_id) for boss_id in below if boss_id is not None)
    for name, boss_id in gone:
        groups.append(_group(tx, below[boss_id], key=boss_id, name=name, is_stale=True))
    return groups


def _by_stage(tx: TownTransaction) -> list[RosterGroupView]:
    views = [agent_view(tx, agent) for agent in list_employed(tx)]
    return [
        RosterGroupView(
            key=stage,
            name=stage,
            stale=False,
            coordinator=None,
            agents=tuple(view for view in views if view.status == stage),
        )
        for stage in STAGES
    ]


def _by_rig(tx: TownTransaction) -> list[RosterGroupView]:
    """The town's own first, then every rig in the order of its making."""
    agents = list_employed(tx)
    own = [agent for agent in agents if agent.rig_id is None]
    groups = [_group(tx, own, key="", name="town")]
    for rig in list_rigs(tx):
        members = [agent for agent in agents if agent.rig_id == rig.rig_id]
        groups.append(_group(tx, members, key=rig.rig_id, name=rig.name))
    return groups


def _headed(tx: TownTransaction, head: Agent, members: list[Agent]) -> RosterGroupView:
    return RosterGroupView(
        key=head.agent_id,
        name=head.name,
        stale=False,
        coordinator=agent_view(tx, head),
        agents=tuple(agent_view(tx, agent) for agent in members),
    )


def _group(
    tx: TownTransaction, members: list[Agent], *, key: str, name: str, is_stale: bool = False
) -> RosterGroupView:
    return RosterGroupView(
        key=key,
        name=name,
        stale=is_stale,
        coordinator=None,
        agents=tuple(agent_view(tx, agent) for agent in members),
    )


def _boss_name(tx: TownTransaction, boss_id: AgentId) -> str:
    boss = find_agent(tx, boss_id)
    return "" if boss is None else boss.name


def _action_view(action: AgentAction) -> ActionView:
    return ActionView(
        id=action.action_id,
        agent_id=action.agent_id,
        session_id=action.session_id,
        action=action.action,
        outcome=action.outcome,
        metadata=action.metadata,
        created_at=action.created_at_ms,
    )


def _reviewed_view(reviewed: ReviewedPr) -> ReviewedPrView:
    return ReviewedPrView(
        agent_id=reviewed.agent_id,
        forge=reviewed.forge,
        owner=reviewed.repo_owner,
        repo=reviewed.repo_name,
        number=reviewed.number,
        head_sha=reviewed.head_sha,
        reviewed_at=reviewed.reviewed_at_ms,
    )


def _bounded(tx: TownTransaction, limit: int) -> int:
    return max(0, min(limit, tx.limits.list_limit_max))
