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

import msgspec

from boomtown.actors import AlarmInfo, DurableObject, DurableObjectState, Env
from boomtown.actors.town.answers import LoopFacts, run_question
from boomtown.actors.town.commands import Command, CommandRequest, DestroyTown
from boomtown.actors.town.commands_of_feed import ReadFeed
from boomtown.actors.town.commands_of_observer import ClaimPr
from boomtown.actors.town.execution import QUIET, run_command
from boomtown.actors.town.feed_followers import FeedFollowers
from boomtown.actors.town.feed_speaker import FeedSpeaker
from boomtown.actors.town.feed_triggers import install_feed, list_tables
from boomtown.actors.town.feed_views import FeedPageView
from boomtown.actors.town.gateway_desk import GatewayDesk
from boomtown.actors.town.outside_looks import look_first
from boomtown.actors.town.pr_actions import ForgeDeeds
from boomtown.actors.town.pr_claims import look_at_request
from boomtown.actors.town.questions import GetTownStatus, QuestionRequest
from boomtown.actors.town.roster_views import GatewayView
from boomtown.actors.town.schema_files import town_schema
from boomtown.actors.town.sightings import Seen
from boomtown.actors.town.store_town import find_town
from boomtown.actors.town.table_memory import TableMemory
from boomtown.actors.town.town_loop import TownLoop
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer
from boomtown.errors import BoomtownError

_SCHEMA = town_schema()
NO_LOOP = LoopFacts(next_alarm_at_ms=None, reconciler={})  # only the status asks anything of it


class Town(DurableObject):
    """`env` brings CONTAINERS, FORGES and TOKENS (ports.py), FORGE_ACCESS, CLOCK, ENTROPY,
    TOWN_LIMITS and ROLE_TEMPLATES."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self._followers = FeedFollowers(env.CLOCK)
        self._speaker = FeedSpeaker(self._followers.notify)
        self._memory = TableMemory()
        self._loop = TownLoop(
            storage=ctx.storage,
            begin=self._begin,
            wait_until=ctx.wait_until,
            containers=env.CONTAINERS,
            tokens=env.TOKENS,
            forges=env.FORGES,
        )
        deeds = ForgeDeeds(begin=self._begin, forges=env.FORGES)
        self._gateway = GatewayDesk(begin=self._begin, actions=deeds.actions())
        self._create_schema()
        ctx.block_concurrency_while(self._loop.restore)

    def storage_edited(self) -> None:
        """As DurableObject's: the tables may be anything now."""
        self._memory.forget()
        self._speaker.forget()

    async def execute(self, request: CommandRequest) -> Answer:
        """Run a command. Refusals are values; what is raised is a fault of ours."""
        seen = await self._look(request.command)
        tx = msgspec.structs.replace(self._begin(), seen=seen)
        try:
            answer = run_command(tx, request)
        except AssertionError as error:
            self.ctx.abort(f"A town's assertion failed: {error}")
        if answer.refusal is None:
            await self._follow(tx, request)
        if isinstance(answer.view, GatewayView) and answer.view.is_pending:
            return await self._gateway.finish(request, answer.view)
        return answer

    async def query(self, request: QuestionRequest) -> Answer:
        """Answer a question; nothing is written."""
        seen = await look_first(self._begin(), self.env.CONTAINERS, request.question)
        tx = msgspec.structs.replace(self._begin(), seen=seen)
        facts = NO_LOOP
        if isinstance(request.question, GetTownStatus) and find_town(tx) is not None:
            facts = LoopFacts(
                next_alarm_at_ms=await self.ctx.storage.get_alarm(),
                reconciler=self._loop.facts(),
            )
        return run_question(tx, request, facts)

    async def next_changes(self, request: QuestionRequest, wait_ms: int) -> Answer:
        """A page of the feed (the question is ReadFeed), as soon as it has an event to show, and
        an empty one after `wait_ms`. While it waits, the object does everything else."""
        assert isinstance(request.question, ReadFeed), "nothing else can be waited for"
        tx = self._begin()
        until_ms = tx.now_ms + max(0, min(wait_ms, tx.limits.feed_wait_ms_max))
        while True:
            answer = run_question(self._begin(), request, NO_LOOP)
            is_empty = isinstance(answer.view, FeedPageView) and not answer.view.events
            if not is_empty or self.env.CLOCK.now_ms() >= until_ms:
                return answer
            try:
                await self._followers.wait_change(
                    until_ms, followers_max=tx.limits.feed_followers_max
                )
            except BoomtownError as error:
                return Answer(refusal=error.refusal())

    async def alarm(self, info: AlarmInfo) -> None:
        """One tick of the loop."""
        await self._loop.run_alarm()

    async def _look(self, command: Command) -> Seen:
        if isinstance(command, ClaimPr):
            pull = await look_at_request(self._begin(), self.env.FORGES, command)
            return Seen(pull_request=pull)
        return await look_first(self._begin(), self.env.CONTAINERS, command)

    async def _follow(self, tx: TownTransaction, request: CommandRequest) -> None:
        if isinstance(request.command, DestroyTown):
            await self.ctx.storage.delete_all()
            self._memory.forget()
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
            forges=self.env.FORGE_ACCESS,
            feed=self._speaker,
            memory=self._memory,
        )

    def _create_schema(self) -> None:
        tx = self._begin()
        if "town" not in list_tables(tx):
            tx.in_savepoint(lambda: tx.run(_SCHEMA))
            self._speaker.forget()
        install_feed(tx)
