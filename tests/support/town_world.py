"""A whole town on a real Host, with a hand-driven clock and containers that do what a test says.

`TownWorld` speaks as an operator (`execute`), as an agent's session (`heartbeat`, `done`), and as
a control server (`completed`). Time passes only by `tick` (to the next alarm that is due at once)
and `advance_ms`; `restart` makes a new Host on the same data, as after a kill. `rows` and `plant`
look into the town's tables and break them, past all commands.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from boomtown.actors import AlarmInfo, Durability, Host
from boomtown.actors.town.commands import (
    Caller,
    CallerKind,
    Command,
    CommandRequest,
    CreateRig,
    InitTown,
)
from boomtown.actors.town.commands_of_agents import (
    Heartbeat,
    ReportCompleted,
    ReportContainerGone,
    ReportDone,
)
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.invariants import Violation
from boomtown.actors.town.model import (
    Agent,
    Bead,
    BeadKind,
    Convoy,
    Effect,
    RigConfig,
    Session,
    SessionState,
    TownConfig,
)
from boomtown.actors.town.ports import Forges
from boomtown.actors.town.questions import Question, QuestionRequest
from boomtown.actors.town.store_agents import AGENTS
from boomtown.actors.town.store_beads import BEADS
from boomtown.actors.town.store_satellites import CONVOYS
from boomtown.actors.town.store_sessions import EFFECTS, SESSIONS
from boomtown.actors.town.store_snapshot import read_snapshot
from boomtown.actors.town.store_town import find_town
from boomtown.actors.town.tables import Table
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import Answer, View
from boomtown.container_sim.forge.forge_clients import ForgeClients
from boomtown.container_sim.model import Verdict
from boomtown.entropy import Entropy, SeededEntropy, SystemSecrets
from boomtown.errors import error_from_refusal
from boomtown.ids import AgentId, BeadId, RigId, SessionId, TownId
from boomtown.limits import RuntimeLimits, TownLimits
from boomtown.testing.manual_clock import ManualClock, run_passes
from support.scripted_containers import ScriptedContainers

TOWN_ID = TownId("01890000-0000-7000-8000-000000000001")
RIG_ID = RigId("01890000-0000-7000-8000-000000000002")
Row = TypeVar("Row", bound=msgspec.Struct)

# Closing an idle object's file takes a thread and real time, which a hand-driven clock outruns.
STAY_AWAKE = RuntimeLimits(idle_ms=10**12, alarm_handler_ms_max=10**13)
OPERATOR = Caller(kind=CallerKind.OPERATOR, user_id="local")
SYSTEM = Caller(kind=CallerKind.SYSTEM, user_id="local")


class PlainTokens:
    """Tokens that name their session, for nobody checks them here."""

    def mint_session_token(
        self,
        *,
        town_id: TownId,
        rig_id: RigId,
        agent_id: AgentId,
        session_id: SessionId,
        user_id: str,
        now_ms: int,
    ) -> str:
        return f"token-of-{session_id}"


class OpenTown(Town):
    """A Town whose tables and loop a test may reach past its commands."""

    async def read_rows(self, query: str, bindings: list[Any]) -> list[list[Any]]:
        return [list(row) for row in self.ctx.storage.sql.exec(query, *bindings).raw()]

    async def run_statements(self, statements: list[str]) -> None:
        for statement in statements:
            list(self.ctx.storage.sql.exec(statement).raw())
        self._memory.forget()  # this went past its transactions

    async def tick_now(self) -> None:
        await self.alarm(AlarmInfo(scheduled_time=0, retry_count=0))

    async def last_violations(self) -> list[list[str]]:
        report = self._loop.last_tick
        found = () if report is None else report.violations
        return [[violation.name, violation.subject, violation.message] for violation in found]

    async def alarm_at(self) -> int | None:
        return await self.ctx.storage.get_alarm()


class WatchedTown(OpenTown):
    """After each command and each tick it sees that what the town remembers of its tables is what
    they hold."""

    async def execute(self, request: CommandRequest) -> Answer:
        answer = await super().execute(request)
        self._check_memory()
        return answer

    async def alarm(self, info: AlarmInfo) -> None:
        await super().alarm(info)
        self._check_memory()

    def _check_memory(self) -> None:
        tx = self._begin()
        forgetful = msgspec.structs.replace(tx, memory=None)
        assert find_town(tx) == find_town(forgetful)
        if find_town(tx) is not None:
            assert read_snapshot(tx) == read_snapshot(forgetful)


class TownWorld:
    """One town with one rig, made by `async with`."""

    town_class: type[OpenTown] = WatchedTown

    def __init__(
        self,
        data_dir: Path,
        *,
        config: TownConfig | None = None,
        limits: TownLimits | None = None,
        containers: type[ScriptedContainers] = ScriptedContainers,
    ) -> None:
        self.clock = ManualClock()
        self.containers = containers(self.clock)
        self.limits = limits or TownLimits()
        self._data_dir = data_dir
        self._config = config or TownConfig()
        self._entropy = self._make_entropy()
        self._host = self._make_host()

    async def __aenter__(self) -> Self:
        await self._host.start()
        await self.execute(
            InitTown(town_id=TOWN_ID, name="boom", owner_user_id="local", config=self._config),
            SYSTEM,
        )
        await self.add_rig(RIG_ID, "app")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._host.aclose()

    def _make_host(self) -> Host:
        return Host(
            classes={"Town": self.town_class},
            data_dir=self._data_dir,
            clock=self.clock,
            entropy=self._entropy,
            secrets=SystemSecrets(),
            durability=Durability.PROCESS,
            limits=STAY_AWAKE,
            bindings={
                "TOKENS": PlainTokens(),
                "CLOCK": self.clock,
                "ENTROPY": self._entropy,
                "TOWN_LIMITS": self.limits,
                "ROLE_TEMPLATES": load_templates(None),
                "FORGE_ACCESS": self._forge_access(),
                **self._more_bindings(),
            },
            services={"CONTAINERS": self.containers, "FORGES": self._forges()},
        )

    def _make_entropy(self) -> Entropy:
        return SeededEntropy(11)

    def _forge_access(self) -> ForgeAccess:
        """No forge: the town does not patrol."""
        return ForgeAccess()

    def _forges(self) -> Forges:
        return ForgeClients({})

    def _more_bindings(self) -> dict[str, Any]:
        """What a town class of a test's own needs besides."""
        return {}

    # Time.

    async def tick(self, times: int = 1) -> None:
        """Let the loop do what is due at once: the alarm that a command or an outcome armed."""
        for _ in range(times):
            await self.clock.advance_ms(self.limits.alarm_inbox_ms)

    async def settle(self) -> None:
        """Enough ticks for a chain of claims, starts, answers and stops; less than a second."""
        await self.tick(8)

    async def tick_now(self) -> None:
        """One tick at this instant, whatever the alarm says."""
        await self._stub().tick_now()
        await run_passes()

    async def advance_ms(self, span_ms: int) -> None:
        await self.clock.advance_ms(span_ms)

    async def restart(self) -> None:
        """A new Host on the same data."""
        await self._host.aclose()
        self._host = self._make_host()
        await self._host.start()
        await self._stub().alarm_at()  # the first call makes the object again
        await run_passes()

    # Commands and questions.

    async def execute(self, command: Command, caller: Caller = OPERATOR) -> View:
        """The view; a refusal is raised as the error that it is."""
        request = CommandRequest(command=command, caller=caller)
        answer = await self._stub().execute(request)
        await run_passes()
        if answer.refusal is not None:
            raise error_from_refusal(answer.refusal)
        view: View = answer.view
        return view

    async def query(self, question: Question) -> View:
        return await self.query_as(question, OPERATOR)

    async def query_as(self, question: Question, caller: Caller) -> View:
        answer = await self._stub().query(QuestionRequest(question=question, caller=caller))
        if answer.refusal is not None:
            raise error_from_refusal(answer.refusal)
        view: View = answer.view
        return view

    async def add_rig(self, rig_id: RigId, name: str, *, config: RigConfig | None = None) -> RigId:
        await self.execute(
            CreateRig(
                rig_id=rig_id,
                name=name,
                git_url=f"https://example.invalid/{name}.git",
                default_branch="main",
                config=config or RigConfig(),
            )
        )
        return rig_id

    # What agents and control servers say.

    async def heartbeat(self, session_id: SessionId, *, body_status: str = "running") -> View:
        session = await self.session(session_id)
        command = Heartbeat(
            rig_id=session.rig_id,
            agent_id=session.agent_id,
            body_status=body_status,
            instance_id=session.instance_id,
        )
        return await self.execute(command, speaker(session))

    async def done(
        self,
        session_id: SessionId,
        verdict: Verdict | None = None,
        *,
        pr_url: str | None = None,
        summary: str | None = None,
    ) -> View:
        session = await self.session(session_id)
        command = ReportDone(
            rig_id=session.rig_id,
            agent_id=session.agent_id,
            branch=session.branch,
            verdict=verdict,
            pr_url=pr_url,
            summary=summary,
            commit_sha="c0ffee" if verdict == Verdict.MERGED else None,
        )
        return await self.execute(command, speaker(session))

    async def completed(
        self, session_id: SessionId, *, exit_code: int = 0, reason: str | None = None
    ) -> View:
        """The control server saw the body end."""
        if session_id in self.containers.sessions:
            self.containers.end_session(session_id, exit_code=exit_code, reason=reason)
        session = await self.session(session_id)
        command = ReportCompleted(
            rig_id=session.rig_id,
            agent_id=session.agent_id,
            status="completed" if exit_code == 0 else "failed",
            reason=reason or f"exit {exit_code}",
            exit_code=exit_code,
        )
        return await self.execute(command, speaker(session, kind=CallerKind.CONTAINER))

    async def end_instance(self) -> None:
        """The container dies, and its manager says so."""
        gone = self.containers.end_instance(TOWN_ID, reason="crashed")
        assert gone is not None, "there is a container to end"
        await self.execute(ReportContainerGone(gone=gone), SYSTEM)

    # What is stored.

    async def rows(self, query: str, *bindings: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._stub().read_rows(query, list(bindings))]

    async def plant(self, *statements: str) -> None:
        """Write past all rules."""
        await self._stub().run_statements(list(statements))

    async def violations(self) -> list[Violation]:
        """What the last tick reported."""
        found = await self._stub().last_violations()
        return [
            Violation(name=name, subject=subject, message=message)
            for name, subject, message in found
        ]

    async def session(self, session_id: SessionId) -> Session:
        return (await self._structs(SESSIONS, "session_id = ?", session_id))[0]

    async def sessions(self) -> list[Session]:
        """All that ever were, in the order of their claims."""
        return await self._structs(SESSIONS, "1 = 1 ORDER BY claimed_at_ms, session_id")

    async def live_sessions(self) -> list[Session]:
        return [s for s in await self.sessions() if s.state != SessionState.ENDED]

    async def session_of(self, bead_id: BeadId) -> Session:
        """The bead's live session."""
        return (await self._structs(SESSIONS, "bead_id = ? AND state != 'ended'", bead_id))[0]

    async def bead(self, bead_id: BeadId) -> Bead:
        return (await self._structs(BEADS, "bead_id = ?", bead_id))[0]

    async def beads(self, kind: BeadKind) -> list[Bead]:
        return await self._structs(BEADS, "kind = ? ORDER BY created_at_ms, bead_id", kind.value)

    async def reviews_of(self, source_id: BeadId) -> list[Bead]:
        return await self._structs(
            BEADS,
            "subject = ? AND type = 'merge_request' ORDER BY created_at_ms, bead_id",
            source_id,
        )

    async def convoy(self, convoy_id: BeadId) -> Convoy:
        return (await self._structs(CONVOYS, "bead_id = ?", convoy_id))[0]

    async def agents(self) -> list[Agent]:
        return await self._structs(AGENTS, "1 = 1 ORDER BY created_at_ms, agent_id")

    async def effects(self) -> list[Effect]:
        return await self._structs(EFFECTS, "1 = 1 ORDER BY created_at_ms, effect_id")

    async def escalation_titles(self) -> list[str]:
        found = await self.rows(
            "SELECT title FROM beads WHERE type = 'escalation' ORDER BY created_at_ms, bead_id"
        )
        return [title for (title,) in found]

    async def alarm_at_ms(self) -> int | None:
        """When the town will look at itself by itself."""
        at_ms: int | None = await self._stub().alarm_at()
        return at_ms

    async def counter(self, name: str) -> int:
        found = await self.rows("SELECT value FROM counters WHERE name = ?", name)
        return int(found[0][0]) if found else 0

    async def _structs(self, table: Table[Row], condition: str, *bindings: Any) -> list[Row]:
        found = await self.rows(f"{table.select} WHERE {condition}", *bindings)
        return [table.struct(row) for row in found]

    def _stub(self) -> Any:
        return self._host.namespace("Town").get_by_name(TOWN_ID)


def speaker(session: Session, *, kind: CallerKind = CallerKind.SESSION) -> Caller:
    """The session itself, or its control server."""
    return Caller(
        kind=kind,
        user_id="local",
        agent_id=session.agent_id,
        session_id=session.session_id,
        instance_id=session.instance_id,
    )
