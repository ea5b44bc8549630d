"""Random commands about the roster and sessions of a town, each looked at with all tables.

Whatever is refused must have changed nothing; whatever happens, the town's invariants hold, no
agent's row goes, and no row of the feed but a seed's. What a command names is an index into what is
there, so that shrinking stays meaningful; now and then it names what never was.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from boomtown.actors.town.commands import Caller, Command, CreateBead, SetPaused
from boomtown.actors.town.commands_of_agents import HookBead, UnhookBead
from boomtown.actors.town.commands_of_roster import (
    AddWatch,
    HireAgent,
    OffboardAgent,
    ReassignWorkers,
    RemoveWatch,
    UseGateway,
)
from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    KillSession,
    RestoreSession,
    RollBackSession,
    SendToSession,
    SpawnSession,
    SpawnWish,
)
from boomtown.actors.town.model import LABEL_HELD, SessionState
from boomtown.actors.town.questions import CheckInvariants
from boomtown.actors.town.views import FactsView, ListView, View
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId, SessionId
from support.refusal_server import Rows, changed_rows
from support.town_world import OPERATOR, RIG_ID, OpenTown, TownWorld, speaker

# But the runtime's own.
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 3) != '_cf'"
NOBODY = "018f0000-0000-7000-8000-000000000000"
INDEX = st.integers(0, 11)
MAYBE = st.none() | INDEX
NAMES = st.sampled_from([None, "ann", "bob", "cyd", "Ann!", "mayor"])
REPOS = st.sampled_from(["app", "App", "lib"])
BRANCHES = st.sampled_from([None, None, "feature/one", "feature/two"])


class DumpedTown(OpenTown):
    """A Town that shows all that it holds."""

    async def read_tables(self) -> Rows:
        sql = self.ctx.storage.sql
        tables: Rows = {}
        for (found,) in sql.exec(_TABLES).raw():
            name = str(found)
            rows: list[tuple[Any, ...]] = [
                tuple(row) for row in sql.exec(f"SELECT * FROM {name}").raw()
            ]
            tables[name] = sorted(rows, key=repr)
        return tables


class DumpedTownWorld(TownWorld):
    town_class = DumpedTown

    async def tables(self) -> Rows:
        found: Rows = await self._stub().read_tables()
        return found


class TownMachine(RuleBasedStateMachine):
    """One town; `told` counts what became of the commands of all machines of a run."""

    told: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.world = DumpedTownWorld(Path(self.folder.name))
        self.runner.run(self.world.__aenter__())
        self.agents: list[AgentId] = []
        self.beads: list[BeadId] = []
        self.sessions: list[SessionId] = []
        self.watches: list[str] = []
        self.feed: set[int] = set()
        self._look_around()
        self._staff()

    def teardown(self) -> None:
        self.runner.run(self.world.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    # Who works here.

    @rule(role=st.sampled_from(AgentRole), name=NAMES, boss=MAYBE, has_rig=st.booleans())
    def hire(self, role: AgentRole, name: str | None, boss: int | None, has_rig: bool) -> None:
        rig_id = RIG_ID if has_rig else None
        chosen = None if boss is None else self._agent(boss)
        self._do(HireAgent(role=role, name=name, rig_id=rig_id, boss=chosen))

    @rule(name=NAMES, boss=INDEX)
    def hire_an_architect(self, name: str | None, boss: int) -> None:
        self._do(HireAgent(role=AgentRole.ARCHITECT, name=name))
        self._do(HireAgent(role=AgentRole.POLECAT, rig_id=RIG_ID, boss=self._agent(boss)))

    @rule(agent=INDEX, heir=MAYBE, force=st.booleans())
    def offboard(self, agent: int, heir: int | None, force: bool) -> None:
        to = None if heir is None else self._agent(heir)
        self._do(OffboardAgent(agent_id=self._agent(agent), reassign_to=to, force=force))

    @rule(agent=INDEX, to=INDEX)
    def reassign(self, agent: int, to: int) -> None:
        self._do(ReassignWorkers(agent_id=self._agent(agent), to=self._agent(to)))

    @rule(agent=INDEX, repo=REPOS)
    def watch(self, agent: int, repo: str) -> None:
        where = {"forge": "https://github.com", "repo_owner": "acme", "repo_name": repo}
        self._do(AddWatch(agent_id=self._agent(agent), **where))

    @rule(agent=INDEX, watch=INDEX)
    def stop_watching(self, agent: int, watch: int) -> None:
        self._do(RemoveWatch(agent_id=self._agent(agent), watch_id=chosen(self.watches, watch)))

    @rule(session=INDEX, key=st.sampled_from(["a", ""]))
    def remember(self, session: int, key: str) -> None:
        found = self._live(session)
        if found is not None:
            command = UseGateway(action="memory.put", args={"key": key, "value": 1})
            self._do(command, speaker(found))

    # What they work at.

    @rule(is_held=st.booleans())
    def make_bead(self, is_held: bool) -> None:
        labels = (LABEL_HELD,) if is_held else ()
        self._do(CreateBead(rig_id=RIG_ID, title="Work", labels=labels))

    @rule(agent=INDEX, bead=INDEX)
    def hook(self, agent: int, bead: int) -> None:
        bead_id = chosen(self.beads, bead)
        self._do(HookBead(rig_id=RIG_ID, agent_id=self._agent(agent), bead_id=BeadId(bead_id)))

    @rule(agent=INDEX)
    def unhook(self, agent: int) -> None:
        self._do(UnhookBead(rig_id=RIG_ID, agent_id=self._agent(agent)))

    @rule(agent=MAYBE, bead=MAYBE, boss=MAYBE, branch=BRANCHES)
    def spawn(
        self, agent: int | None, bead: int | None, boss: int | None, branch: str | None
    ) -> None:
        wish = SpawnWish(
            rig_id=RIG_ID,
            agent_id=None if agent is None else self._agent(agent),
            bead_id=None if bead is None else BeadId(chosen(self.beads, bead)),
            boss=None if boss is None else self._agent(boss),
            branch=branch,
        )
        self._do(SpawnSession(wish=wish))

    @rule(session=INDEX, force=st.booleans())
    def kill(self, session: int, force: bool) -> None:
        self._do(KillSession(session_id=self._session(session), force=force))

    @rule(session=INDEX)
    def restore(self, session: int) -> None:
        self._do(RestoreSession(session_id=self._session(session)))

    @rule(session=INDEX)
    def roll_back(self, session: int) -> None:
        self._do(RollBackSession(session_id=self._session(session)))

    @rule(session=INDEX, message=st.sampled_from([None, "Go on", " "]))
    def send(self, session: int, message: str | None) -> None:
        self._do(SendToSession(session_id=self._session(session), message=message))

    @rule()
    def clean_up(self) -> None:
        self._do(CleanUpSessions())

    @rule(is_paused=st.booleans(), is_of_rig=st.booleans())
    def pause(self, is_paused: bool, is_of_rig: bool) -> None:
        self._do(SetPaused(is_paused=is_paused, rig_id=RIG_ID if is_of_rig else None))

    # What happens by itself.

    @rule()
    def let_the_loop_run(self) -> None:
        self.runner.run(self.world.settle())
        self._look_around()

    @rule(session=INDEX)
    def give_a_sign_of_life(self, session: int) -> None:
        found = self._live(session)
        if found is not None:
            self.runner.run(self.world.heartbeat(found.session_id))
            self._look_around()

    @rule()
    def begin_again(self) -> None:
        before = self.tables
        self.runner.run(self.world.restart())
        assert changes(before, self.runner.run(self.world.tables())) == []

    # What is there at the beginning, and what is looked at after each.

    def _staff(self) -> None:
        for role, rig_id in (
            (AgentRole.MAYOR, None),
            (AgentRole.ARCHITECT, None),
            (AgentRole.REVIEWER, None),
            (AgentRole.POLECAT, RIG_ID),
            (AgentRole.POLECAT, RIG_ID),
        ):
            self._do(HireAgent(role=role, rig_id=rig_id))
        for _ in range(2):
            self._do(CreateBead(rig_id=RIG_ID, title="Work", labels=(LABEL_HELD,)))

    def _do(self, command: Command, caller: Caller = OPERATOR) -> None:
        before = self.tables
        name = type(command).__name__
        view, refusal = self.runner.run(self._outcome(command, caller))
        self.told[name if refusal is None else refusal] += 1
        if refusal is not None:
            after = self.runner.run(self.world.tables())
            assert changes(before, after) == [], (name, refusal)
        is_seed_deleted = isinstance(view, FactsView) and view.facts.get("deleted") is True
        self._look_around(is_seed_deleted=is_seed_deleted)

    async def _outcome(
        self, command: Command, caller: Caller
    ) -> tuple[View | None, ErrorCode | None]:
        try:
            return await self.world.execute(command, caller), None
        except BoomtownError as error:
            return None, error.code

    def _look_around(self, *, is_seed_deleted: bool = False) -> None:
        """I1 and I11, and all that the town itself checks."""
        self.tables = self.runner.run(self.world.tables())
        violations = self.runner.run(self.world.query(CheckInvariants()))
        assert isinstance(violations, ListView)
        assert violations.items == ()
        agents = self._column("agents", 0)
        assert set(self.agents) <= set(agents)
        feed = {int(seq) for seq in self._column("feed_log", 0)}
        assert self.feed <= feed or is_seed_deleted
        self.feed = feed
        self.agents = [*self.agents, *(one for one in agents if one not in self.agents)]
        self.beads = self._column("beads", 0)
        self.sessions = self._column("sessions", 0)
        self.watches = self._column("watches", 0)

    def _column(self, table: str, index: int) -> list[Any]:
        return [row[index] for row in self.tables[table]]

    def _agent(self, index: int) -> AgentId:
        return AgentId(chosen(self.agents, index))

    def _session(self, index: int) -> SessionId:
        return SessionId(chosen(self.sessions, index))

    def _live(self, index: int) -> Any:
        """A session with a body, if the index meets one."""
        for one in self.runner.run(self.world.sessions()):
            is_running = one.state in (SessionState.STARTING, SessionState.RUNNING)
            if is_running and one.session_id == self._session(index):
                return one
        return None


def chosen(known: list[Any], index: int) -> str:
    """One of what is there; the index after the last is nobody."""
    place = index % (len(known) + 1)
    return NOBODY if place == len(known) else str(known[place])


def changes(before: Rows, after: Rows) -> list[str]:
    """The rows that differ, a line each."""
    assert before.keys() == after.keys()
    return [line for table in before for line in changed_rows(table, before[table], after[table])]
