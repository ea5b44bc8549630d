"""What the front asks of Owner objects: which towns and rigs are whose, and whose keys are good."""

from __future__ import annotations

import re
from typing import Any, Protocol

from boomtown.actors.town.model import RigConfig
from boomtown.actors.town.views import Answer, FactsView, View
from boomtown.errors import error_from_refusal
from boomtown.http.services import OWNER_CLASS, ObjectHost
from boomtown.ids import RigId, TownId

# What POST /api/owners registers.
_REGISTERED_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
# What a path or a key may name at all: with --no-auth a user may be called as old clients do.
# Names stand in paths and in keys: no separator of either.
_OWNER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@+-]{0,63}")


class OwnerStub(Protocol):
    """An Owner object, from outside (boomtown.actors.town.owner says what each answers)."""

    async def create_town(self, name: str, idempotency_key: str | None, /) -> Answer: ...

    async def list_towns(self) -> Answer: ...

    async def get_town(self, town_id: TownId, /) -> Answer: ...

    async def rename_town(self, town_id: TownId, name: str, /) -> Answer: ...

    async def delete_town(self, town_id: TownId, force: bool, /) -> Answer: ...

    async def register_rig(
        self,
        town_id: TownId,
        name: str,
        git_url: str,
        default_branch: str,
        config: RigConfig,
        idempotency_key: str | None,
        /,
    ) -> Answer: ...

    async def delete_rig(self, rig_id: RigId, force: bool, /) -> Answer: ...

    async def find_rig_town(self, rig_id: RigId, /) -> Answer: ...

    async def list_rigs(self, town_id: TownId, /) -> Answer: ...

    async def make_key(self, scope: str, /) -> Answer: ...

    async def verify_key(self, key: str, /) -> Answer: ...

    async def list_keys(self) -> Answer: ...

    async def delete_key(self, key_id: str, /) -> Answer: ...

    async def register_owner(self, name: str, /) -> Answer: ...

    async def find_owner(self, name: str, /) -> Answer: ...

    async def list_owners(self) -> Answer: ...

    async def find_town_owner(self, town_id: TownId, /) -> Answer: ...


def owner_stub(host: ObjectHost, name: str) -> OwnerStub:
    """The Owner object of that name. Calling one makes its file: the name is a registered one."""
    stub: OwnerStub = host.namespace(OWNER_CLASS).get_by_name(name)
    return stub


def view_of(answer: Answer) -> View:
    """What an object answered; raises its refusal."""
    if answer.refusal is not None:
        raise error_from_refusal(answer.refusal)
    assert answer.view is not None, "an answer is a view or a refusal"
    return answer.view


def facts_of(answer: Answer) -> dict[str, Any]:
    """The facts of an answer that is nothing but facts."""
    view = view_of(answer)
    assert isinstance(view, FactsView)
    return view.facts


def may_be_registered(name: str) -> bool:
    """Whether an owner may be made of that name."""
    return _REGISTERED_NAME.fullmatch(name) is not None


def is_owner_name(text: str) -> bool:
    """Whether a path or a key may name an owner so."""
    return _OWNER_NAME.fullmatch(text) is not None
