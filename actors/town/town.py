"""The town: one durable object, one single-threaded writer of all its rows.

Theory of operation. A command is one transaction (execution.py): it is committed whole, before
its answer leaves, or it has changed nothing and its answer is a refusal. What a command wants
done outside is rows; it only brings the alarm forward, and the loop (town_loop.py) does the rest.
A question (answers.py) writes nothing. No method awaits between its first and its last write: the
alarm is moved in the same turn, and hence in the same commit.

Called by the front, by the Owner object that made the town, and by the container manager through
compose. A crash before the commit leaves nothing of the command; one after it leaves all of it,
and the loop takes up from the rows. An assertion that fails is a bug: the object is reset, and
starts again from its storage.

A town exists between InitTown and DestroyTown. A destroyed one keeps an empty schema and no
alarm; all but InitTown are answered TOWN_NOT_FOUND (row 93).
"""

from __future__ import annotations

from boomtown.actors import AlarmInfo, DurableObject, DurableObjectState, Env
from boomtown.actors.town.answers import LoopFacts, run_question
from boomtown.actors.town.commands import CommandRequest, DestroyTown
from boomtown.actors.town.execution import QUIET, run_command
from boomtown.actors.town.questions import QuestionRequest
from boomtown.actors.town.schema_files import town_schema
from boomtown.actors.town.store_town import find_town
from boomtown.actors.town.town_loop import TownLoop
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer

_HAS_SCHEMA = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'town'"
_SCHEMA = town_schema()


class Town(DurableObject):
    """`env` brings CONTAINERS and TOKENS (ports.py), CLOCK, ENTROPY, TOWN_LIMITS and
    ROLE_TEMPLATES."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self._loop = TownLoop(
            storage=ctx.storage,
            begin=self._begin,
            wait_until=ctx.wait_until,
            containers=env.CONTAINERS,
            tokens=env.TOKENS,
        )
        self._create_schema()
        ctx.block_concurrency_while(self._loop.restore)

    async def execute(self, request: CommandRequest) -> Answer:
        """Run a command. Refusals are values; what is raised is a fault of ours."""
        tx = self._begin()
        try:
            answer = run_command(tx, request)
        except AssertionError as error:
            self.ctx.abort(f"A town's assertion failed: {error}")
        if answer.refusal is None:
            await self._follow(tx, request)
        return answer

    async def query(self, request: QuestionRequest) -> Answer:
        """Answer a question; nothing is written."""
        tx = self._begin()
        exists = find_town(tx) is not None
        facts = LoopFacts(
            next_alarm_at_ms=await self.ctx.storage.get_alarm(),
            reconciler=self._loop.facts() if exists else {},
        )
        return run_question(tx, request, facts)

    async def alarm(self, info: AlarmInfo) -> None:
        """One tick of the loop."""
        await self._loop.run_alarm()

    async def _follow(self, tx: TownTransaction, request: CommandRequest) -> None:
        if isinstance(request.command, DestroyTown):
            await self.ctx.storage.delete_all()
            await self.ctx.storage.delete_alarm()
            self._create_schema()
            return
        is_quiet = type(request.command) in QUIET
        delay_ms = tx.limits.alarm_active_ms if is_quiet else tx.limits.alarm_inbox_ms
        await self._loop.bring_forward(tx.now_ms + delay_ms)

    def _begin(self) -> TownTransaction:
        return TownTransaction(
            sql=self.ctx.storage.sql,
            nested=self.ctx.storage.transaction_sync,
            now_ms=self.env.CLOCK.now_ms(),
            entropy=self.env.ENTROPY,
            limits=self.env.TOWN_LIMITS,
            templates=self.env.ROLE_TEMPLATES,
        )

    def _create_schema(self) -> None:
        tx = self._begin()
        row = tx.find_row(_HAS_SCHEMA)
        if row is None or row[0] == 0:
            tx.in_savepoint(lambda: tx.run(_SCHEMA))
