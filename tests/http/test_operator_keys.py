"""Operators' keys, verified once and forgotten when they are deleted."""

from __future__ import annotations

import pytest

from boomtown.errors import AccessDenied
from boomtown.http.operator_keys import OperatorKeys
from boomtown.http.owner_directory import OwnerDirectory
from boomtown.http.principals import is_allowed
from boomtown.limits import HttpLimits
from support.fake_town import AT_ISO, KEY_ID, OTHER, FakeHost, id_of
from support.front_world import open_front


def keys_of(host: FakeHost, limits: HttpLimits) -> OperatorKeys:
    return OperatorKeys(host, OwnerDirectory(host, limits), limits)


def verifications(host: FakeHost) -> int:
    return [call[0] for call in host.owner("local").calls].count("verify_key")


async def test_a_key_is_verified_once() -> None:
    host = FakeHost()
    keys = keys_of(host, HttpLimits())
    key = host.owner("local").add_key("operate")
    first = await keys.get_operator(key)
    assert (first.owner, first.scope) == ("local", "operate")
    assert await keys.get_operator(key) == first
    assert verifications(host) == 1


async def test_wrong_keys_are_asked_about_every_time() -> None:
    host = FakeHost()
    keys = keys_of(host, HttpLimits())
    for _ in range(2):
        with pytest.raises(AccessDenied):
            await keys.get_operator("boomtown.local.wrong")
    assert verifications(host) == 2


async def test_the_oldest_key_is_forgotten_beyond_the_bound() -> None:
    host = FakeHost()
    keys = keys_of(host, HttpLimits(verified_keys_kept_max=2))
    made = [host.owner("local").add_key("read", id_of(number)) for number in range(20, 23)]
    for key in made:
        await keys.get_operator(key)
    await keys.get_operator(made[2])
    assert verifications(host) == 3
    await keys.get_operator(made[0])
    assert verifications(host) == 4


async def test_a_deleted_key_is_refused_at_once() -> None:
    async with open_front() as front:
        admin = front.operator_key()
        doomed = front.fakes.owner("local").add_key("read", OTHER)
        path = "/api/users/local/towns"
        assert (await front.call("GET", path, credential=doomed)).status == 200
        deletion = f"/api/owners/local/keys/{OTHER}"
        assert (await front.call("DELETE", deletion, credential=admin)).status == 204
        refused = await front.call("GET", path, credential=doomed)
        assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
        assert (await front.call("GET", path, credential=admin)).status == 200
        again = await front.call("DELETE", deletion, credential=admin)
        assert (again.status, again.code) == (404, "KEY_NOT_FOUND")


async def test_keys_are_listed_without_their_text() -> None:
    async with open_front() as front:
        reply = await front.call("GET", "/api/owners/local/keys", credential=front.operator_key())
        assert reply.data == [{"id": KEY_ID, "scope": "admin", "created_at": AT_ISO}]
        bad = await front.call(
            "POST", "/api/owners/local/keys", {"scope": "root"}, credential=front.operator_key()
        )
        assert (bad.status, bad.code) == (400, "INVALID_BODY")


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read", ["read"]),
        ("operate", ["read", "operate"]),
        ("admin", ["read", "operate", "admin"]),
    ],
)
def test_each_scope_includes_the_ones_before(scope: str, allowed: list[str]) -> None:
    scopes = ["read", "operate", "admin"]
    assert [
        needed
        for needed in scopes
        if is_allowed(scope, needed=needed)  # type: ignore[arg-type]
    ] == allowed
