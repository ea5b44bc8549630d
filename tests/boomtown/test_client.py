"""The client against a front on loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from boomtown.actors.town.commands import SlingConvoy
from boomtown.actors.town.model import RigConfig
from boomtown.actors.town.questions import GetTownStatus, ListBeads
from boomtown.client import BoomtownClient, ServerRefused, ServerUnreachable
from boomtown.error_codes import ErrorCode
from support.fake_town import AGENT, AT_ISO, BEAD, CONVOY, RIG, SESSION, TOWN, refused
from support.front_world import FrontWorld, open_front


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


@pytest.fixture
async def client(front: FrontWorld) -> AsyncIterator[BoomtownClient]:
    async with BoomtownClient(front.origin, front.operator_key()) as made:
        yield made


async def test_the_calls_that_the_command_line_needs(
    client: BoomtownClient, front: FrontWorld
) -> None:
    assert (await client.health())["status"] == "ok"
    town = await client.create_town("local", "boom")
    assert (town["id"], town["created_at"]) == (TOWN, AT_ISO)
    assert [town["id"] for town in await client.list_towns("local")] == [TOWN]
    rig = await client.create_rig(
        "local", town_id=TOWN, name="app", git_url="https://example.invalid/a.git"
    )
    assert rig["id"] == RIG
    assert [rig["id"] for rig in await client.list_rigs(TOWN)] == [RIG]
    batch = await client.sling_batch(
        TOWN, rig_id=RIG, convoy_title="c", tasks=[{"title": "t"}], parallel=True
    )
    assert batch["convoy"]["id"] == CONVOY
    command = front.fakes.town.commands[-1].command
    assert isinstance(command, SlingConvoy)
    assert (command.parallel, command.staged) == (True, None)
    assert [convoy["id"] for convoy in await client.list_convoys(TOWN)] == [CONVOY]
    assert (await client.get_convoy(TOWN, CONVOY))["beads"][0]["bead_id"] == BEAD
    assert (await client.town_status(TOWN))["paused"] is False
    assert await client.town_invariants(TOWN) == []
    assert [bead["bead_id"] for bead in await client.list_beads(TOWN, RIG, status="open")] == [BEAD]
    question = front.fakes.town.questions[-1].question
    assert isinstance(question, ListBeads)
    assert question.status == "open"
    assert [agent["id"] for agent in await client.list_agents(TOWN, RIG)] == [AGENT]
    assert [session["id"] for session in await client.list_sessions(TOWN)] == [SESSION]
    assert [event["seq"] for event in await client.list_events("local", TOWN, after=0)] == [1]
    assert len(await client.list_escalations(TOWN)) == 1
    await client.shutdown()
    assert front.services.shutdown.is_set()


async def test_owners_are_made_and_listed(client: BoomtownClient) -> None:
    assert (await client.create_owner("ann"))["created_at"] == AT_ISO
    assert [owner["name"] for owner in await client.list_owners()] == ["local", "ann"]


async def test_creations_carry_their_settings_and_idempotency_keys(
    client: BoomtownClient, front: FrontWorld
) -> None:
    await client.create_town("local", "boom", idempotency_key="t")
    await client.create_rig(
        "local",
        town_id=TOWN,
        name="app",
        git_url="https://example.invalid/a.git",
        config={"review_harness": "mine"},
        idempotency_key="r",
    )
    calls = front.fakes.owner("local").calls
    assert ("create_town", "boom", "t") in calls
    assert calls[-1][-2:] == (RigConfig(review_harness="mine"), "r")


async def test_a_refusal_has_the_servers_code_words_and_request_id(
    client: BoomtownClient, front: FrontWorld
) -> None:
    front.fakes.town.answers[GetTownStatus] = refused(ErrorCode.TOWN_PAUSED, why="tea")
    with pytest.raises(ServerRefused) as caught:
        await client.town_status(TOWN)
    refusal = caught.value
    assert (refusal.code, refusal.status) == ("TOWN_PAUSED", 409)
    assert (refusal.message, refusal.details) == ("The town is paused", {"why": "tea"})
    assert refusal.request_id


async def test_a_deletion_answers_nothing(client: BoomtownClient) -> None:
    assert await client.request("DELETE", f"/api/users/local/towns/{TOWN}") is None


async def test_no_listener_is_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and not listening
        async with BoomtownClient(f"http://127.0.0.1:{held.getsockname()[1]}") as client:
            with pytest.raises(ServerUnreachable):
                await client.health()


async def test_an_answer_that_is_no_envelope_is_refused() -> None:
    async def speak(request: web.Request) -> web.Response:
        return web.Response(text="<html>another server</html>")

    app = web.Application()
    app.router.add_get("/health", speak)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(access_log=None)
    try:
        async with BoomtownClient(str(server.make_url("/"))) as client:
            with pytest.raises(ServerRefused) as caught:
                await client.health()
        assert (caught.value.code, caught.value.status) == ("INVALID_ANSWER", 200)
    finally:
        await server.close()
