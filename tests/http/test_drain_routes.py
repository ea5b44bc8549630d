"""What a container says of its end and its beginning: the routes' commands, questions, speakers."""

from __future__ import annotations

import pytest

from boomtown.actors.town import commands as c
from boomtown.actors.town import questions as q
from boomtown.actors.town.commands import CallerKind
from boomtown.error_codes import ErrorCode
from support.fake_town import AGENT, INSTANCE, OTHER, SESSION, TOWN, refused
from support.front_world import open_front

T = f"/api/towns/{TOWN}"


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("/container-eviction", None, c.BeginDrain()),
        ("/container-ready", {"nonce": OTHER}, c.ClearDrain(nonce=OTHER)),
    ],
    ids=["eviction", "ready"],
)
async def test_a_drain_is_a_command_of_the_callers_instance(
    path: str, body: object, command: c.Command
) -> None:
    async with open_front() as front:
        reply = await front.call("POST", T + path, body, credential=front.container_token())
        assert reply.status == 200
        (request,) = front.fakes.town.commands
        assert request.command == command
        assert request.caller.kind == CallerKind.CONTAINER
        assert request.caller.instance_id == INSTANCE


async def test_an_evicted_container_is_told_its_nonce() -> None:
    async with open_front() as front:
        token = front.container_token()
        reply = await front.call("POST", T + "/container-eviction", credential=token)
        assert reply.data == {"acknowledged": True, "drainNonce": OTHER}


async def test_a_registry_is_asked_and_stores_nothing() -> None:
    async with open_front() as front:
        token = front.container_token()
        body = {"session_ids": [SESSION]}
        reply = await front.call("POST", T + "/container-registry", body, credential=token)
        assert (reply.status, reply.data) == (200, {"resume": [], "drop": []})
        (request,) = front.fakes.town.questions
        assert isinstance(request.question, q.AskRegistry)
        assert request.question.session_ids == (SESSION,)
        assert front.fakes.town.commands == []


async def test_mayor_id_is_the_mayors_or_none() -> None:
    async with open_front() as front:
        token = front.container_token()
        found = await front.call("GET", T + "/mayor-id", credential=token)
        assert found.data == {"mayor_id": AGENT}
        front.fakes.town.answers[q.GetMayorId] = refused(ErrorCode.AGENT_NOT_FOUND)
        missing = await front.call("GET", T + "/mayor-id", credential=token)
        assert (missing.status, missing.code) == (404, "AGENT_NOT_FOUND")


async def test_ready_without_a_nonce_is_refused() -> None:
    async with open_front() as front:
        token = front.container_token()
        reply = await front.call("POST", T + "/container-ready", {}, credential=token)
        assert (reply.status, reply.code) == (400, "INVALID_BODY")
