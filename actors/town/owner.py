"""The owner of towns: one durable object per owner, named as the owner is (decisions 41).

Theory of operation. It holds which towns are the owner's, which town a rig is in, and the hashes
of the owner's keys; everything else about a town is the town's. What it makes elsewhere it writes
down first: a row in state `creating`, then the call, then `ready`. Both calls (InitTown,
CreateRig) are idempotent, so a crash between two steps is mended by repeating the call, which any
later look at the towns does. A deletion is the mirror: `deleting`, then the call, then no row.
A creation with an idempotency key is noted with its row (owner_requests.py).

The owner `local` also keeps the registry: who the owners are, and whose a town is that is not its
own (owner_registry.py). The others tell it of their towns, on the way to making and deleting
them; nobody calls an Owner or a Town that it does not know.

Every public method answers an `Answer`; nothing of another owner's ever shows. Between the awaits
other calls come in: each step is decided on the rows anew. The town's own rule that a rig's name
is unique is asked before the row counts, and a refusal takes the row back.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

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
from boomtown.actors.town.config_rules import patched_rig_config
from boomtown.actors.town.model import RigConfig
from boomtown.actors.town.owner_keys import KeyScope, find_key, list_keys, make_key, revoke_key
from boomtown.actors.town.owner_registry import (
    LOCAL_OWNER,
    OwnerRow,
    find_owner,
    find_town_owner,
    index_town,
    list_owners,
    register_owner,
    unindex_town,
)
from boomtown.actors.town.owner_requests import Creation, begin, end, find_begun
from boomtown.actors.town.owner_rows import (
    RIGS,
    TOWNS,
    RigRow,
    RowState,
    TownRow,
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

# The newest table of the schema: where it is missing, some are.
_HAS_SCHEMA = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'towns_of_others'"
_SCHEMA = resources.files("boomtown.actors.town").joinpath("owner_schema.sql").read_text("utf-8")


class Owner(DurableObject):
    """`env` brings TOWN (the namespace of towns), CONTAINERS, CLOCK, ENTROPY, SECRETS,
    TOWN_LIMITS and TOWN_DEFAULTS."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        tx = self._begin()
        row = tx.find_row(_HAS_SCHEMA)
        if row is None or row[0] == 0:
            tx.in_savepoint(lambda: self._create_schema(tx))

    # Towns.

    async def create_town(self, name: str, idempotency_key: str | None) -> Answer:
        """A TownView. The same key again answers the same; with another name it is
        IDEMPOTENCY_MISMATCH."""
        tx = self._begin()
        creation = Creation(request_key=idempotency_key, kind="town", body=(name,))
        try:
            begun = find_begun(tx, creation)
        except Conflict as error:
            return Answer(refusal=error.refusal())
        if begun is not None and begun.answer is not None:
            return begun.answer
        row = None if begun is None else TOWNS.find(tx, begun.made_id)
        if row is None:
            row = TownRow(
                town_id=TownId(tx.new_id()),
                name=name,
                state=RowState.CREATING,
                created_at_ms=tx.now_ms,
                updated_at_ms=tx.now_ms,
            )
            TOWNS.insert(tx, row)
            begin(tx, creation, row.town_id)
        answer = await self._finish_creation(row)
        end(self._begin(), creation, row.town_id, answer)
        return answer

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
        if self._name != LOCAL_OWNER:
            await self._registry().forget_town(town_id)
        return Answer(view=NothingView())

    # Rigs.

    async def register_rig(
        self,
        town_id: TownId,
        name: str,
        git_url: str,
        default_branch: str,
        config: RigConfig,
        idempotency_key: str | None,
    ) -> Answer:
        """A RigView; RIG_ALREADY_REGISTERED for a name that the town has, INVALID_BODY for a
        setting out of its bounds. The key as in create_town."""
        town = self._find_town(town_id)
        if isinstance(town, Answer):
            return town
        tx = self._begin()
        creation = Creation(
            request_key=idempotency_key,
            kind="rig",
            body=(town_id, name, git_url, default_branch, config),
        )
        try:
            begun = find_begun(tx, creation)
            if begun is not None and begun.answer is not None:
                return begun.answer
            config = patched_rig_config(config, {}, limits=tx.limits)
            row = self._begin_rig(tx, town_id, name, None if begun is None else begun.made_id)
        except BoomtownError as error:
            return Answer(refusal=error.refusal())
        if begun is None or begun.made_id != row.rig_id:
            begin(tx, creation, row.rig_id)
        answer = await self._command(
            town_id,
            CreateRig(
                rig_id=row.rig_id,
                name=name,
                git_url=git_url,
                default_branch=default_branch,
                config=config,
            ),
        )
        tx = self._begin()
        if answer.refusal is None:
            RIGS.update(tx, row.rig_id, {"state": RowState.READY})
        else:
            RIGS.delete(tx, row.rig_id)
        end(tx, creation, row.rig_id, answer)
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

    # The registry: of `local` alone.

    async def register_owner(self, name: str) -> Answer:
        """FactsView {name, created_at}; the same again changes nothing. The caller has judged
        the name."""
        assert self._name == LOCAL_OWNER, "one owner keeps the registry"
        return Answer(view=FactsView(facts=_owner_facts(register_owner(self._begin(), name))))

    async def find_owner(self, name: str) -> Answer:
        """FactsView {name, created_at}; USER_NOT_FOUND for one that was never registered."""

        def find() -> View:
            row = find_owner(self._begin(), name)
            if row is None:
                raise NotFound(ErrorCode.USER_NOT_FOUND)
            return FactsView(facts=_owner_facts(row))

        return _answered(find)

    async def list_owners(self) -> Answer:
        """FactsView {owners: [{name, created_at}]}, by name."""
        owners = [_owner_facts(row) for row in list_owners(self._begin())]
        return Answer(view=FactsView(facts={"owners": owners}))

    async def find_town_owner(self, town_id: TownId) -> Answer:
        """FactsView {owner}; TOWN_NOT_FOUND for a town that nobody has."""

        def find() -> View:
            owner = find_town_owner(self._begin(), town_id)
            if owner is None:
                raise NotFound(ErrorCode.TOWN_NOT_FOUND)
            return FactsView(facts={"owner": owner})

        return _answered(find)

    async def note_town(self, town_id: TownId, owner: str) -> None:
        """Called by the other owner, before the town is made."""
        assert self._name == LOCAL_OWNER, "one owner keeps the registry"
        index_town(self._begin(), town_id, owner)

    async def forget_town(self, town_id: TownId) -> None:
        """Called by the other owner, after the town is gone."""
        unindex_town(self._begin(), town_id)

    # What these are made of.

    def _create_schema(self, tx: TownTransaction) -> None:
        tx.run(_SCHEMA)
        if self._name == LOCAL_OWNER:
            register_owner(tx, LOCAL_OWNER)

    def _registry(self) -> Any:
        return self.env.OWNER.get_by_name(LOCAL_OWNER)

    @property
    def _name(self) -> str:
        name = self.ctx.id.name
        assert name is not None, "an owner is addressed by its name"
        return name

    def _begin_rig(
        self, tx: TownTransaction, town_id: TownId, name: str, begun_id: str | None
    ) -> RigRow:
        """The row of a rig that is to be made; one that a crash left half made is taken up."""
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
        elif row.state == RowState.READY and row.rig_id != begun_id:
            raise Conflict(ErrorCode.RIG_ALREADY_REGISTERED, details={"name": name})
        return row

    async def _finish_creation(self, row: TownRow) -> Answer:
        if self._name != LOCAL_OWNER:
            await self._registry().note_town(row.town_id, self._name)
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
            templates={},
        )


def _owner_facts(row: OwnerRow) -> dict[str, Any]:
    return {"name": row.name, "created_at": row.created_at_ms}


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
