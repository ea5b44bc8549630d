"""Operators' keys: from the text to the owner and the scope, by one call of the Owner object.

A key names its owner, so that it can be looked up; the Owner keeps only its hash. What was
verified is remembered for as long as the process lives, by the key's own hash, and forgotten when
the key is deleted: the front is the only way to delete one. Wrong keys are never remembered, and
the oldest memory goes when there are too many.
"""

from __future__ import annotations

import hashlib

import msgspec

from boomtown.actors.town.owner_keys import KeyScope, owner_named_by
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound
from boomtown.http.owner_calls import facts_of, is_owner_name, owner_stub
from boomtown.http.owner_directory import OwnerDirectory
from boomtown.http.principals import Operator
from boomtown.http.services import ObjectHost
from boomtown.limits import HttpLimits


class _Verified(msgspec.Struct, frozen=True):
    key_id: str
    operator: Operator


class OperatorKeys:
    """The keys that were shown to this process."""

    def __init__(self, host: ObjectHost, directory: OwnerDirectory, limits: HttpLimits) -> None:
        self._host = host
        self._directory = directory
        self._kept_max = limits.verified_keys_kept_max
        self._verified: dict[bytes, _Verified] = {}

    async def get_operator(self, key: str) -> Operator:
        """Whose key it is. Raises AccessDenied(UNAUTHENTICATED)."""
        digest = hashlib.sha256(key.encode()).digest()
        known = self._verified.get(digest)
        if known is None:
            known = await self._verify(key)
            while len(self._verified) >= self._kept_max:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = known
        return known.operator

    def find_operator(self, key: str) -> Operator | None:
        """Whose key it is, where that was verified before."""
        known = self._verified.get(hashlib.sha256(key.encode()).digest())
        return None if known is None else known.operator

    def forget(self, key_id: str) -> None:
        """A key was deleted."""
        self._verified = {
            digest: known for digest, known in self._verified.items() if known.key_id != key_id
        }

    async def _verify(self, key: str) -> _Verified:
        owner = owner_named_by(key)
        if owner is None or not is_owner_name(owner):
            raise AccessDenied(ErrorCode.UNAUTHENTICATED)
        try:
            await self._directory.check_owner(owner)
        except NotFound as error:
            raise AccessDenied(ErrorCode.UNAUTHENTICATED) from error
        found = facts_of(await owner_stub(self._host, owner).verify_key(key))
        return _Verified(found["id"], Operator(owner=owner, scope=KeyScope(found["scope"])))
