"""The owner of towns: one durable object per owner, named as the owner is (decisions 41).

Theory of operation. It holds which towns are the owner's, which town a rig is in, and the hashes
of the owner's keys; everything else about a town is the town's. What it makes elsewhere it writes
down first: a row in state `creating`, then the call, then `ready`. Both calls (InitTown,
CreateRig) are idempotent, so a crash between two steps is mended by repeating the call, which any
later look at the towns does. A deletion is the mirror: `deleting`, then the call, then no row.

Every public method answers an `Answer`; nothing of another owner's ever shows. Between the awaits
other calls come in: each step is decided on the rows anew. The town's own rule that a rig's name
is unique is asked before the row counts, and a refusal takes the row back.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from boomtown.actors import DurableObject, DurableObjectState, Env
from boomtown.actors.town.commands import (
    Caller,
    CallerKind,
    Command,
    CommandRequest,
    CreateRig,
    DeleteRig,
    DestroyTown,
    InitTown,
    RenameTown,
)
from boomtown.actors.town.owner_keys import KeyScope, find_key, list_keys, make_key, revoke_key
from boomtown.actors.town.owner_rows import (
    RIGS,
    TOWNS,
    RigRow,
    RowState,
    TownRow,
    find_requested_town,
    find_rig_row,
    get_rig_row,
    get_town_row,
    list_town_rows,
)
from boomtown.actors.town.questions import GetTown, ListRigs, Question, QuestionRequest
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import (
    Answer,
    FactsView,
    ListView,
    NothingView,
    TownView,
    View,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import (
    AccessDenied,
    BoomtownError,
    Conflict,
    InvalidRequest,
    Issue,
    NotFound,
)
from boomtown.ids import RigId, TownId

_HAS_SCHEMA = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'towns'"
_SCHEMA = resources.files("boomtown.actors.town").joinpath("owner_schema.sql").read_text("utf-8")


class Owner(DurableObject):
    """`env` brings TOWN (the namespace of towns), CONTAINERS, CLOCK, ENTROPY, SECRETS,
    TOWN_LIMITS and TOWN_DEFAULTS."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        tx = self._begin()
        row = tx.find_row(_HAS_SCHEMA)
        if row is None or row[0] == 0:
            tx.in_savepoint(lambda: tx.run(_SCHEMA))

    # Towns.

    async def create_town(self, name: str, idempotency_key: str | None) -> Answer:
        """A TownView. The same key again answers the same town."""
        tx = self._begin()
        row = find_requested_town(tx, idempotency_key)
        if row is None:
            row = TownRow(
                town_id=TownId(tx.new_id()),
                name=name,
                state=RowState.CREATING,
                request_key=idempotency_key,
                created_at_ms=tx.now_ms,
                updated_at_ms=tx.now_ms,
            )
            TOWNS.insert(tx, row)
        elif row.name != name:
            return Answer(refusal=Conflict(ErrorCode.IDEMPOTENCY_MISMATCH).refusal())
        return await self._finish_creation(row)

    async def list_towns(self) -> Answer:
        """A ListView of TownViews, oldest first; what a crash left half made is made now."""
        views: list[TownView] = []
        for row in list_town_rows(self._begin()):
            answer = await self._town_answer(row)
            shown = answer.view if isinstance(answer.view, TownView) else self._shown(row)
            views.append(shown)
        return Answer(view=ListView(items=tuple(views)))

    async def get_town(self, town_id: TownId) -> Answer:
        """A TownView; TOWN_NOT_FOUND for another owner's."""
        row = self._find_town(town_id)
        return row if isinstance(row, Answer) else await self._town_answer(row)

    async def rename_town(self, town_id: TownId, name: str) -> Answer:
        """The town's own row first: it is what is shown."""
        row = self._find_town(town_id)
        if isinstance(row, Answer):
            return row
        answer = await self._command(town_id, RenameTown(name=name))
        if answer.refusal is None:
            TOWNS.update(self._begin(), town_id, {"name": name})
        return answer

    async def delete_town(self, town_id: TownId, force: bool) -> Answer:
        """TOWN_BUSY while sessions live, unless forced. Its container ends with it."""
        row = self._find_town(town_id)
        if isinstance(row, Answer):
            return row
        TOWNS.update(self._begin(), town_id, {"state": RowState.DELETING})
        answer = await self._command(town_id, DestroyTown(force=force))
        is_gone = answer.refusal is None or answer.refusal.code == ErrorCode.TOWN_NOT_FOUND
        if not is_gone:
            TOWNS.update(self._begin(), town_id, {"state": RowState.READY})
            return answer
        await self.env.CONTAINERS.stop_container(
            town_id, timeout_ms=self.env.TOWN_LIMITS.stop_timeout_ms
        )
        TOWNS.delete(self._begin(), town_id)
        return Answer(view=NothingView())

    # Rigs.

    async def register_rig(
        self, town_id: TownId, name: str, git_url: str, default_branch: str
    ) -> Answer:
        """A RigView; RIG_ALREADY_REGISTERED for a name that the town has."""
        town = self._find_town(town_id)
        if isinstance(town, Answer):
            return town
        tx = self._begin()
        row = find_rig_row(tx, town_id, name)
        if row is None:
            row = RigRow(
                rig_id=RigId(tx.new_id()),
                town_id=town_id,
                name=name,
                state=RowState.CREATING,
                created_at_ms=tx.now_ms,
            )
            RIGS.insert(tx, row)
        elif row.state == RowState.READY:
            taken = Conflict(ErrorCode.RIG_ALREADY_REGISTERED, details={"name": name})
            return Answer(refusal=taken.refusal())
        answer = await self._command(
            town_id,
            CreateRig(rig_id=row.rig_id, name=name, git_url=git_url, default_branch=default_branch),
        )
        if answer.refusal is None:
            RIGS.update(self._begin(), row.rig_id, {"state": RowState.READY})
        else:
            RIGS.delete(self._begin(), row.rig_id)
        return answer

    async def delete_rig(self, rig_id: RigId, force: bool) -> Answer:
        """RIG_BUSY while something of it lives, unless forced."""
        found = await self.find_rig_town(rig_id)
        if not isinstance(found.view, FactsView):
            return found
        town_id = TownId(found.view.facts["town_id"])
        answer = await self._command(town_id, DeleteRig(rig_id=rig_id, force=force))
        if answer.refusal is None or answer.refusal.code == ErrorCode.RIG_NOT_FOUND:
            RIGS.delete(self._begin(), rig_id)
            return Answer(view=NothingView())
        return answer

    async def find_rig_town(self, rig_id: RigId) -> Answer:
        """FactsView {town_id}; RIG_NOT_FOUND for another owner's."""

        def find() -> View:
            return FactsView(facts={"town_id": get_rig_row(self._begin(), rig_id).town_id})

        return _answered(find)

    async def list_rigs(self, town_id: TownId) -> Answer:
        """A ListView of the town's RigViews."""
        row = self._find_town(town_id)
        return row if isinstance(row, Answer) else await self._ask(town_id, ListRigs())

    # Keys.

    async def make_key(self, scope: str) -> Answer:
        """FactsView {id, key, scope, created_at}; the only time that the key is shown."""

        def make() -> View:
            row, text = make_key(
                self._begin(), owner=self._name, scope=_scope(scope), secrets=self.env.SECRETS
            )
            return FactsView(
                facts={
                    "id": row.key_id,
                    "key": text,
                    "scope": row.scope,
                    "created_at": row.created_at_ms,
                }
            )

        return _answered(make)

    async def verify_key(self, key: str) -> Answer:
        """FactsView {id, scope} of a key that holds; else UNAUTHENTICATED."""

        def verify() -> View:
            found = find_key(self._begin(), key)
            if found is None:
                raise AccessDenied(ErrorCode.UNAUTHENTICATED)
            return FactsView(facts={"id": found[0], "scope": found[1]})

        return _answered(verify)

    async def list_keys(self) -> Answer:
        """FactsView {keys: [{id, scope, created_at}]}, oldest first."""
        keys = [
            {"id": row.key_id, "scope": row.scope, "created_at": row.created_at_ms}
            for row in list_keys(self._begin())
        ]
        return Answer(view=FactsView(facts={"keys": keys}))

    async def delete_key(self, key_id: str) -> Answer:
        """Revoked from now on; KEY_NOT_FOUND for one that is not there."""

        def revoke() -> View:
            if not revoke_key(self._begin(), key_id):
                raise NotFound(ErrorCode.KEY_NOT_FOUND)
            return NothingView()

        return _answered(revoke)

    # What these are made of.

    @property
    def _name(self) -> str:
        name = self.ctx.id.name
        assert name is not None, "an owner is addressed by its name"
        return name

    async def _finish_creation(self, row: TownRow) -> Answer:
        answer = await self._command(
            row.town_id,
            InitTown(
                town_id=row.town_id,
                name=row.name,
                owner_user_id=self._name,
                config=self.env.TOWN_DEFAULTS,
            ),
        )
        if answer.refusal is None:
            TOWNS.update(self._begin(), row.town_id, {"state": RowState.READY})
        return answer

    async def _town_answer(self, row: TownRow) -> Answer:
        if row.state == RowState.CREATING:
            return await self._finish_creation(row)
        return await self._ask(row.town_id, GetTown())

    def _find_town(self, town_id: TownId) -> TownRow | Answer:
        try:
            return get_town_row(self._begin(), town_id)
        except NotFound as error:
            return Answer(refusal=error.refusal())

    def _shown(self, row: TownRow) -> TownView:
        return TownView(
            id=row.town_id,
            name=row.name,
            owner_user_id=self._name,
            created_at=row.created_at_ms,
            updated_at=row.updated_at_ms,
            paused=False,
        )

    async def _command(self, town_id: TownId, command: Command) -> Answer:
        request = CommandRequest(command=command, caller=self._caller())
        answer: Answer = await self.env.TOWN.get_by_name(town_id).execute(request)
        return answer

    async def _ask(self, town_id: TownId, question: Question) -> Answer:
        request = QuestionRequest(question=question, caller=self._caller())
        answer: Answer = await self.env.TOWN.get_by_name(town_id).query(request)
        return answer

    def _caller(self) -> Caller:
        return Caller(kind=CallerKind.SYSTEM, user_id=self._name)

    def _begin(self) -> TownTransaction:
        return TownTransaction(
            sql=self.ctx.storage.sql,
            nested=self.ctx.storage.transaction_sync,
            now_ms=self.env.CLOCK.now_ms(),
            entropy=self.env.ENTROPY,
            limits=self.env.TOWN_LIMITS,
        )


def _answered(work: Callable[[], View]) -> Answer:
    try:
        return Answer(view=work())
    except BoomtownError as error:
        return Answer(refusal=error.refusal())


def _scope(text: str) -> KeyScope:
    try:
        return KeyScope(text)
    except ValueError:
        issue = Issue("scope", "One of read, operate, admin")
        raise InvalidRequest(ErrorCode.INVALID_BODY, issues=(issue,)) from None
