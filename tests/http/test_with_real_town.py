"""The front over the real town, owner and runtime: only the containers and the clock are scripted.

One walk each: an attached agent from hook to done, a convoy that the town itself starts, a
container's reports, and who is refused by the real objects.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from boomtown.actors import Durability, Host
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import TownConfig
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.container_sim.forge.forge_clients import ForgeClients
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.http.services import FrontSettings
from boomtown.http.tokens import Tokens
from boomtown.limits import HttpLimits, TownLimits
from boomtown.testing import ManualClock
from support.fake_town import OTHER
from support.front_world import SETTINGS, SIGNING_KEY, FrontWorld, Reply, open_front
from support.scripted_containers import ScriptedContainers


class RealWorld:
    """A front with one town and one rig, spoken to as the operator unless said otherwise."""

    def __init__(
        self, front: FrontWorld, clock: ManualClock, containers: ScriptedContainers, host: Host
    ) -> None:
        self.front = front
        self.clock = clock
        self.containers = containers
        self.host = host
        self.key = ""
        self.town = ""
        self.rig = ""

    async def prepare(self) -> None:
        made = await self.host.namespace("Owner").get_by_name("local").make_key("admin")
        self.key = made.view.facts["key"]
        town = await self.call("POST", "/api/users/local/towns", {"name": "boom"})
        self.town = town.data["id"]
        body = {"town_id": self.town, "name": "app", "git_url": "https://example.invalid/a.git"}
        self.rig = (await self.call("POST", "/api/users/local/rigs", body)).data["id"]

    @property
    def r(self) -> str:
        return f"/api/towns/{self.town}/rigs/{self.rig}"

    @property
    def tools(self) -> str:
        return f"/api/mayor/{self.town}/tools"

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        credential: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        return await self.front.call(
            method, path, body, credential=credential or self.key, headers=headers
        )

    async def ok(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        reply = await self.call(method, path, body, **more)
        assert reply.status < 300, reply.content
        return reply.data if reply.content else None

    async def settle(self) -> None:
        await self.clock.advance_ms(1_000)


@asynccontextmanager
async def open_world(
    data_dir: Path, settings: FrontSettings = SETTINGS
) -> AsyncGenerator[RealWorld]:
    clock = ManualClock()
    containers = ScriptedContainers(clock)
    entropy = SeededEntropy(5)
    tokens = Tokens(SIGNING_KEY, HttpLimits())
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
        services={"CONTAINERS": containers, "FORGES": ForgeClients({})},
    )
    settings = msgspec.structs.replace(settings, public_classes=())
    async with (
        host,
        open_front(host=host, clock=clock, settings=settings, tokens=tokens) as front,
    ):
        world = RealWorld(front, clock, containers, host)
        await world.prepare()
        yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with open_world(tmp_path) as made:
        yield made


async def test_an_attached_agent_goes_from_hook_to_done(world: RealWorld) -> None:
    bead = await world.ok("POST", f"{world.r}/beads", {"title": "Fix it", "labels": ["gt:held"]})
    assert (bead["status"], bead["priority"], bead["closed_at"]) == ("open", "medium", None)
    body = {"role": "polecat", "name": "ada", "identity": "app/ada"}
    agent = await world.ok("POST", f"{world.r}/agents", body)
    one = f"{world.r}/agents/{agent['id']}"
    hooked = await world.ok("POST", f"{one}/hook", {"bead_id": bead["bead_id"]})
    assert hooked == {"hooked": True}
    assert (await world.ok("GET", one))["status"] == "idle"
    prime = await world.ok("GET", f"{one}/prime")
    assert prime["hooked_bead"]["bead_id"] == bead["bead_id"]
    assert (await world.ok("POST", f"{one}/heartbeat", {}))["heartbeat"] is True
    assert (await world.ok("GET", one))["status"] == "working"
    done = await world.ok("POST", f"{one}/done", {"branch": "gt/ada/fix"})
    assert done == {"accepted": True, "stale": False}
    await world.settle()
    seen = await world.ok("GET", f"{world.r}/beads/{bead['bead_id']}")
    assert seen["status"] == "in_review"
    reviews = await world.ok("GET", f"{world.r}/beads?type=merge_request")
    assert len(reviews) == 1
    assert await world.ok("GET", f"/api/towns/{world.town}/invariants") == []


async def test_a_convoy_is_slung_started_and_its_sessions_speak_with_their_tokens(
    world: RealWorld,
) -> None:
    body = {"rig_id": world.rig, "convoy_title": "Three fixes", "tasks": [{"title": "One"}]}
    batch = await world.ok("POST", f"{world.tools}/sling-batch", body)
    await world.settle()
    start = world.containers.starts[0]
    token = start.session_token
    one = f"{world.r}/agents/{start.agent_id}"
    beat = {"status": "running", "pid": 12}
    assert (await world.ok("POST", f"{one}/heartbeat", beat, credential=token))["stale"] is False
    assert (await world.ok("GET", f"{one}/prime", credential=token))["agent"]["id"]
    foreign = await world.call("GET", f"{world.r}/agents/{OTHER}/prime", credential=token)
    assert (foreign.status, foreign.code) == (403, "FORBIDDEN_AGENT")
    fresh = await world.ok("POST", f"{one}/refresh-token", {}, credential=token)
    assert (await world.ok("GET", f"{one}/mail", credential=fresh["token"])) == []
    sessions = await world.ok("GET", f"/api/towns/{world.town}/sessions")
    assert [(each["id"], each["state"]) for each in sessions] == [(start.session_id, "running")]
    detail = await world.ok("GET", f"{world.tools}/convoys/{batch['convoy']['id']}")
    assert (detail["total_beads"], detail["status"]) == (1, "active")
    status = await world.ok("GET", f"/api/towns/{world.town}/status")
    assert status["alarm"]["nextFireAt"].endswith("Z")
    assert status["recentEvents"]


async def test_a_container_reports_an_end_and_the_ended_session_is_told_so(
    world: RealWorld,
) -> None:
    await world.ok("POST", f"{world.r}/sling", {"title": "One"})
    await world.settle()
    start = world.containers.starts[0]
    report = world.containers.sessions[start.session_id]
    container = world.front.container_token(town=world.town, instance=report.instance_id)
    headers = {
        "X-Gastown-Agent-Id": start.agent_id,
        "X-Gastown-Rig-Id": world.rig,
        "X-Boomtown-Session-Id": start.session_id,
    }
    one = f"{world.r}/agents/{start.agent_id}"
    beat = {"status": "running", "containerInstanceId": report.instance_id}
    said = await world.ok("POST", f"{one}/heartbeat", beat, credential=container, headers=headers)
    assert said["stale"] is False
    other = world.front.container_token(town=world.town, instance=OTHER)
    refused = await world.call("POST", f"{one}/heartbeat", beat, credential=other, headers=headers)
    assert (refused.status, refused.code) == (403, "FORBIDDEN_AGENT")
    world.containers.end_session(start.session_id, exit_code=1)
    ended = {"status": "failed", "reason": "exit 1", "exit_code": 1}
    path = f"{one}/completed"
    posted = await world.ok("POST", path, ended, credential=container, headers=headers)
    assert posted == {"accepted": True, "stale": False}
    await world.settle()
    late = await world.ok("POST", path, ended, credential=container, headers=headers)
    assert late == {"accepted": True, "stale": True}
    token = start.session_token
    for verb, body in (("done", {"branch": "b"}), ("status", {"message": "m"}), ("heartbeat", {})):
        told = await world.ok("POST", f"{one}/{verb}", body, credential=token)
        assert told["stale"] is True
    for method, path in (("GET", f"{one}/prime"), ("GET", f"{world.r}/beads")):
        refused = await world.call(method, path, credential=token)
        assert (refused.status, refused.code) == (401, "SESSION_ENDED")
    refresh = await world.call("POST", f"{one}/refresh-token", {}, credential=token)
    assert (refresh.status, refresh.code) == (401, "SESSION_ENDED")


async def test_unknown_things_are_404_and_nothing_is_made_of_them(world: RealWorld) -> None:
    for path, code in (
        (f"/api/towns/{OTHER}/status", "TOWN_NOT_FOUND"),
        (f"/api/towns/{world.town}/rigs/{OTHER}/beads", "RIG_NOT_FOUND"),
        (f"{world.r}/beads/{OTHER}", "BEAD_NOT_FOUND"),
        (f"{world.r}/agents/{OTHER}", "AGENT_NOT_FOUND"),
        (f"/api/towns/{world.town}/sessions/{OTHER}", "SESSION_NOT_FOUND"),
        (f"{world.tools}/convoys/{OTHER}", "CONVOY_NOT_FOUND"),
        (f"/api/users/local/rigs/{OTHER}", "RIG_NOT_FOUND"),
    ):
        reply = await world.call("GET", path)
        assert (reply.status, reply.code) == (404, code)


def object_files(data_dir: Path) -> list[str]:
    """One per object that was ever called."""
    found = data_dir.glob("actors/*/??/*.sqlite")
    return sorted(f"{path.parts[-3]}/{path.name}" for path in found)


async def test_made_up_names_make_no_file(tmp_path: Path) -> None:
    asked = (
        f"/api/towns/{OTHER}/status",
        "/api/towns/nonsense/status",
        f"/api/towns/{OTHER}/rigs/{OTHER}/beads",
        f"/api/mayor/{OTHER}/tools/convoys",
        f"/api/users/local/towns/{OTHER}",
        f"/api/users/local/towns/{OTHER}/events",
        f"/api/users/local/rigs/{OTHER}",
        "/api/users/eve/towns",
        "/api/owners/eve/keys",
    )
    async with open_world(tmp_path) as world:
        before = object_files(tmp_path)
        assert len(before) == 2  # the town, and the owner `local`
        rig = {"town_id": OTHER, "name": "n", "git_url": "https://example.invalid/a.git"}
        reply = await world.call("POST", "/api/users/local/rigs", rig)
        assert (reply.status, reply.code) == (404, "TOWN_NOT_FOUND")
        for path in asked:
            assert (await world.call("GET", path)).status == 404
            unknown = await world.call("GET", path, credential="boomtown.eve.secret")
            assert (unknown.status, unknown.code) == (401, "UNAUTHENTICATED")
        assert object_files(tmp_path) == before


async def test_without_keys_made_up_towns_make_no_file(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, no_auth=True)
    async with open_world(tmp_path, settings) as world:
        assert (await world.front.call("GET", "/api/users/ann/towns")).status == 200
        before = object_files(tmp_path)
        assert len(before) == 3  # ann's Owner too
        for path in (
            f"/api/towns/{OTHER}/status",
            f"/api/users/ann/towns/{OTHER}/events",
            f"/api/users/ann/towns/{world.town}/events",
            f"/api/mayor/{OTHER}/tools/rigs",
            "/api/owners/eve/keys",
        ):
            assert (await world.front.call("GET", path)).status == 404
        assert object_files(tmp_path) == before


async def test_another_owner_has_keys_and_towns_of_its_own(world: RealWorld) -> None:
    await world.ok("POST", "/api/owners", {"name": "ann"})
    made = await world.ok("POST", "/api/owners/ann/keys", {"scope": "admin"})
    town = await world.ok("POST", "/api/users/ann/towns", {"name": "hers"}, credential=made["key"])
    status = f"/api/towns/{town['id']}/status"
    assert (await world.call("GET", status, credential=made["key"])).status == 200
    for path, credential in ((status, world.key), (f"/api/towns/{world.town}/status", made["key"])):
        foreign = await world.call("GET", path, credential=credential)
        assert (foreign.status, foreign.code) == (404, "TOWN_NOT_FOUND")
    await world.ok("DELETE", f"/api/users/ann/towns/{town['id']}", credential=made["key"])
    gone = await world.call("GET", status, credential=made["key"])
    assert (gone.status, gone.code) == (404, "TOWN_NOT_FOUND")


async def test_a_rig_is_made_once_with_its_settings(world: RealWorld) -> None:
    path = "/api/users/local/rigs"
    git_url = "https://example.invalid/b.git"
    body: dict[str, Any] = {"town_id": world.town, "name": "api", "git_url": git_url}
    body["config"] = {"harness": "mine", "refinery": {"gates": [["true"]]}}
    headers = {"Idempotency-Key": "rig"}
    rig = await world.ok("POST", path, body, headers=headers)
    assert await world.ok("POST", path, body, headers=headers) == rig
    assert (rig["config"]["harness"], rig["config"]["refinery"]["gates"]) == ("mine", [["true"]])
    assert (await world.ok("GET", f"{path}/{rig['id']}"))["config"] == rig["config"]
    body["config"] = {"max_polecats_per_rig": 0}
    other = await world.call("POST", path, body, headers=headers)
    assert (other.status, other.code) == (409, "IDEMPOTENCY_MISMATCH")
    body["name"] = "web"
    refused = await world.call("POST", path, body)
    assert (refused.status, refused.code) == (400, "INVALID_BODY")
    assert [issue["path"] for issue in refused.json["issues"]] == ["max_polecats_per_rig"]


async def test_an_idempotency_key_makes_one_of_each(world: RealWorld) -> None:
    headers = {"Idempotency-Key": "once"}
    towns = "/api/users/local/towns"
    for path, body in ((f"{world.r}/beads", {"title": "t"}), (towns, {"name": "second"})):
        first = await world.ok("POST", path, body, headers=headers)
        assert await world.ok("POST", path, body, headers=headers) == first
    assert len(await world.ok("GET", f"{world.r}/beads")) == 1
    assert len(await world.ok("GET", towns)) == 2
    other = await world.call("POST", f"{world.r}/beads", {"title": "u"}, headers=headers)
    assert (other.status, other.code) == (409, "IDEMPOTENCY_MISMATCH")


async def test_values_at_the_edge_come_back_as_they_went_in(world: RealWorld) -> None:
    deep: Any = "leaf"
    for _ in range(50):
        deep = [deep]
    metadata = {"big": 2**60, "text": "a\u0000b \U0001f680 \u2028", "deep": deep, "none": None}
    bead = await world.ok("POST", f"{world.r}/beads", {"title": "é" * 500, "metadata": metadata})
    again = await world.ok("GET", f"{world.r}/beads/{bead['bead_id']}")
    assert (again["metadata"], again["title"]) == (metadata, "é" * 500)
    for _ in range(400):
        deep = [deep]
    reply = await world.call("POST", f"{world.r}/beads", {"title": "t", "metadata": {"d": deep}})
    assert (reply.status, reply.code) == (400, "INVALID_BODY")
    listed = await world.ok("GET", f"{world.r}/beads?offset=999999999999999")
    assert listed == []


async def test_a_key_is_made_used_and_revoked(world: RealWorld) -> None:
    made = await world.ok("POST", "/api/owners/local/keys", {"scope": "read"})
    assert made["created_at"].endswith("Z")
    path = f"/api/towns/{world.town}/config"
    assert (await world.ok("GET", path, credential=made["key"]))["approval"] == "none"
    refused = await world.call("PATCH", path, {"approval": "every"}, credential=made["key"])
    assert (refused.status, refused.code) == (403, "FORBIDDEN_SCOPE")
    await world.ok("DELETE", f"/api/owners/local/keys/{made['id']}")
    gone = await world.call("GET", path, credential=made["key"])
    assert (gone.status, gone.code) == (401, "UNAUTHENTICATED")
    assert len(await world.ok("GET", "/api/owners/local/keys")) == 1


async def test_without_keys_a_town_of_any_user_is_served(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, no_auth=True)
    async with open_world(tmp_path, settings) as world:
        front = world.front
        town = (await front.call("POST", "/api/users/ann/towns", {"name": "x"})).data
        assert town["owner_user_id"] == "ann"
        assert (await front.call("GET", f"/api/towns/{town['id']}/status")).status == 200
        unknown = await front.call("GET", f"/api/towns/{OTHER}/status")
        assert (unknown.status, unknown.code) == (404, "TOWN_NOT_FOUND")
