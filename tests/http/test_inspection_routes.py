"""Looking into the objects of a real host over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from boomtown.actors import Durability, DurableObject, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.wire import iso_from_ms
from support.front_world import SETTINGS, FrontWorld, open_front

OPEN = msgspec.structs.replace(SETTINGS, no_auth=True)


class Shelf(DurableObject):
    """Stores things in every way."""

    async def fill(self, count: int) -> None:
        for number in range(count):
            await self.ctx.storage.put(f"key {number:03}", number)
        self.ctx.storage.sql.exec("CREATE TABLE book (title TEXT, cover BLOB)")
        self.ctx.storage.sql.exec("INSERT INTO book VALUES ('Emma', x'01ff'), ('Ulysses', NULL)")

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        """Never due here."""


class World:
    def __init__(self, host: Host, clock: ManualClock, front: FrontWorld) -> None:
        self.host = host
        self.clock = clock
        self.front = front
        self.shelf = host.namespace("Shelf").get_by_name("a b")
        self.id = str(self.shelf.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    host = Host(
        classes={"Shelf": Shelf},
        data_dir=tmp_path,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        durability=Durability.PROCESS,
    )
    async with host, open_front(host=host, clock=clock, settings=OPEN) as front:
        yield World(host, clock, front)


async def test_objects_are_listed_without_waking_them(world: World) -> None:
    await world.shelf.fill(1)
    await world.host.evict("Shelf", world.id)
    live = world.host.namespace("Shelf").get_by_name("z")
    await live.fill(1)
    rows = {
        world.id: {"class": "Shelf", "id": world.id, "name": None, "is_live": False},
        str(live.id): {"class": "Shelf", "id": str(live.id), "name": "z", "is_live": True},
    }
    listed = (await world.front.call("GET", "/api/objects")).data
    assert listed == [rows[object_id] for object_id in sorted(rows)]
    assert (await world.front.call("GET", "/api/objects?class=Shelf&offset=1")).data == listed[1:]
    assert (await world.front.call("GET", "/api/objects?class=Nonsense")).data == []
    assert world.host.statistics().live_objects == 1


async def test_an_object_tells_what_it_holds_by_name_and_by_id(world: World) -> None:
    await world.shelf.fill(101)
    at_ms = world.clock.now_ms() + 60_000
    await world.shelf.arm(at_ms)
    await world.host.evict("Shelf", world.id)
    told = (await world.front.call("GET", "/api/objects/Shelf/a%20b")).data
    assert told.pop("database_bytes") > 0
    assert told.pop("keys") == [f"key {number:03}" for number in range(100)]
    assert told == {
        "class": "Shelf",
        "id": world.id,
        "name": "a b",
        "was_live": False,
        "web_sockets": 0,
        "tables": ["book"],
        "has_more_keys": True,
        "alarm_at": iso_from_ms(at_ms),
    }
    again = (await world.front.call("GET", f"/api/objects/Shelf/{world.id}")).data
    assert again["was_live"]


@pytest.mark.parametrize("path", ["Shelf/nobody", "Nonsense/a", f"Shelf/{'ab' * 32}"])
async def test_looking_makes_no_object(world: World, path: str) -> None:
    reply = await world.front.call("GET", f"/api/objects/{path}")
    assert (reply.status, reply.code) == (404, "OBJECT_NOT_FOUND")
    reply = await world.front.call("POST", f"/api/objects/{path}/sql", {"query": "SELECT 1"})
    assert (reply.status, reply.code) == (404, "OBJECT_NOT_FOUND")
    assert (await world.front.call("GET", "/api/objects")).data == []


async def test_a_query_reads_and_writes_only_where_it_says_so(world: World) -> None:
    await world.shelf.fill(1)
    path = "/api/objects/Shelf/a%20b/sql"
    read = {"query": "SELECT title, cover FROM book WHERE title > ?", "bindings": ["E"]}
    assert (await world.front.call("POST", path, read)).data == {
        "columns": ["title", "cover"],
        "rows": [["Emma", "Af8="], ["Ulysses", None]],
        "rows_written": 0,
        "has_more_rows": False,
    }
    short = (await world.front.call("POST", f"{path}?limit=1", read)).data
    assert (len(short["rows"]), short["has_more_rows"]) == (1, True)
    for statement in ("DELETE FROM book", "WITH x AS (SELECT 1) INSERT INTO book SELECT 1, 2"):
        refused = await world.front.call("POST", path, {"query": statement})
        assert (refused.status, refused.code) == (400, "INVALID_BODY")
        assert "may only read" in refused.json["error"]
    wrote = {"query": "DELETE FROM book WHERE title = 'Emma'", "write": True}
    assert (await world.front.call("POST", path, wrote)).data["rows_written"] == 1
    assert len((await world.front.call("POST", path, read)).data["rows"]) == 1
    hidden = await world.front.call("POST", path, {"query": "SELECT * FROM _cf_KV"})
    assert (hidden.status, hidden.code) == (400, "INVALID_BODY")


async def test_alarms_are_listed_with_the_names_of_their_objects(world: World) -> None:
    at_ms = world.clock.now_ms() + 60_000
    await world.host.namespace("Shelf").get_by_name("late").arm(at_ms + 1)
    await world.shelf.arm(at_ms)
    listed = (await world.front.call("GET", "/api/alarms")).data
    assert [row["name"] for row in listed] == ["a b", "late"]
    assert listed[0] == {
        "class": "Shelf",
        "id": world.id,
        "name": "a b",
        "scheduled_at": iso_from_ms(at_ms),
    }
    assert (await world.front.call("GET", "/api/alarms?offset=1&limit=1")).data == listed[1:]


@pytest.mark.parametrize("path", ["/api/objects", "/api/alarms", "/api/objects/Counter/c1"])
async def test_only_the_admin_of_this_server_looks(path: str) -> None:
    async with open_front() as front:
        for key in (front.operator_key("operate"), front.operator_key("admin", owner="ann")):
            reply = await front.call("GET", path, credential=key)
            assert (reply.status, reply.code) == (403, "FORBIDDEN_SCOPE")
        reply = await front.call("GET", path, credential=front.operator_key("admin"))
        assert reply.status == 200
