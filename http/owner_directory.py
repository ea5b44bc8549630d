"""Which owners and towns there are, as far as the front must know before it calls one.

An object's first call makes its file, so nothing that a request merely names is called before the
owner `local`, which keeps the registry, has said that it exists. What was found is remembered for
as long as the process lives, within bounds: owners are never removed, and a town that is deleted
meanwhile answers for itself. What was not found is never remembered. Tokens need no such question:
we signed them, for towns that were.
"""

from __future__ import annotations

from typing import TypeVar

from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.http.owner_calls import OwnerStub, facts_of, owner_stub, view_of
from boomtown.http.services import LOCAL_OWNER, ObjectHost
from boomtown.ids import TownId
from boomtown.limits import HttpLimits

Name = TypeVar("Name")
Fact = TypeVar("Fact")


class OwnerDirectory:
    """Asked by authorization and by the check of keys."""

    def __init__(self, host: ObjectHost, limits: HttpLimits) -> None:
        self._host = host
        self._kept_max = limits.known_names_kept_max
        self._owners: dict[str, None] = {LOCAL_OWNER: None}
        self._owner_of_town: dict[TownId, str] = {}

    async def check_owner(self, name: str) -> None:
        """Raises NotFound(USER_NOT_FOUND)."""
        if name not in self._owners:
            view_of(await self._registry().find_owner(name))
            _remember(self._owners, name, None, self._kept_max)

    async def ensure_owner(self, name: str) -> None:
        """Register a name at its first use (decisions 41: without keys it may be any)."""
        if name not in self._owners:
            view_of(await self._registry().register_owner(name))
            _remember(self._owners, name, None, self._kept_max)

    async def get_owner_of(self, town_id: TownId) -> str:
        """Whose the town is. Raises NotFound(TOWN_NOT_FOUND)."""
        owner = self._owner_of_town.get(town_id)
        if owner is None:
            owner = str(facts_of(await self._registry().find_town_owner(town_id))["owner"])
            _remember(self._owner_of_town, town_id, owner, self._kept_max)
        return owner

    async def check_town(self, owner: str, town_id: TownId) -> None:
        """Another owner's town answers as if it did not exist (http.md 4)."""
        if await self.get_owner_of(town_id) != owner:
            raise NotFound(ErrorCode.TOWN_NOT_FOUND)

    def _registry(self) -> OwnerStub:
        return owner_stub(self._host, LOCAL_OWNER)


def _remember(known: dict[Name, Fact], name: Name, fact: Fact, kept_max: int) -> None:
    while len(known) >= kept_max:
        del known[next(iter(known))]
    known[name] = fact
