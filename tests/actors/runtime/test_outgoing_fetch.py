"""`fetch` from an object: held by the output gate, answered through the input gate, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from boomtown.actors import (
    DurableObjectError,
    OutsideTurnError,
    Request,
    Response,
    fetch,
)
from boomtown.actors.runtime.http_client import AiohttpClient
from boomtown.limits import RuntimeLimits
from boomtown.testing.manual_clock import run_passes
from support.fetch_world import FetchWorld, HeldClient


@pytest.fixture
def client() -> HeldClient:
    return HeldClient()


@pytest.fixture
async def world(tmp_path: Path, client: HeldClient) -> AsyncIterator[FetchWorld]:
    world = FetchWorld(tmp_path, client)
    async with world.host:
        yield world
    assert client.is_closed


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A real server on loopback."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            raise web.HTTPFound("/here")
        if request.path == "/cookie":
            response = web.Response(text=str(dict(request.cookies)))
            response.set_cookie("id", "7")
            return response
        if request.path == "/large":
            return web.Response(body=b"x" * 101)
        text = f"{request.method} {request.path} {request.headers.get('X-From')} "
        return web.Response(
            status=203, text=text + await request.text(), headers={"X-Answer": "yes"}
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_gate_36_a_request_waits_for_the_writes_before_it(
    world: FetchWorld, client: HeldClient
) -> None:
    world.backend.is_held = True
    asked = asyncio.ensure_future(world.caller.write_and_ask("http://far/"))
    await run_passes()
    assert client.sent == []
    world.backend.commits[0].resolve()
    await run_passes()
    client.sent[0][1].set_result(Response(status=204))
    assert await asked == 204


async def test_an_answer_comes_into_the_critical_section_that_asked(
    world: FetchWorld, client: HeldClient
) -> None:
    counts = [
        asyncio.ensure_future(world.caller.count_in_a_section("http://far/")) for _ in range(2)
    ]
    await run_passes()
    assert len(client.sent) == 1
    client.sent[0][1].set_result(Response())
    await run_passes()
    client.sent[1][1].set_result(Response())
    assert await asyncio.gather(*counts) == [1, 2]


async def test_a_reset_does_not_cancel_a_request_that_was_sent(
    world: FetchWorld, client: HeldClient
) -> None:
    with pytest.raises(DurableObjectError, match="no more"):
        await world.caller.ask_and_abort("http://far/")
    stub = world.caller
    asked = asyncio.ensure_future(stub.ask("http://far/"))
    await run_passes()
    sent = client.sent[-1]
    with pytest.raises(DurableObjectError, match="no more"):
        await stub.reset_now()
    with pytest.raises(DurableObjectError, match="no more"):
        await asked
    assert not sent[1].done()
    sent[1].set_result(Response())


async def test_a_request_without_an_answer_times_out_on_the_hosts_clock(
    world: FetchWorld, client: HeldClient
) -> None:
    asked = asyncio.ensure_future(world.caller.ask("http://far/", 5_000))
    patient = asyncio.ensure_future(world.caller.ask("http://far/"))
    await world.clock.advance_ms(4_999)
    assert not asked.done()
    await world.clock.advance_ms(1)
    with pytest.raises(TimeoutError, match="no answer within 5000 ms"):
        await asked
    assert not patient.done()
    await world.clock.advance_ms(RuntimeLimits().fetch_ms_max)
    with pytest.raises(TimeoutError):
        await patient
    assert all(answer.cancelled() for _, answer in client.sent)


async def test_a_closing_host_drops_its_requests(tmp_path: Path, client: HeldClient) -> None:
    world = FetchWorld(tmp_path, client)
    async with world.host:
        asked = asyncio.ensure_future(world.caller.ask("http://far/"))
        await run_passes()
    with pytest.raises(DurableObjectError) as raised:
        await asked
    assert raised.value.retryable
    assert client.sent[0][1].cancelled()


async def test_only_an_objects_turn_has_a_way_out(world: FetchWorld) -> None:
    with pytest.raises(OutsideTurnError):
        await fetch("http://far/")


@pytest.mark.parametrize("url", ["far", "/path", "ftp://far/", "http://", "ws://far/"])
async def test_a_url_must_be_absolute(world: FetchWorld, url: str) -> None:
    with pytest.raises(ValueError, match="no absolute URL"):
        await world.caller.ask(url)


async def test_a_real_server_is_asked_and_answers(tmp_path: Path, server: str) -> None:
    world = FetchWorld(tmp_path)
    async with world.host:
        assert await world.caller.ask(server + "/here") == (203, "GET /here caller ", "yes")
        assert await world.caller.ask(server + "/moved") == (203, "GET /here caller ", "yes")
        assert await world.caller.send(server + "/p") == "PUT /p None one two"
        first = await world.caller.ask(server + "/cookie")
        assert await world.caller.ask(server + "/cookie") == first == (200, "{}", None)


async def test_a_server_that_is_not_there_is_a_connection_error(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    world = FetchWorld(tmp_path)
    async with world.host:
        with pytest.raises(ConnectionError, match=r"fetch http://127\.0\.0\.1"):
            await world.caller.ask(f"http://127.0.0.1:{unused_tcp_port}/")


async def test_an_answer_past_its_bound_is_refused(server: str) -> None:
    client = AiohttpClient(RuntimeLimits(fetch_body_bytes_max=100))
    with pytest.raises(ValueError, match="more than 100 bytes"):
        await client.send(Request("GET", server + "/large"))
    await client.aclose()
