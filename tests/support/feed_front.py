"""A front over a real town on a hand-driven clock, and readers of its feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientResponse, ClientWebSocketResponse

from boomtown.actors import Durability, Host
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import TownConfig
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.container_sim.forge.forge_clients import ForgeClients
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.http.tokens import Tokens
from boomtown.limits import HttpLimits, TownLimits
from boomtown.testing import ManualClock
from support.front_world import SETTINGS, SIGNING_KEY, FrontWorld, Reply, open_front
from support.scripted_containers import ScriptedContainers

READ_S_MAX = 20  # only a broken stream reaches it


class Frame(msgspec.Struct, frozen=True):
    """One event of a stream; a heartbeat has an id alone."""

    id: int | None
    event: str | None
    data: Any


class FeedReader:
    """Reads frames of server-sent events."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def frame(self) -> Frame | None:
        """The next one; None at the end."""
        while True:
            try:
                block = await asyncio.wait_for(self.response.content.readuntil(b"\n\n"), READ_S_MAX)
            except asyncio.IncompleteReadError:
                return None
            if not block.strip():
                return None
            fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
            if "retry" in fields:
                continue
            return Frame(
                int(fields["id"]) if "id" in fields else None,
                fields.get("event"),
                msgspec.json.decode(fields["data"]) if "data" in fields else None,
            )

    async def events_until(self, seq: int) -> list[Frame]:
        """What comes up to a number, heartbeats left out."""
        found: list[Frame] = []
        while (frame := await self.frame()) is not None:
            if frame.event is not None:
                found.append(frame)
            if frame.id is not None and frame.id >= seq:
                return found
        raise AssertionError(f"the stream ended before {seq}")


class FeedWorld:
    """One town, spoken to as its operator."""

    def __init__(self, front: FrontWorld, clock: ManualClock, host: Host, key: str) -> None:
        self.front = front
        self.clock = clock
        self.host = host
        self.key = key
        self.town = ""
        self.rig = ""

    async def call(self, method: str, path: str, body: object = None, **more: Any) -> Reply:
        return await self.front.call(method, path, body, credential=self.key, **more)

    async def ok(self, method: str, path: str, body: object = None) -> Any:
        reply = await self.call(method, path, body)
        assert reply.status < 300, reply.content
        return reply.data if reply.content else None

    @property
    def feed(self) -> str:
        return f"/api/towns/{self.town}/feed"

    async def bead(self, title: str = "Fix it") -> str:
        """A bead that the town leaves alone."""
        body = {"title": title, "labels": ["gt:held"]}
        path = f"/api/towns/{self.town}/rigs/{self.rig}/beads"
        made = await self.ok("POST", path, body)
        return str(made["bead_id"])

    async def head(self) -> int:
        return int((await self.ok("GET", self.feed + "?limit=0"))["head"])

    @asynccontextmanager
    async def stream(self, query: str = "", **headers: str) -> AsyncGenerator[FeedReader]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.front.http.get(
            f"{self.front.origin}{self.feed}/stream{query}",
            headers={"Authorization": f"Bearer {self.key}", **named},
        ) as response:
            assert response.status == 200, await response.text()
            yield FeedReader(response)

    async def ticket(self) -> str:
        made = await self.ok("POST", "/api/tickets", {"kind": "feed", "town": self.town})
        return str(made["ticket"])

    @asynccontextmanager
    async def socket(self, query: str = "") -> AsyncGenerator[ClientWebSocketResponse]:
        path = f"{self.feed}/ws?ticket={await self.ticket()}{query}"
        async with self.front.http.ws_connect(self.front.origin + path) as socket:
            yield socket


@asynccontextmanager
async def open_feed_world(
    data_dir: Path, *, http: HttpLimits | None = None, after: FeedWorld | None = None
) -> AsyncGenerator[FeedWorld]:
    """A world with one town and one rig; on the data of `after`, an earlier one, those of it."""
    clock = ManualClock() if after is None else after.clock
    entropy = SeededEntropy(5)
    limits = http or HttpLimits()
    tokens = Tokens(SIGNING_KEY, limits)
    host = Host(
        classes={"Town": Town, "Owner": Owner},
        data_dir=data_dir,
        clock=clock,
        entropy=entropy,
        secrets=SystemSecrets(),
        durability=Durability.PROCESS,
        bindings={
            "CLOCK": clock,
            "ENTROPY": entropy,
            "SECRETS": SystemSecrets(),
            "TOKENS": tokens,
            "TOWN_LIMITS": TownLimits(),
            "ROLE_TEMPLATES": load_templates(None),
            "FORGE_ACCESS": ForgeAccess(),
            "TOWN_DEFAULTS": TownConfig(),
        },
        services={"CONTAINERS": ScriptedContainers(clock), "FORGES": ForgeClients({})},
    )
    settings = msgspec.structs.replace(SETTINGS, public_classes=())
    async with (
        host,
        open_front(
            host=host, clock=clock, settings=settings, tokens=tokens, limits=limits
        ) as front,
    ):
        if after is None:
            made = await host.namespace("Owner").get_by_name("local").make_key("admin")
            world = FeedWorld(front, clock, host, made.view.facts["key"])
            world.town = (await world.ok("POST", "/api/users/local/towns", {"name": "b"}))["id"]
            body = {"town_id": world.town, "name": "a", "git_url": "https://example.invalid/a.git"}
            world.rig = (await world.ok("POST", "/api/users/local/rigs", body))["id"]
        else:
            world = FeedWorld(front, clock, host, after.key)
            world.town, world.rig = after.town, after.rig
        yield world
