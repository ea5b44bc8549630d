"""A town whose process dies at a chosen SQL statement, for the sweep over all of them.

`CrashingTown` hands every transaction a database that counts the writing statements of the present
step by who runs them (a command, a tick, an effect's worker) and resets the object behind the one
that is armed: it was executed and is not committed, the turn is lost whole, as by a kill, and the
next call makes the object again from its file. A death between two reads is no other than the one
behind the write before them. Where a forge is asked, each of its answers is a point too
(crash_forge.py). Alarms do nothing here: the sweep ticks by hand, so that a step is one call and
no more.
"""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from boomtown.actors import AlarmInfo, DurableObjectState, Env
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.town.commands import Caller, Command, CommandRequest
from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.questions import CheckInvariants
from boomtown.actors.town.roster_views import GatewayView
from boomtown.actors.town.transaction import Sql, SqlCursor, TownTransaction
from boomtown.actors.town.views import Answer, ListView
from boomtown.entropy import Entropy, SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.limits import TownLimits
from boomtown.testing.manual_clock import run_passes
from support.town_world import OPERATOR, OpenTown, TownWorld

COMMAND, TICK, EFFECT, RESTORE = "command", "tick", "effect", "restore"
REQUEST = "request"  # to a forge, by a command or by an effect's worker
_READS = ("SELECT", "WITH")
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
# The worker's effect is pending again, and at most a few others are before it.
TICKS_TO_RECOVER = 4
# But the next question to a forge, whose time has not come.
_UNFINISHED = (
    "SELECT kind FROM effects WHERE state != 'answered'"
    " AND NOT (kind IN ('poll_repository', 'check_forges') AND state = 'pending'"
    " AND due_at_ms > ?)"
)
_ONE_EACH = TownLimits(effects_in_flight_max=1, patrol_polls_max=1)


class CrashPlan:
    """Counts the statements of one step, and says at which the process dies."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: set[str] = set()  # every action that any tick has carried out
        self.has_fired = False
        self._armed: tuple[str, int] | None = None

    def begin(self, label: str = "", ordinal: int = 0) -> None:
        """A new step; without a label nobody dies."""
        self.counts.clear()
        self.has_fired = False
        self._armed = (label, ordinal) if label else None

    def is_deadly(self, label: str) -> bool:
        """Count a write; whether the process is dead behind it."""
        self.counts[label] += 1
        is_now = self._armed == (label, self.counts[label])
        self.has_fired |= is_now
        return is_now


class CountingEntropy(SeededEntropy):
    """Ids that sort as they were made, so that both walks meet what came at once in one order."""

    def __init__(self) -> None:
        super().__init__(11)
        self._count = 0

    def random_bytes(self, count: int, *, label: str) -> bytes:
        self._count += 1
        return self._count.to_bytes(count, "big")


class DeadlySql:
    """The database as one transaction sees it."""

    def __init__(self, sql: Sql, plan: CrashPlan, label: str, die: Callable[[], None]) -> None:
        self._sql = sql
        self._plan = plan
        self._label = label
        self._die = die

    def exec(self, query: str, /, *bindings: Any) -> SqlCursor:
        cursor = self._sql.exec(query, *bindings)
        if not query.lstrip().startswith(_READS) and self._plan.is_deadly(self._label):
            self._die()
        return cursor


class DeadlyTransaction(TownTransaction, frozen=True, kw_only=True):
    """Notes what is done, besides."""

    plan: CrashPlan

    def because(self, reason: str) -> TownTransaction:
        self.plan.reasons.add(reason)
        return super().because(reason)


class CrashingTown(OpenTown):
    """`env` brings CRASHES besides."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        self._label = RESTORE
        super().__init__(ctx, env)

    async def execute(self, request: CommandRequest) -> Answer:
        self._label = COMMAND
        answer = await super().execute(request)
        self._label = EFFECT
        return answer

    async def tick_now(self) -> None:
        self._label = TICK
        await super().alarm(AlarmInfo(scheduled_time=0, retry_count=0))
        self._label = EFFECT

    async def alarm(self, info: AlarmInfo) -> None:
        """Not here: only the sweep ticks."""

    async def digest(self) -> str:
        """Of every row of every table."""
        found = hashlib.sha256()
        sql = self.ctx.storage.sql
        names = [str(name) for (name,) in sql.exec(_TABLES).raw()]
        for table in names:
            if table.startswith("_cf_"):  # the runtime's own
                continue
            rows = sorted(repr(row) for row in sql.exec(f"SELECT * FROM {table}").raw())
            found.update("\n".join((table, *rows)).encode())
        return found.hexdigest()

    def _begin(self) -> TownTransaction:
        tx = super()._begin()

        def die() -> None:
            self.ctx.abort("The process dies here")

        plan = self.env.CRASHES
        parts: dict[str, Any] = {name: getattr(tx, name) for name in tx.__struct_fields__}
        parts["sql"] = DeadlySql(tx.sql, plan, self._label, die)
        return DeadlyTransaction(**parts, plan=plan)


class CrashWorld(TownWorld):
    """A host without a town: making it is the first step."""

    town_class = CrashingTown

    def __init__(self, data_dir: Path) -> None:
        self.plan = CrashPlan()
        self._copy_dir = data_dir.with_name(f"{data_dir.name}-copy")
        self._copied: dict[str, Any] = {}
        super().__init__(data_dir, limits=_ONE_EACH)

    async def __aenter__(self) -> Self:
        await self._host.start()
        return self

    def _make_entropy(self) -> Entropy:
        return CountingEntropy()

    def _more_bindings(self) -> dict[str, Any]:
        return {"CRASHES": self.plan}

    async def ask_to(self, command: Command, caller: Caller, *, key: str) -> Answer | None:
        """The answer; None when the process died on the way."""
        request = CommandRequest(command=command, caller=caller, idempotency_key=key)
        try:
            answer: Answer = await self._stub().execute(request)
        except DurableObjectError:
            return None
        return answer

    async def try_tick(self) -> None:
        """One tick and its worker; the process may die on the way."""
        try:
            await self._stub().tick_now()
        except DurableObjectError:
            assert self.plan.has_fired, "nobody else resets the town"
        await run_passes()

    async def digest(self) -> str:
        found: str = await self._stub().digest()
        return found

    async def save(self) -> None:
        """Keep the town and its containers as they are now, for `load`."""
        self.plan.begin()
        await self._host.aclose()
        shutil.copytree(self._data_dir, self._copy_dir, dirs_exist_ok=False)
        self._copied = {name: copy.copy(value) for name, value in vars(self.containers).items()}
        await self.restart()

    async def load(self) -> None:
        """Go back to what was saved last."""
        await self._host.aclose()
        shutil.rmtree(self._data_dir)
        shutil.copytree(self._copy_dir, self._data_dir)
        for name, value in self._copied.items():
            setattr(self.containers, name, copy.copy(value))
        await self.restart()

    def forget(self) -> None:
        """What was saved is not needed any more."""
        shutil.rmtree(self._copy_dir)

    async def unfinished(self) -> list[str]:
        """The kinds of the effects that ought to have been carried out by now."""
        return [str(kind) for (kind,) in await self.rows(_UNFINISHED, self.clock.now_ms())]

    async def broken_invariants(self) -> list[str]:
        """The names of those that do not hold."""
        view = await self.query(CheckInvariants())
        assert isinstance(view, ListView)
        return [str(getattr(item, "name", item)) for item in view.items]


class TracedWalk:
    """Goes through the story undisturbed, and enumerates its points."""

    def __init__(self, world: CrashWorld) -> None:
        self.world = world
        self.points: dict[tuple[int, str], int] = {}  # (step, label) -> statements
        self.commands: set[type] = set()
        self._step = 0

    async def command(self, command: Command, caller: Caller = OPERATOR) -> Any:
        """Have the town do it; answers the view."""
        self.world.plan.begin()
        answer = await self.world.ask_to(command, caller, key=f"step-{self._step}")
        assert answer is not None
        assert answer.refusal is None, answer.refusal
        self.commands.add(type(command))
        self._note((COMMAND, REQUEST))
        return answer.view

    async def deed(self, command: UseGateway, caller: Caller) -> GatewayView:
        """What the gateway does at a forge."""
        view: GatewayView = await self.command(command, caller)
        assert view.refusal is None, view.refusal
        return view

    async def end(self, command: Command, caller: Caller) -> None:
        """A command after which no town answers."""
        await self.command(command, caller)

    async def tick(self) -> None:
        """One tick, and the worker of at most one effect."""
        self.world.plan.begin()
        await self.world.try_tick()
        self._note((TICK, EFFECT, REQUEST))

    def _note(self, labels: tuple[str, ...]) -> None:
        plan = self.world.plan
        for label in labels:
            self.points[self._step, label] = plan.counts[label]
        self._step += 1


class SweptWalk:
    """Goes through the story with a crash behind every write of every step, then once after its
    commit; keeps which points fired."""

    def __init__(self, world: CrashWorld, points: dict[tuple[int, str], int]) -> None:
        self.world = world
        self.fired: set[tuple[int, str, int]] = set()
        self._points = points
        self._step = 0

    async def command(self, command: Command, caller: Caller = OPERATOR) -> Any:
        key = f"step-{self._step}"
        await self._die_in_command(command, caller, key)
        answer = await self.world.ask_to(command, caller, key=key)
        after = await self.world.digest()
        await self._restart()  # the process dies after the commit, and the answer is lost
        assert await self.world.ask_to(command, caller, key=key) == answer
        assert await self.world.digest() == after, "done twice"
        assert answer is not None
        assert answer.refusal is None, answer.refusal
        self._step += 1
        return answer.view

    async def deed(self, command: UseGateway, caller: Caller) -> GatewayView:
        """The decision is one commit, the deed is outside, and what is kept of it is a second
        commit: who asks again after a death has the deed done once."""
        search, *later = self._ordinals(REQUEST)
        decided = await self._die_asking(REQUEST, search, command, caller)
        before = await self.world.digest()
        for ordinal in self._ordinals(COMMAND)[:decided]:
            await self._die_asking(COMMAND, ordinal, command, caller)
            assert await self.world.digest() == before, "half a decision was kept"
        for ordinal in later:
            await self._die_asking(REQUEST, ordinal, command, caller)
        for ordinal in self._ordinals(COMMAND)[decided:]:
            await self._die_asking(COMMAND, ordinal, command, caller)
        key = f"step-{self._step}"
        views: list[GatewayView] = []
        for _ in range(2):
            answer = await self.world.ask_to(command, caller, key=key)
            assert answer is not None
            assert isinstance(answer.view, GatewayView)
            assert answer.view.refusal is None, answer.view.refusal
            views.append(answer.view)
            await self._restart()
        assert views[0] == views[1]
        assert not views[0].result["is_new"], "a death came behind the post"
        self._step += 1
        return views[0]

    async def _die_asking(self, label: str, ordinal: int, command: Command, caller: Caller) -> int:
        """Each time under another key: the agent got no answer, and asks anew. Answers how many
        writes the command had made."""
        key = f"step-{self._step}-{label}-{ordinal}"

        async def attempt() -> None:
            assert await self.world.ask_to(command, caller, key=key) is None

        writes = await self._fire(label, ordinal, attempt)
        assert await self.world.broken_invariants() == []
        return writes

    async def end(self, command: Command, caller: Caller) -> None:
        """The deletion is one commit and what follows it is another: whole, or gone."""
        key = f"step-{self._step}"
        before = await self.world.digest()
        await self.world.save()
        for ordinal in self._ordinals(COMMAND):
            await self._fire(COMMAND, ordinal, lambda: self.world.ask_to(command, caller, key=key))
            if await self.world.digest() != before:
                assert await self._is_gone(command, caller, key), "half a town was kept"
                await self.world.load()
        answer = await self.world.ask_to(command, caller, key=key)
        assert answer is not None
        assert answer.refusal is None
        await self._restart()
        assert await self._is_gone(command, caller, key)
        self.world.forget()

    async def _is_gone(self, command: Command, caller: Caller, key: str) -> bool:
        answer = await self.world.ask_to(command, caller, key=key)
        refusal = None if answer is None else answer.refusal
        return refusal is not None and refusal.code == ErrorCode.TOWN_NOT_FOUND

    async def tick(self) -> None:
        before = await self.world.digest()
        for ordinal in self._ordinals(TICK):
            await self._fire(TICK, ordinal, self.world.try_tick)
            assert await self.world.digest() == before, "half a tick was kept"
        if self._ordinals(EFFECT):  # who asks a forge writes what it was told
            await self._die_in_effects()
        self.world.plan.begin()
        await self.world.try_tick()
        await self._restart()
        assert await self.world.broken_invariants() == []
        self._step += 1

    async def _die_in_effects(self) -> None:
        """The tick is kept when its worker dies; so each death is of a copy of the town."""
        await self.world.save()
        for label in (EFFECT, REQUEST):
            for ordinal in self._ordinals(label):
                await self._fire(label, ordinal, self.world.try_tick)
                for _ in range(TICKS_TO_RECOVER):
                    assert await self.world.broken_invariants() == []
                    await self.world.try_tick()
                assert await self.world.unfinished() == [], "an effect was forgotten"
                await self.world.load()
        self.world.forget()

    async def _die_in_command(self, command: Command, caller: Caller, key: str) -> None:
        before = await self.world.digest()

        async def attempt() -> None:
            assert await self.world.ask_to(command, caller, key=key) is None

        for label in (COMMAND, REQUEST):
            for ordinal in self._ordinals(label):
                await self._fire(label, ordinal, attempt)
                assert await self.world.digest() == before, "half a command was kept"
        self.world.plan.begin()

    async def _fire(self, label: str, ordinal: int, act: Callable[[], Any]) -> int:
        self.world.plan.begin(label, ordinal)
        await act()
        assert self.world.plan.has_fired, (self._step, label, ordinal)
        self.fired.add((self._step, label, ordinal))
        writes = self.world.plan.counts[COMMAND]
        self.world.plan.begin()
        return writes

    async def _restart(self) -> None:
        self.world.plan.begin()
        await self.world.restart()

    def _ordinals(self, label: str) -> range:
        return range(1, self._points.get((self._step, label), 0) + 1)


Walk = TracedWalk | SweptWalk
