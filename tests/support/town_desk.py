"""A town in memory that takes commands and questions, without runtime and loop.

`Desk.do` runs a command as an operator (or as whoever is given) and answers its view; a refusal
raises the error that it stands for. Time stands until `advance_ms`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from boomtown.actors.town.answers import LoopFacts, run_question
from boomtown.actors.town.commands import (
    Caller,
    CallerKind,
    Command,
    CommandRequest,
    CreateBead,
    CreateRig,
    InitTown,
)
from boomtown.actors.town.commands_of_agents import HookBead, RegisterAgent
from boomtown.actors.town.execution import run_command
from boomtown.actors.town.model import Session, TownConfig
from boomtown.actors.town.questions import Question, QuestionRequest
from boomtown.actors.town.session_moves import claim_session, note_life, send_start
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_beads import get_bead
from boomtown.actors.town.store_sessions import find_live_session, get_session
from boomtown.actors.town.views import AgentView, Answer, BeadView, View
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.errors import error_from_refusal
from boomtown.ids import AgentId, BeadId, RigId, SessionId, TownId
from support.town_database import later, open_town_transaction

TOWN = TownId("01900000-0000-7000-8000-00000000aaaa")
RIG = RigId("01900000-0000-7000-8000-00000000bbbb")
OTHER_RIG = RigId("01900000-0000-7000-8000-00000000cccc")
OPERATOR = Caller(kind=CallerKind.OPERATOR, user_id="local")

Shape = TypeVar("Shape", bound=View)


class Desk:
    """One town with one rig."""

    def __init__(self, *, config: TownConfig | None = None) -> None:
        self.tx = open_town_transaction()
        self.do(
            InitTown(
                town_id=TOWN, name="Town", owner_user_id="local", config=config or TownConfig()
            )
        )
        self.add_rig(RIG, "widgets")

    def advance_ms(self, ms: int) -> None:
        self.tx = later(self.tx, ms)

    def ask_to(
        self, command: Command, *, caller: Caller = OPERATOR, idempotency_key: str | None = None
    ) -> Answer:
        """The answer, whatever it is."""
        request = CommandRequest(command=command, caller=caller, idempotency_key=idempotency_key)
        return run_command(self.tx, request)

    def do(self, command: Command, *, caller: Caller = OPERATOR) -> View:
        """The view; a refusal raises."""
        return _view(self.ask_to(command, caller=caller))

    def get(self, command: Command, shape: type[Shape], *, caller: Caller = OPERATOR) -> Shape:
        """The view of a command that answers this shape."""
        view = self.do(command, caller=caller)
        assert isinstance(view, shape)
        return view

    def facts(self, command: Command, *, caller: Caller = OPERATOR) -> dict[str, Any]:
        """The facts of a command that answers some."""
        view: Any = self.do(command, caller=caller)
        facts: dict[str, Any] = view.facts
        return facts

    def query(self, question: Question, shape: type[Shape], *, caller: Caller = OPERATOR) -> Shape:
        """The view of a question."""
        request = QuestionRequest(question=question, caller=caller)
        view = _view(
            run_question(self.tx, request, LoopFacts(next_alarm_at_ms=None, reconciler={}))
        )
        assert isinstance(view, shape)
        return view

    def add_rig(self, rig_id: RigId, name: str) -> None:
        self.do(CreateRig(rig_id=rig_id, name=name, git_url="file:///r.git", default_branch="main"))

    def add_bead(self, title: str = "Fix it", **fields: Any) -> BeadId:
        view = self.get(CreateBead(rig_id=RIG, title=title, **fields), BeadView)
        return BeadId(view.bead_id)

    def add_agent(self, name: str = "Ada", *, role: AgentRole = AgentRole.POLECAT) -> AgentId:
        command = RegisterAgent(rig_id=RIG, role=role, name=name, identity=f"{name}-identity")
        return AgentId(self.get(command, AgentView).id)

    def attach(self, agent_id: AgentId, bead_id: BeadId) -> Session:
        """Hook as an operator: an external session, claimed."""
        self.do(HookBead(rig_id=RIG, agent_id=agent_id, bead_id=bead_id))
        session = find_live_session(self.tx, agent_id)
        assert session is not None
        return session

    def start(self, agent_id: AgentId, bead_id: BeadId, *, kind: SessionKind) -> Session:
        """A session of the town's own that runs."""
        session = claim_session(
            self.tx,
            agent=get_agent(self.tx, agent_id),
            bead=get_bead(self.tx, bead_id),
            kind=kind,
            harness="scripted",
        )
        send_start(self.tx, session)
        return note_life(self.tx, get_session(self.tx, session.session_id))

    def session(self, session_id: SessionId) -> Session:
        return get_session(self.tx, session_id)


def session_caller(session: Session) -> Caller:
    """The agent with its session's token."""
    return Caller(
        kind=CallerKind.SESSION,
        user_id="local",
        agent_id=session.agent_id,
        session_id=session.session_id,
    )


def container_caller(session: Session) -> Caller:
    """The control server that speaks for a session."""
    return Caller(
        kind=CallerKind.CONTAINER,
        user_id="local",
        agent_id=session.agent_id,
        session_id=session.session_id,
        instance_id=session.instance_id,
    )


def _view(answer: Answer) -> View:
    if answer.refusal is not None:
        raise error_from_refusal(answer.refusal)
    assert answer.view is not None
    return answer.view
