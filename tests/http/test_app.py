"""What happens to every request: ids, origins, log lines; and the service's own routes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import msgspec
import pytest

from boomtown.actors.town.commands import CreateEscalation
from boomtown.ids import is_id
from support.fake_town import AT_ISO, BEAD, ESCALATION, OTHER, RIG, TOWN
from support.front_world import SETTINGS, FrontWorld, open_front

STATUS = f"/api/towns/{TOWN}/status"
BEADS = f"/api/towns/{TOWN}/rigs/{RIG}/beads"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


@pytest.mark.parametrize("path", ["/", "/health", "/nothing"])
async def test_every_response_has_a_request_id_of_its_own(front: FrontWorld, path: str) -> None:
    first = (await front.call("GET", path)).headers["X-Request-Id"]
    second = (await front.call("GET", path)).headers["X-Request-Id"]
    assert is_id(first)
    assert first != second


async def test_a_clients_request_id_is_kept_when_it_is_sane(front: FrontWorld) -> None:
    kept = await front.call("GET", "/nothing", headers={"X-Request-Id": "trace-1.a_b"})
    assert kept.headers["X-Request-Id"] == kept.json["requestId"] == "trace-1.a_b"
    for insane in ("a b", "x" * 65, "<script>"):
        reply = await front.call("GET", "/health", headers={"X-Request-Id": insane})
        assert is_id(reply.headers["X-Request-Id"])


async def test_each_request_is_one_line_without_its_query(
    front: FrontWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="boomtown.http"):
        reply = await front.call("GET", f"{BEADS}?status=secret", credential=front.operator_key())
    lines = [record.getMessage() for record in caplog.records if record.name == "boomtown.http"]
    request_id = reply.headers["X-Request-Id"]
    assert lines == [f"GET {BEADS} 400 0 ms  {request_id}"]


async def test_the_line_of_a_success_is_short_and_its_record_has_the_id(
    front: FrontWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="boomtown.http"):
        reply = await front.call("GET", "/health")
    (record,) = [record for record in caplog.records if record.name == "boomtown.http"]
    assert record.getMessage() == "GET /health 200 0 ms"
    assert record.__dict__["request_id"] == reply.headers["X-Request-Id"]


async def test_a_page_of_another_site_is_refused(front: FrontWorld) -> None:
    for origin in ("https://evil.example", "null", f"ftp://127.0.0.1:{front.port}", "http://[x"):
        reply = await front.call("GET", "/health", headers={"Origin": origin})
        assert (reply.status, reply.code) == (403, "FORBIDDEN_ORIGIN")


async def test_a_page_of_this_server_is_served(front: FrontWorld) -> None:
    reply = await front.call("GET", "/health", headers={"Origin": front.origin})
    assert reply.status == 200
    assert "Access-Control-Allow-Origin" not in reply.headers


async def test_a_site_allowed_by_name_is_served_and_told_so(front: FrontWorld) -> None:
    headers = {"Origin": "https://friend.example"}
    reply = await front.call("GET", "/health", headers=headers)
    assert reply.headers["Access-Control-Allow-Origin"] == "https://friend.example"
    asked = headers | {"Access-Control-Request-Method": "POST"}
    preflight = await front.call("OPTIONS", BEADS, headers=asked)
    assert preflight.status == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    refused = await front.call("OPTIONS", BEADS, headers=asked | {"Origin": "https://x.example"})
    assert (refused.status, refused.code) == (403, "FORBIDDEN_ORIGIN")


async def test_scenario_O_the_page_and_health_answer(front: FrontWorld) -> None:
    page = await front.call("GET", "/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"/openapi.json" in page.content
    assert b"<script" not in page.content
    for path in ("/health", "/healthz"):
        assert (await front.call("GET", path)).data == {"status": "ok", "version": "9.9.9"}


async def test_scenario_O_an_escalation_over_http_has_severity_and_message(
    front: FrontWorld,
) -> None:
    body = {"title": "Stuck", "priority": "high"}
    path = f"/api/towns/{TOWN}/rigs/{RIG}/escalations"
    reply = await front.call("POST", path, body, credential=front.session_token())
    assert reply.status == 201
    assert (reply.data["severity"], reply.data["message"]) == ("high", "Stuck")
    command = front.fakes.town.commands[-1].command
    assert command == CreateEscalation(rig_id=RIG, title="Stuck", priority="high")  # type: ignore[arg-type]


async def test_shutdown_is_accepted_once_and_the_server_is_no_longer_ready(
    front: FrontWorld,
) -> None:
    assert (await front.call("GET", "/readyz")).data == {"status": "ready"}
    reply = await front.call("POST", "/shutdown", credential=front.operator_key())
    assert reply.status == 202
    assert front.services.shutdown.is_set()
    ready = await front.call("GET", "/readyz")
    assert (ready.status, ready.code) == (503, "SHUTTING_DOWN")
    assert "Retry-After" in ready.headers
    late = await front.call("GET", STATUS, credential=front.operator_key())
    assert late.status == 200


async def test_shutdown_is_refused_to_pages(front: FrontWorld) -> None:
    headers = {"Origin": front.origin}
    reply = await front.call("POST", "/shutdown", credential=front.operator_key(), headers=headers)
    assert (reply.status, reply.code) == (403, "LOCAL_ONLY")
    assert not front.services.shutdown.is_set()


async def test_instants_are_iso_text_and_users_metadata_is_left_alone(front: FrontWorld) -> None:
    reply = await front.call("GET", f"{BEADS}/{BEAD}", credential=front.operator_key())
    bead = reply.data
    assert (bead["created_at"], bead["closed_at"]) == (AT_ISO, None)
    assert bead["metadata"] == {"seen_at": 5}
    assert "view" not in bead


async def test_an_idempotency_key_reaches_the_town_on_creating_posts_only(
    front: FrontWorld,
) -> None:
    key = front.operator_key()
    headers = {"Idempotency-Key": "k-1"}
    await front.call("POST", BEADS, {"title": "t"}, credential=key, headers=headers)
    await front.call("POST", f"{BEADS}/{BEAD}/close", {}, credential=key, headers=headers)
    await front.call(
        "POST", "/api/users/local/towns", {"name": "n"}, credential=key, headers=headers
    )
    assert [request.idempotency_key for request in front.fakes.town.commands] == ["k-1", None]
    assert ("create_town", "n", "k-1") in front.fakes.owner("local").calls
    reply = await front.call(
        "POST", BEADS, {"title": "t"}, credential=key, headers={"Idempotency-Key": "k" * 256}
    )
    assert (reply.status, reply.code) == (400, "INVALID_BODY")


async def test_without_keys_only_loopback_names_are_served() -> None:
    async with open_front(settings=msgspec.structs.replace(SETTINGS, no_auth=True)) as front:
        assert (await front.call("GET", STATUS)).status == 200
        rebound = await front.call("GET", STATUS, headers={"Host": "evil.example"})
        assert (rebound.status, rebound.code) == (403, "FORBIDDEN_ORIGIN")
        unreadable = await front.call("GET", STATUS, headers={"Host": "[x"})
        assert unreadable.status in (400, 403)
        assert (await front.call("GET", STATUS, credential="x.y.z")).status == 401
        foreign = await front.call("GET", "/api/users/anybody/towns")
        assert (foreign.status, foreign.data) == (200, [])
        path = f"/api/towns/{TOWN}/escalations/{ESCALATION}/acknowledge"
        assert (await front.call("POST", path)).status == 200
        assert front.fakes.town.commands[-1].caller.user_id == "local"
        assert OTHER not in path
