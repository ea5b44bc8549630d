"""The route table against the contract's rows, and every route once from end to end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boomtown.http.calls import Credential
from boomtown.http.route_table import ROUTES
from support.fake_town import (
    AGENT,
    BEAD,
    CONVOY,
    ESCALATION,
    KEY_ID,
    REVIEW,
    RIG,
    SESSION,
    TOWN,
)
from support.front_world import FrontWorld, open_front

# method, path, status, credentials, group: the contract's rows of the groups built so far.
T = "/api/towns/{town}"
R = T + "/rigs/{rig}"
A = R + "/agents/{agent}"
E = T + "/agents/{agent}"
U = "/api/users/{user}"
M = "/api/mayor/{town}/tools"
CONTRACT = f"""
GET / 200 none service
GET /health 200 none service
GET /healthz 200 none service
GET /readyz 200 none service
GET /openapi.json 200 none service
POST /shutdown 202 operator service
GET /api/templates 200 operator service
GET /api/owners 200 operator service
POST /api/owners 201 operator service
GET /api/owners/{{owner}}/keys 200 operator service
POST /api/owners/{{owner}}/keys 201 operator service
DELETE /api/owners/{{owner}}/keys/{{key}} 204 operator service
POST {U}/towns 201 operator users
GET {U}/towns 200 operator users
GET {U}/towns/{{town}} 200 operator users
PATCH {U}/towns/{{town}} 200 operator users
DELETE {U}/towns/{{town}} 204 operator users
POST {U}/rigs 201 operator users
GET {U}/towns/{{town}}/rigs 200 operator users
GET {U}/rigs/{{rig}} 200 operator users
DELETE {U}/rigs/{{rig}} 204 operator users
GET {U}/towns/{{town}}/events 200 operator users
GET {T}/config 200 operator town
PATCH {T}/config 200 operator town
GET {T}/status 200 operator town
GET {T}/invariants 200 operator town
POST {T}/pause 200 operator town
POST {T}/resume 200 operator town
POST {T}/convoys 201 operator town
GET {T}/escalations 200 operator town
POST {T}/escalations/{{escalation}}/acknowledge 200 operator town
POST {T}/approvals/{{bead}} 200 operator town
POST {T}/chaos 202 operator town
GET {T}/chaos 200 operator town
POST {R}/beads 201 operator,session beads
GET {R}/beads 200 operator,session beads
GET {R}/beads/{{bead}} 200 operator,session beads
DELETE {R}/beads/{{bead}} 204 operator,session beads
PATCH {R}/beads/{{bead}}/status 200 operator,session beads
POST {R}/beads/{{bead}}/close 200 operator,session beads
POST {R}/beads/{{bead}}/retry 201 operator,session beads
POST {R}/sling 201 operator,session beads
POST {R}/pause 200 operator,session beads
POST {R}/resume 200 operator,session beads
POST {R}/agents 201 operator,session agents
GET {R}/agents 200 operator,session agents
POST {R}/agents/get-or-create 200 operator,session agents
GET {A} 200 operator,session agents
DELETE {A} 204 operator,session agents
GET {A}/events 200 operator,session agents
POST {A}/hook 200 operator,session,container agent
DELETE {A}/hook 200 operator,session,container agent
GET {A}/prime 200 operator,session,container agent
POST {A}/done 202 operator,session,container agent
POST {A}/request-changes 201 operator,session,container agent
POST {A}/completed 202 operator,session,container agent
POST {A}/waiting 202 operator,session,container agent
POST {A}/checkpoint 200 operator,session,container agent
POST {A}/status 200 operator,session,container agent
POST {A}/eviction-context 202 operator,session,container agent
GET {A}/mail 200 operator,session,container agent
POST {A}/heartbeat 200 operator,session,container agent
POST {A}/refresh-token 200 operator,session,container agent
POST {R}/mail 201 operator,session rig
POST {R}/review-queue 201 operator,session rig
POST {R}/review-queue/{{entry}}/complete 200 operator,session rig
GET {R}/events 200 operator,session rig
POST {R}/escalations 201 operator,session rig
POST {T}/refresh-container-token 200 container,session container
POST {T}/container-eviction 200 container container
POST {T}/container-ready 200 container container
GET {T}/drain-status 200 container container
GET {T}/container-registry 200 container container
POST {T}/container-registry 200 container container
GET {T}/mayor-id 200 container container
POST {T}/container-events 202 container container
POST {M}/sling 201 mayor,operator mayor
POST {M}/sling-batch 201 mayor,operator mayor
GET {M}/rigs 200 mayor,operator mayor
GET {M}/rigs/{{rig}}/beads 200 mayor,operator mayor
GET {M}/rigs/{{rig}}/agents 200 mayor,operator mayor
GET {M}/convoys 200 mayor,operator mayor
GET {M}/convoys/{{convoy}} 200 mayor,operator mayor
PATCH {M}/rigs/{{rig}}/beads/{{bead}} 200 mayor,operator mayor
POST {M}/rigs/{{rig}}/beads/{{bead}}/reassign 200 mayor,operator mayor
DELETE {M}/rigs/{{rig}}/beads/{{bead}} 204 mayor,operator mayor
POST {M}/rigs/{{rig}}/beads/bulk-delete 200 mayor,operator mayor
POST {M}/rigs/{{rig}}/beads/delete-by-status 200 mayor,operator mayor
POST {M}/rigs/{{rig}}/agents/{{agent}}/reset 200 mayor,operator mayor
PATCH {M}/convoys/{{convoy}} 200 mayor,operator mayor
POST {M}/convoys/{{convoy}}/close 200 mayor,operator mayor
POST {M}/convoys/{{convoy}}/start 200 mayor,operator mayor
POST {M}/convoys/{{convoy}}/add-bead 200 mayor,operator mayor
POST {M}/convoys/{{convoy}}/remove-bead 200 mayor,operator mayor
POST {M}/mail 201 mayor,operator mayor
POST {M}/escalations/{{escalation}}/acknowledge 200 mayor,operator mayor
POST {T}/agents 201 operator roster
GET {T}/agents 200 operator roster
GET {E} 200 operator roster
DELETE {E} 204 operator roster
GET {T}/roster 200 operator roster
POST {E}/reassign-workers 200 operator roster
GET {E}/workers 200 operator roster
GET {E}/memory 200 operator roster
GET {E}/actions 200 operator roster
GET {E}/reviewed-prs 200 operator roster
POST {E}/watched-repos 201 operator roster
GET {E}/watched-repos 200 operator roster
DELETE {E}/watched-repos/{{watch}} 204 operator roster
GET {T}/watched-repos 200 operator roster
POST {T}/gateway/{{action}} 200 session gateway
POST {T}/sessions 201 operator sessions
POST {T}/sessions/preflight 200 operator sessions
POST {T}/sessions/cleanup 200 operator sessions
POST {T}/sessions/{{session}}/kill 200 operator sessions
POST {T}/sessions/{{session}}/claim-pr 200 operator sessions
GET {T}/observers 200 operator observers
POST {T}/observers/scm/recheck 200 operator observers
POST {T}/observers/scm/poll 202 operator observers
GET {T}/prs 200 operator observers
POST {T}/sessions/{{session}}/restore 201 operator sessions
POST {T}/sessions/{{session}}/rollback 200 operator sessions
POST {T}/sessions/{{session}}/send 202 operator sessions
GET {T}/sessions 200 operator sessions
GET {T}/sessions/{{session}} 200 operator sessions
POST /api/tickets 201 operator service
GET {T}/feed 200 operator feed
GET {T}/feed/stream 200 operator feed
GET {T}/feed/cursors 200 operator feed
GET {T}/feed/cursors/{{name}} 200 operator feed
PUT {T}/feed/cursors/{{name}} 200 operator feed
DELETE {T}/feed/cursors/{{name}} 204 operator feed
GET {T}/feed/ws 101 ticket sockets
POST /actors/{{class}}/{{name}}/rpc/{{method}} 200 operator actors
GET /actors/{{class}}/{{name}}/{{path}} 200 operator actors
GET /api/objects 200 operator objects
GET /api/objects/{{class}}/{{name}} 200 operator objects
POST /api/objects/{{class}}/{{name}}/sql 200 operator objects
GET /api/alarms 200 operator objects
POST /actors/{{class}}/{{name}}/{{path}} 200 operator actors
PUT /actors/{{class}}/{{name}}/{{path}} 200 operator actors
PATCH /actors/{{class}}/{{name}}/{{path}} 200 operator actors
DELETE /actors/{{class}}/{{name}}/{{path}} 200 operator actors
"""
ROWS = [tuple(line.split()) for line in CONTRACT.split("\n") if line]

# What a POST, PUT or PATCH needs at least; the other bodies may be empty.
BODIES: dict[str, dict[str, Any]] = {
    "/api/owners": {"name": "ann"},
    "/api/owners/{owner}/keys": {"scope": "read"},
    U + "/towns": {"name": "boom"},
    U + "/towns/{town}": {"name": "boom"},
    U + "/rigs": {"town_id": TOWN, "name": "app", "git_url": "https://example.invalid/a.git"},
    T + "/config": {"approval": "landing"},
    T + "/convoys": {"rig_id": RIG, "convoy_title": "c", "tasks": [{"title": "t"}]},
    T + "/approvals/{bead}": {"approve": True},
    T + "/chaos": {"fault": "kill-agent"},
    R + "/beads": {"title": "t"},
    R + "/beads/{bead}/status": {"status": "open"},
    R + "/sling": {"title": "t"},
    R + "/agents": {"role": "polecat", "name": "n", "identity": "i"},
    R + "/agents/get-or-create": {"role": "polecat"},
    A + "/hook": {"bead_id": BEAD},
    A + "/done": {"branch": "b"},
    A + "/request-changes": {"feedback": "f"},
    A + "/completed": {"status": "completed"},
    A + "/status": {"message": "m"},
    A + "/eviction-context": {"branch": "b", "saved_at": "2026-01-01T00:00:00Z"},
    T + "/agents": {"role": "architect"},
    E + "/reassign-workers": {"to": "mayor"},
    T + "/sessions/{session}/claim-pr": {"pr": "#7"},
    E + "/watched-repos": {"owner": "acme", "repo": "app"},
    T + "/container-ready": {"nonce": "n"},
    R + "/mail": {"to_agent_id": AGENT, "subject": "s", "body": "b"},
    R + "/review-queue": {"bead_id": BEAD, "branch": "b"},
    R + "/review-queue/{entry}/complete": {"status": "merged"},
    R + "/escalations": {"title": "t"},
    M + "/sling": {"rig_id": RIG, "title": "t"},
    M + "/sling-batch": {"rig_id": RIG, "convoy_title": "c", "tasks": [{"title": "t"}]},
    M + "/rigs/{rig}/beads/{bead}/reassign": {"agent_id": AGENT},
    M + "/rigs/{rig}/beads/bulk-delete": {"bead_ids": [BEAD]},
    M + "/rigs/{rig}/beads/delete-by-status": {"status": "closed"},
    M + "/convoys/{convoy}/add-bead": {"bead_id": BEAD},
    M + "/convoys/{convoy}/remove-bead": {"bead_id": BEAD},
    M + "/mail": {"rig_id": RIG, "to_agent_id": AGENT, "subject": "s", "body": "b"},
    "/api/tickets": {"kind": "feed", "town": TOWN},
    T + "/feed/cursors/{name}": {"seq": 7},
    "/actors/{class}/{name}/rpc/{method}": {"amount": 2},
    "/api/objects/{class}/{name}/sql": {"query": "SELECT 1"},
}
PARAMETERS = {
    "town": TOWN,
    "rig": RIG,
    "bead": BEAD,
    "agent": AGENT,
    "session": SESSION,
    "convoy": CONVOY,
    "escalation": ESCALATION,
    "entry": REVIEW,
    "watch": REVIEW,
    "action": "memory.list",
    "user": "local",
    "owner": "local",
    "key": KEY_ID,
    "class": "Counter",
    "name": "c1",
    "method": "add",
    "path": "count",
}
STREAMS = (T + "/feed/stream", T + "/feed/ws")  # their answers do not end by themselves
TICKETS = "/api/tickets"  # of a key for reading, they open what may be read
OBJECT_STATUS = 207  # an object's own answer passes as it is


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: PARAMETERS[found.group(1)], path)


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


def test_the_table_holds_exactly_the_contracts_rows_of_its_groups() -> None:
    built = [
        (
            route.method,
            re.sub(r":[^}]*", "", route.path),
            str(route.status),
            ",".join(route.credentials),
            route.group,
        )
        for route in ROUTES
    ]
    assert sorted(built) == sorted(ROWS)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[1] not in STREAMS], ids=lambda row: f"{row[0]} {row[1]}"
)
async def test_each_route_answers_its_status(front: FrontWorld, row: tuple[str, ...]) -> None:
    method, path, status, credentials, group = row
    is_operators = "operator" in credentials
    credential = front.operator_key() if is_operators else front.container_token()
    if credentials == "session":
        credential = front.session_token()
    if method == "DELETE" and path.endswith("{key}"):
        front.operator_key("read")
    reply = await front.call(
        method,
        filled(path),
        BODIES.get(path),
        credential=None if credentials == "none" else credential,
    )
    is_fetch = group == "actors" and not path.endswith("{method}")
    assert reply.status == (OBJECT_STATUS if is_fetch else int(status)), reply.content
    assert reply.headers["X-Request-Id"]
    if status == "204":
        assert reply.content == b""
    elif not is_fetch and path not in ("/", "/openapi.json"):
        assert reply.json["success"] is True


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[3] != "none"], ids=lambda row: f"{row[0]} {row[1]}"
)
async def test_nobody_is_refused_by_every_route_that_asks_for_a_credential(
    front: FrontWorld, row: tuple[str, ...]
) -> None:
    reply = await front.call(row[0], filled(row[1]), BODIES.get(row[1]))
    assert (reply.status, reply.code) == (401, "UNAUTHENTICATED")
    assert reply.json["error"] == "Authentication required"
    assert front.fakes.town.commands == []


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row[0] != "GET" and "operator" in row[3] and row[1] != TICKETS],
    ids=lambda row: f"{row[0]} {row[1]}",
)
async def test_a_key_for_reading_changes_nothing(front: FrontWorld, row: tuple[str, ...]) -> None:
    key = front.operator_key("read")
    reply = await front.call(row[0], filled(row[1]), BODIES.get(row[1]), credential=key)
    assert (reply.status, reply.code) == (403, "FORBIDDEN_SCOPE")
    assert front.fakes.town.commands == []


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row[4] in ("agent", "beads", "agents", "rig")],
    ids=lambda row: f"{row[0]} {row[1]}",
)
async def test_an_agents_token_serves_its_own_rig(front: FrontWorld, row: tuple[str, ...]) -> None:
    token = front.session_token()
    reply = await front.call(row[0], filled(row[1]), BODIES.get(row[1]), credential=token)
    assert reply.status == int(row[2]), reply.content
    asked = front.fakes.town.commands or front.fakes.town.questions
    assert (asked[-1].caller.kind, asked[-1].caller.session_id) == ("session", SESSION)


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if "session" not in row[3] and "mayor" not in row[3] and row[3] != "none"],
    ids=lambda row: f"{row[0]} {row[1]}",
)
async def test_an_agents_token_serves_nothing_else(front: FrontWorld, row: tuple[str, ...]) -> None:
    token = front.session_token()
    reply = await front.call(row[0], filled(row[1]), BODIES.get(row[1]), credential=token)
    assert (reply.status, reply.code) == (403, "FORBIDDEN_SCOPE")


def test_a_route_that_agents_may_call_late_is_one_that_answers_stale() -> None:
    late = [route.path.rpartition("/")[2] for route in ROUTES if route.lateness == "told_stale"]
    assert sorted(late) == [
        "checkpoint",
        "completed",
        "container-events",
        "done",
        "eviction-context",
        "heartbeat",
        "status",
        "waiting",
    ]


async def test_the_document_describes_every_route(front: FrontWorld) -> None:
    document = (await front.call("GET", "/openapi.json")).json
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(row[0], row[1]) for row in ROWS}
    schemas = document["components"]["schemas"]
    assert schemas["BeadView"]["properties"]["created_at"] == {
        "type": "string",
        "format": "date-time",
    }
    assert "BEAD_NOT_FOUND" in schemas["Failure"]["properties"]["code"]["enum"]
    open_routes = [route for route in ROUTES if Credential.NONE in route.credentials]
    assert all(
        "security" not in document["paths"][route.path][route.method.lower()]
        for route in open_routes
    )
