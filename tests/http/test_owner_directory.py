"""The registry is asked before an owner or a town is called, and once for each that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from boomtown.errors import NotFound
from boomtown.http.owner_directory import OwnerDirectory
from boomtown.ids import TownId
from boomtown.limits import HttpLimits
from support.fake_town import AT_ISO, OTHER, TOWN, FakeHost
from support.front_world import SETTINGS, FrontWorld, open_front

KNOWN = TownId(TOWN)
UNKNOWN = TownId(OTHER)


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


def asked(host: FakeHost, method: str) -> int:
    return [call[0] for call in host.owner("local").calls].count(method)


async def test_what_is_there_is_asked_about_once() -> None:
    host = FakeHost()
    directory = OwnerDirectory(host, HttpLimits())
    await directory.ensure_owner("ann")
    for _ in range(2):
        await directory.check_owner("ann")
        assert await directory.get_owner_of(KNOWN) == "local"
    await directory.check_town("local", KNOWN)
    assert asked(host, "find_town_owner") == 1
    assert asked(host, "find_owner") == 1  # by the registration itself


async def test_what_is_not_there_is_asked_about_every_time() -> None:
    host = FakeHost()
    directory = OwnerDirectory(host, HttpLimits())
    for _ in range(2):
        with pytest.raises(NotFound):
            await directory.check_owner("eve")
        with pytest.raises(NotFound):
            await directory.get_owner_of(UNKNOWN)
    with pytest.raises(NotFound):
        await directory.check_town("ann", KNOWN)
    assert (asked(host, "find_owner"), asked(host, "find_town_owner")) == (2, 3)
    assert list(host.namespaces["Owner"].objects) == ["local"]
    assert host.namespaces["Town"].objects == {}


async def test_the_oldest_name_is_forgotten_beyond_the_bound() -> None:
    host = FakeHost()
    directory = OwnerDirectory(host, HttpLimits(known_names_kept_max=2))
    for name in ("ann", "ben", "cid"):
        await directory.ensure_owner(name)
    before = asked(host, "find_owner")
    await directory.check_owner("cid")
    assert asked(host, "find_owner") == before
    await directory.check_owner("ann")
    assert asked(host, "find_owner") == before + 1


async def test_owners_are_made_and_listed(front: FrontWorld) -> None:
    key = front.operator_key()
    for _ in range(2):
        made = await front.call("POST", "/api/owners", {"name": "ann-2"}, credential=key)
        assert (made.status, made.data) == (201, {"name": "ann-2", "created_at": AT_ISO})
    listed = await front.call("GET", "/api/owners", credential=key)
    assert [owner["name"] for owner in listed.data] == ["local", "ann-2"]


@pytest.mark.parametrize(
    "name", ["", "Ann", "a.b", "-a", "a/b", "a_b", "é", "a" * 65, "a\n", 5, None]
)
async def test_a_bad_name_is_no_owner(front: FrontWorld, name: object) -> None:
    reply = await front.call("POST", "/api/owners", {"name": name}, credential=front.operator_key())
    assert (reply.status, reply.code) == (400, "INVALID_BODY")
    assert [issue["path"] for issue in reply.json["issues"]] == ["name"]
    assert list(front.fakes.owner("local").owners) == ["local"]


async def test_other_owners_make_none_and_see_themselves(front: FrontWorld) -> None:
    key = front.operator_key(owner="eve")
    made = await front.call("POST", "/api/owners", {"name": "ann"}, credential=key)
    assert (made.status, made.code) == (403, "FORBIDDEN_SCOPE")
    listed = await front.call("GET", "/api/owners", credential=key)
    assert [owner["name"] for owner in listed.data] == ["eve"]
    weak = front.operator_key("operate")
    refused = await front.call("POST", "/api/owners", {"name": "ann"}, credential=weak)
    assert (refused.status, refused.code) == (403, "FORBIDDEN_SCOPE")


async def test_a_key_of_an_unknown_owner_makes_no_owner(front: FrontWorld) -> None:
    reply = await front.call("GET", "/api/owners", credential="boomtown.eve.secret")
    assert (reply.status, reply.code) == (401, "UNAUTHENTICATED")
    assert "eve" not in front.fakes.namespaces["Owner"].objects


async def test_without_keys_a_user_is_registered_at_the_first_use() -> None:
    async with open_front(settings=msgspec.structs.replace(SETTINGS, no_auth=True)) as front:
        assert (await front.call("GET", "/api/users/Ann@x/towns")).status == 200
        assert list(front.fakes.owner("local").owners) == ["local", "Ann@x"]
        for path, code in (
            ("/api/owners/eve/keys", "USER_NOT_FOUND"),
            (f"/api/users/Ann@x/towns/{TOWN}/events", "TOWN_NOT_FOUND"),
            (f"/api/users/local/towns/{OTHER}/events", "TOWN_NOT_FOUND"),
        ):
            reply = await front.call("GET", path)
            assert (reply.status, reply.code) == (404, code)
        assert front.fakes.town.questions == []
        assert "eve" not in front.fakes.namespaces["Owner"].objects
