"""Owners, their keys, and what is an owner's: towns, rigs, events."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.questions import GetRig, ListEvents
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound
from boomtown.http.bodies import KeyBody, NameBody, RigBody
from boomtown.http.calls import Call, invalid_body
from boomtown.http.owner_calls import (
    OwnerStub,
    facts_of,
    may_be_registered,
    owner_stub,
    view_of,
)
from boomtown.http.query_parameters import find_count, find_instant_ms, page_size
from boomtown.http.services import LOCAL_OWNER
from boomtown.ids import TownId, is_id
from boomtown.wire import iso_from_ms


def _owner(call: Call) -> OwnerStub:
    """The caller's own: authorization saw to it that the path's is no other."""
    return owner_stub(call.services.host, call.caller.user_id)


def _is_forced(call: Call) -> bool:
    return call.request.query.get("force") == "true"


async def create_town(call: Call) -> object:
    body = await call.body(NameBody)
    return view_of(await _owner(call).create_town(body.name, call.idempotency_key()))


async def list_towns(call: Call) -> object:
    return view_of(await _owner(call).list_towns())


async def get_town(call: Call) -> object:
    return view_of(await _owner(call).get_town(call.town_id))


async def rename_town(call: Call) -> object:
    body = await call.body(NameBody)
    return view_of(await _owner(call).rename_town(call.town_id, body.name))


async def delete_town(call: Call) -> object:
    return view_of(await _owner(call).delete_town(call.town_id, _is_forced(call)))


async def list_town_events(call: Call) -> object:
    query = call.request.query
    return await call.query(
        ListEvents(
            since_ms=find_instant_ms(query, "since"),
            after=find_count(query, "after"),
            limit=page_size(query),
        )
    )


async def create_rig(call: Call) -> object:
    """The address is judged before anything is written; whether it can be reached, the first
    clone says (decisions 44)."""
    body = await call.body(RigBody)
    allow_local = call.services.settings.allow_local_git
    git_url = validate_git_url(body.git_url, allow_local=allow_local)
    branch = validate_branch(body.default_branch)
    if not is_id(body.town_id):
        raise NotFound(ErrorCode.TOWN_NOT_FOUND)
    answer = await _owner(call).register_rig(
        body.town_id, body.name, git_url, branch, body.config, call.idempotency_key()
    )
    return view_of(answer)


async def list_rigs(call: Call) -> object:
    return view_of(await _owner(call).list_rigs(call.town_id))


async def get_rig(call: Call) -> object:
    found = facts_of(await _owner(call).find_rig_town(call.rig_id))
    return await call.query(GetRig(rig_id=call.rig_id), town_id=TownId(found["town_id"]))


async def delete_rig(call: Call) -> object:
    return view_of(await _owner(call).delete_rig(call.rig_id, _is_forced(call)))


async def create_owner(call: Call) -> object:
    """The same name again is answered in the same way: nothing to repeat, and no key to keep."""
    body = await call.body(NameBody)
    if not may_be_registered(body.name):
        raise invalid_body("name", "must be of 1 to 64 lower-case letters, digits and hyphens")
    if call.caller.user_id != LOCAL_OWNER:
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, "Only the owner `local` makes others")
    registry = owner_stub(call.services.host, LOCAL_OWNER)
    return _owner_payload(facts_of(await registry.register_owner(body.name)))


async def list_owners(call: Call) -> object:
    """All of them to `local`, and themselves to the others."""
    registry = owner_stub(call.services.host, LOCAL_OWNER)
    owners = facts_of(await registry.list_owners())["owners"]
    own = call.caller.user_id
    return [_owner_payload(owner) for owner in owners if own in (LOCAL_OWNER, owner["name"])]


async def make_key(call: Call) -> object:
    """The only time that the key's text is shown."""
    body = await call.body(KeyBody)
    owner = owner_stub(call.services.host, call.path["owner"])
    return _key_payload(facts_of(await owner.make_key(body.scope)))


async def list_keys(call: Call) -> object:
    owner = owner_stub(call.services.host, call.path["owner"])
    return [_key_payload(key) for key in facts_of(await owner.list_keys())["keys"]]


async def delete_key(call: Call) -> object:
    """Forgotten after it is revoked: a request in between may have had it verified again."""
    key_id = call.path["key"]
    owner = owner_stub(call.services.host, call.path["owner"])
    deleted = view_of(await owner.delete_key(key_id))
    call.keys.forget(key_id)
    return deleted


def _owner_payload(owner: dict[str, Any]) -> dict[str, Any]:
    return owner | {"created_at": iso_from_ms(owner["created_at"])}


def _key_payload(key: dict[str, Any]) -> dict[str, Any]:
    return key | {"created_at": iso_from_ms(key["created_at"])}
