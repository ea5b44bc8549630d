"""Objects of a user's classes, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boomtown.actors import Durability, DurableObject, Host, Request, Response
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.http.services import FrontSettings
from boomtown.testing import ManualClock
from support.fake_town import TOWN
from support.front_world import FrontWorld, open_front


class Counter(DurableObject):
    """Counts; and streams what it counted."""

    async def add(self, amount: int) -> int:
        count: int = (await self.ctx.storage.get("count") or 0) + amount
        await self.ctx.storage.put("count", count)
        return count

    async def fail(self) -> None:
        raise TypeError("an error of its own")

    async def fetch(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one "
            yield request.path.encode()

        return Response(parts(), headers={"X-Streamed": "yes"})


class Mute(DurableObject):
    """Has no fetch."""


COUNTER = "/actors/Counter/c%201"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


@pytest.mark.parametrize("body", [[2, 3], {"amount": 2, "times": 3}], ids=["array", "object"])
async def test_an_rpc_takes_its_arguments_from_json(front: FrontWorld, body: object) -> None:
    reply = await front.call("POST", f"{COUNTER}/rpc/add", body, credential=front.operator_key())
    assert (reply.status, reply.json) == (200, {"success": True, "data": 6})
    assert list(front.fakes.namespaces["Counter"].objects) == ["c 1"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("rpc/add", {"nonsense": 1}, 400, "INVALID_BODY"),
        ("rpc/add", None, 400, "INVALID_BODY"),
        ("rpc/add", "text", 400, "INVALID_BODY"),
        ("rpc/missing", [], 404, "ROUTE_NOT_FOUND"),
        ("rpc/_secret", [], 404, "ROUTE_NOT_FOUND"),
        ("rpc/__class__", [], 404, "ROUTE_NOT_FOUND"),
        ("rpc/a-b", [], 404, "ROUTE_NOT_FOUND"),
        ("rpc/fail", [], 500, "INTERNAL_ERROR"),
    ],
)
async def test_an_rpc_that_does_not_fit_says_whose_fault_it_is(
    front: FrontWorld, path: str, body: object, status: int, code: str
) -> None:
    reply = await front.call("POST", f"{COUNTER}/{path}", body, credential=front.operator_key())
    assert (reply.status, reply.code) == (status, code)
    assert b"a secret of the object" not in reply.content


async def test_fetch_passes_the_request_and_the_answer_on(front: FrontWorld) -> None:
    key = front.operator_key()
    reply = await front.call(
        "PUT",
        f"{COUNTER}/a/b%20c?x=1&y=%20",
        data=b"raw \x00 bytes",
        credential=key,
        headers={"X-Mine": "1", "X-Api-Key": key},
    )
    assert (reply.status, reply.content) == (207, b"seen PUT")
    assert reply.headers["X-From"] == "counter"
    assert reply.headers["X-Request-Id"]
    asked = front.fakes.counter.requests[0]
    assert asked.method == "PUT"
    assert asked.url.endswith("/a/b%20c?x=1&y=%20")
    assert await asked.bytes() == b"raw \x00 bytes"
    assert asked.headers.find("X-Mine") == "1"
    assert "Authorization" not in asked.headers
    assert "X-Api-Key" not in asked.headers


@pytest.mark.parametrize("name", ["Town", "Owner", "Unknown"])
async def test_only_the_served_classes_are_there(front: FrontWorld, name: str) -> None:
    for method, path in (("GET", "status"), ("POST", "rpc/verify_key")):
        reply = await front.call(
            method, f"/actors/{name}/{TOWN}/{path}", credential=front.operator_key()
        )
        assert (reply.status, reply.code) == (404, "ROUTE_NOT_FOUND")


def test_a_server_cannot_be_told_to_serve_towns() -> None:
    with pytest.raises(AssertionError):
        FrontSettings(
            version="1",
            no_auth=False,
            allow_local_git=False,
            public_classes=("Town",),
            allowed_origins=(),
            templates={},
        )


async def test_a_real_object_is_served(tmp_path: Path) -> None:
    clock = ManualClock()
    host = Host(
        classes={"Counter": Counter, "Mute": Mute},
        data_dir=tmp_path,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        durability=Durability.PROCESS,
    )
    settings = FrontSettings(
        version="1",
        no_auth=True,
        allow_local_git=False,
        public_classes=("Counter", "Mute"),
        allowed_origins=(),
        templates={},
    )
    async with host, open_front(host=host, clock=clock, settings=settings) as front:
        for expected in (2, 4):
            reply = await front.call("POST", f"{COUNTER}/rpc/add", [2])
            assert (reply.status, reply.data) == (200, expected)
        streamed = await front.call("GET", f"{COUNTER}/two")
        assert (streamed.status, streamed.content) == (200, b"one /two")
        assert streamed.headers["X-Streamed"] == "yes"
        assert streamed.headers["X-Request-Id"]
        for path, body, status in (
            ("Counter/c/rpc/add", ["text"], 400),
            ("Counter/c/rpc/add", [], 400),
            ("Counter/c/rpc/missing", [], 404),
            ("Counter/c/rpc/alarm", [], 404),
            ("Counter/c/rpc/fail", [], 500),
            ("Mute/m/anything", None, 404),
        ):
            reply = await front.call("POST", f"/actors/{path}", body)
            assert reply.status == status, (path, reply.content)
            assert reply.json["success"] is False
