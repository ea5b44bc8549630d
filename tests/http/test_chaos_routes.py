"""Faults on demand over HTTP: what is understood, and where they are refused."""

from __future__ import annotations

import pytest

from support.fake_town import TOWN
from support.front_world import open_front

PATH = f"/api/towns/{TOWN}/chaos"


async def test_a_fault_is_armed_as_it_was_asked_for() -> None:
    async with open_front() as front:
        body = {"fault": "kill-agent", "target": "a1", "nth": 2, "seed": 7}
        reply = await front.call("POST", PATH, body, credential=front.operator_key("operate"))
    assert reply.status == 202
    seen = {name: reply.json["data"][name] for name in ("fault", "target", "nth", "seed", "fired")}
    assert seen == {**body, "fired": 0}


@pytest.mark.parametrize(
    "body", [{}, {"fault": "earthquake"}, {"fault": "kill-agent", "nth": 0}], ids=str
)
async def test_what_is_no_fault_is_refused(body: dict[str, object]) -> None:
    async with open_front() as front:
        reply = await front.call("POST", PATH, body, credential=front.operator_key())
    assert (reply.status, reply.code) == (400, "INVALID_BODY")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_is_not_for_development_refuses(method: str) -> None:
    async with open_front(chaos=None) as front:
        body = {"fault": "kill-agent"} if method == "POST" else None
        reply = await front.call(method, PATH, body, credential=front.operator_key())
    assert (reply.status, reply.code) == (403, "DEVELOPMENT_ONLY")
