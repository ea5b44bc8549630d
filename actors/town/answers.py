"""From a question to its answer. Nothing here writes.

A session that is over may not ask (decisions 55). Lists are bounded by `list_limit_max` whatever
limit was asked for.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from boomtown.actors.town.commands_of_feed import GetFeedCursor, ListFeedCursors, ReadFeed
from boomtown.actors.town.config_rules import masked_config
from boomtown.actors.town.drain_commands import (
    ask_registry,
    drain_status,
    list_registry,
    mayor_id,
)
from boomtown.actors.town.feed_cursors import answer_feed
from boomtown.actors.town.fences import check_session_lives
from boomtown.actors.town.model import Agent, BeadType
from boomtown.actors.town.observer_commands import answer_of_observer
from boomtown.actors.town.preflight import spawn_findings
from boomtown.actors.town.questions import (
    AskRegistry,
    CheckInvariants,
    FindLiveSession,
    GetAgent,
    GetBead,
    GetConfig,
    GetConvoy,
    GetDrainStatus,
    GetMayorId,
    GetRig,
    GetSession,
    GetTown,
    GetTownStatus,
    ListAgents,
    ListBeads,
    ListConvoys,
    ListEscalations,
    ListEvents,
    ListRegistry,
    ListRigs,
    ListSessions,
    PreflightSpawn,
    QuestionRequest,
)
from boomtown.actors.town.questions_of_observer import ObserverQuestion
from boomtown.actors.town.questions_of_roster import RosterQuestion
from boomtown.actors.town.roster_answers import answer_of_roster
from boomtown.actors.town.spawn_facts import spawn_facts
from boomtown.actors.town.store_agents import get_agent, list_rig_agents
from boomtown.actors.town.store_audit import list_audit
from boomtown.actors.town.store_beads import (
    get_bead,
    get_rig_bead,
    list_beads_of_type,
    list_rig_beads,
)
from boomtown.actors.town.store_satellites import get_convoy
from boomtown.actors.town.store_sessions import find_live_session, get_session, list_sessions
from boomtown.actors.town.store_town import get_rig, get_town, list_rigs
from boomtown.actors.town.tick import check_town
from boomtown.actors.town.town_status import town_status_view
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import (
    AgentView,
    Answer,
    ConfigView,
    FindingView,
    ListView,
    PreflightView,
    View,
    ViolationView,
)
from boomtown.actors.town.views_of import (
    agent_view,
    bead_view,
    convoy_detail_view,
    convoy_view,
    escalation_view,
    event_view,
    rig_view,
    session_view,
    town_view,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, NotFound

DEAD = "dead"
_OfRig = ListBeads | GetBead | ListAgents | GetAgent | ListSessions | GetSession | FindLiveSession
_Question = (
    GetTown
    | GetConfig
    | GetTownStatus
    | CheckInvariants
    | ListRigs
    | GetRig
    | ListConvoys
    | GetConvoy
    | ListEscalations
    | ListEvents
    | GetMayorId
    | _OfRig
)


class LoopFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the town object knows besides its tables."""

    next_alarm_at_ms: int | None
    reconciler: dict[str, Any]


def run_question(tx: TownTransaction, request: QuestionRequest, loop: LoopFacts) -> Answer:
    try:
        get_town(tx)
        check_session_lives(tx, request.caller)
        return Answer(view=_answer_request(tx, request, loop))
    except BoomtownError as error:
        return Answer(refusal=error.refusal())


def _answer_request(tx: TownTransaction, request: QuestionRequest, loop: LoopFacts) -> View:
    if isinstance(request.question, RosterQuestion):
        return answer_of_roster(tx, request.question)
    if isinstance(request.question, ObserverQuestion):
        return answer_of_observer(tx, request.question)
    match request.question:
        case PreflightSpawn(wish=wish):
            findings = spawn_findings(spawn_facts(tx, wish, tx.seen.looked))
            return PreflightView(
                findings=tuple(
                    FindingView(code=found.code, message=found.message, details=found.details)
                    for found in findings
                )
            )
        case GetDrainStatus():
            return drain_status(tx, request.caller)
        case ListRegistry():
            return list_registry(tx, request.caller)
        case AskRegistry() as question:
            return ask_registry(tx, request.caller, question)
        case ReadFeed() | GetFeedCursor() | ListFeedCursors() as question:
            return answer_feed(tx, question)
        case _ as question:
            return _answer(tx, question, loop)


def _answer(tx: TownTransaction, question: _Question, loop: LoopFacts) -> View:
    match question:
        case GetMayorId():
            return mayor_id(tx)
        case GetTown():
            return town_view(get_town(tx))
        case GetConfig():
            return ConfigView(config=masked_config(get_town(tx).config))
        case GetTownStatus():
            return town_status_view(
                tx, next_alarm_at_ms=loop.next_alarm_at_ms, reconciler=loop.reconciler
            )
        case CheckInvariants():
            return ListView(
                items=tuple(
                    ViolationView(name=found.name, subject=found.subject, message=found.message)
                    for found in check_town(tx)
                )
            )
        case ListRigs():
            return ListView(items=tuple(rig_view(tx, rig) for rig in list_rigs(tx)))
        case GetRig():
            return rig_view(tx, get_rig(tx, question.rig_id))
        case ListConvoys():
            convoys = list_beads_of_type(tx, BeadType.CONVOY)
            return ListView(items=tuple(convoy_view(tx, bead) for bead in convoys))
        case GetConvoy():
            get_convoy(tx, question.convoy_id)
            return convoy_detail_view(tx, get_bead(tx, question.convoy_id))
        case ListEscalations():
            beads = list_beads_of_type(tx, BeadType.ESCALATION)
            return ListView(items=tuple(escalation_view(tx, bead) for bead in beads))
        case ListEvents():
            return _list_events(tx, question)
        case _:
            return _answer_of_rig(tx, question)


def _answer_of_rig(tx: TownTransaction, question: _OfRig) -> View:
    match question:
        case ListBeads():
            return _list_beads(tx, question)
        case GetBead():
            return bead_view(tx, get_rig_bead(tx, question.rig_id, question.bead_id))
        case ListAgents():
            return ListView(items=_agents(tx, question))
        case GetAgent():
            return agent_view(tx, _get_agent(tx, question))
        case ListSessions():
            sessions = list_sessions(
                tx, bead_id=question.bead_id, limit=_bounded(tx, question.limit)
            )
            return ListView(items=tuple(session_view(session) for session in sessions))
        case GetSession():
            return session_view(get_session(tx, question.session_id))
        case FindLiveSession():
            session = find_live_session(tx, question.agent_id)
            if session is None:
                raise NotFound(ErrorCode.SESSION_NOT_FOUND)
            return session_view(session)
        case _:
            assert_never(question)


def _list_beads(tx: TownTransaction, question: ListBeads) -> ListView:
    get_rig(tx, question.rig_id)
    beads = list_rig_beads(
        tx,
        question.rig_id,
        status=question.status,
        bead_type=question.type,
        assignee_agent_id=question.assignee_agent_id,
        limit=_bounded(tx, question.limit),
        offset=question.offset,
    )
    return ListView(items=tuple(bead_view(tx, bead) for bead in beads))


def _list_events(tx: TownTransaction, question: ListEvents) -> ListView:
    events = list_audit(
        tx,
        rig_id=question.rig_id,
        agent_id=question.agent_id,
        since_ms=question.since_ms,
        after=question.after,
        limit=_bounded(tx, question.limit),
    )
    return ListView(items=tuple(event_view(event) for event in events))


def _agents(tx: TownTransaction, question: ListAgents) -> tuple[AgentView, ...]:
    get_rig(tx, question.rig_id)
    agents = list_rig_agents(tx, question.rig_id, role=question.role)
    views = [agent_view(tx, agent) for agent in agents]
    if question.status is None:
        return tuple(view for view in views if view.status != DEAD)
    return tuple(view for view in views if view.status == question.status)


def _get_agent(tx: TownTransaction, question: GetAgent) -> Agent:
    agent = get_agent(tx, question.agent_id)
    if agent.rig_id not in (None, question.rig_id):  # the mayor has no rig, and is of each
        raise NotFound(ErrorCode.AGENT_NOT_FOUND)
    return agent


def _bounded(tx: TownTransaction, limit: int) -> int:
    return max(0, min(limit, tx.limits.list_limit_max))
