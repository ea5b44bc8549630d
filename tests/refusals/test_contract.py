"""The contract's table of routes against this server's: what is there, and with which codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.http.error_page import errors_page
from boomtown.http.openapi_document import openapi_document
from boomtown.http.route_codes import OWN_CODES, codes_of
from boomtown.http.route_table import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
CONTRACT_FILE = Path(__file__).with_name("routes.tsv")
CONTRACT = [line.split("\t") for line in CONTRACT_FILE.read_text().splitlines()[1:]]

# Routes of the contract that this server does not have yet. The list only shrinks.
MISSING = """
GET /metrics
GET /dashboard.json
POST /api/towns/{town}/mayor/configure
POST /api/towns/{town}/mayor/message
POST /api/towns/{town}/mayor/ensure
POST /api/towns/{town}/mayor/destroy
GET /api/towns/{town}/mayor/status
GET /api/towns/{town}/rigs/{rig}/agents/{agent}/pending-nudges
POST /api/towns/{town}/rigs/{rig}/agents/{agent}/nudge-delivered
GET /api/towns/{town}/rigs/{rig}/agents/{agent}/db-snapshot
POST /api/towns/{town}/rigs/{rig}/agents/{agent}/db-snapshot
DELETE /api/towns/{town}/rigs/{rig}/agents/{agent}/db-snapshot
GET /api/towns/{town}/rigs/{rig}/agents/{agent}/molecule/current
POST /api/towns/{town}/rigs/{rig}/agents/{agent}/molecule/advance
POST /api/towns/{town}/rigs/{rig}/nudge
POST /api/towns/{town}/rigs/{rig}/molecules
POST /api/towns/{town}/rigs/{rig}/triage/resolve
POST /api/towns/{town}/rigs/{rig}/agent-events
POST /api/towns/{town}/rigs/{rig}/refresh-git-token
POST /api/towns/{town}/container/agents/start
POST /api/towns/{town}/container/agents/{agent}/stop
POST /api/towns/{town}/container/agents/{agent}/message
GET /api/towns/{town}/container/agents/{agent}/status
POST /api/towns/{town}/container/agents/{agent}/stream-ticket
GET /api/towns/{town}/container/health
GET /api/mayor/{town}/tools/rigs/{rig}/agents/{agent}/pending-nudges
POST /api/mayor/{town}/tools/ui-action
GET /api/towns/{town}/status/ws
GET /api/towns/{town}/container/agents/{agent}/stream
GET /api/towns/{town}/container/agents/{agent}/pty/{pty}/connect
GET /debug/towns/{town}/status
POST /debug/towns/{town}/reconcile-dry-run
POST /debug/towns/{town}/replay-events
GET /debug/towns/{town}/drain-status
GET /debug/towns/{town}/nudges
GET /debug/towns/{town}/beads/{bead}
GET /debug/towns/{town}/explain/{subject}
GET /api/towns/{town}/explain/{subject}
GET /dashboard/stream
GET /assets/{path}
POST /api/backup
GET /api/towns/{town}/container/agents/{agent}/pty
POST /api/towns/{town}/container/agents/{agent}/pty
PUT /api/towns/{town}/container/agents/{agent}/pty/{pty}
DELETE /api/towns/{town}/container/agents/{agent}/pty/{pty}
"""

# Routes that this server has beside the contract's.
OURS = (("GET", "/api/towns/{town}/feed/cursors"),)


def plain(path: str) -> str:
    """A path of the table as the contract writes it."""
    return re.sub(r":[^}]*", "", path)


BUILT = {(route.method, plain(route.path)): route for route in ROUTES}


def test_stmt_C09_what_the_contract_has_and_we_have_not_is_listed() -> None:
    listed = MISSING.split("\n")[1:-1]
    missing = [f"{row[0]} {row[1]}" for row in CONTRACT if (row[0], row[1]) not in BUILT]
    assert sorted(set(missing) - set(listed)) == [], "the contract has routes that were lost"
    assert sorted(set(listed) - set(missing)) == [], "these are built: take them off the list"


def test_a_route_of_ours_is_in_the_contract_or_named_as_our_own() -> None:
    known = {(row[0], row[1]) for row in CONTRACT}
    assert [key for key in BUILT if key not in known] == list(OURS)


@pytest.mark.parametrize(
    "row",
    [row for row in CONTRACT if (row[0], row[1]) in BUILT],
    ids=lambda row: f"{row[0]} {row[1]}",
)
def test_a_route_answers_with_the_contracts_status_in_its_group(row: list[str]) -> None:
    route = BUILT[row[0], row[1]]
    assert (str(route.status), route.group) == (row[2], row[4])


def test_stmt_C09_every_route_is_described_with_its_codes() -> None:
    document = openapi_document(ROUTES, version="9.9.9")
    for key, route in BUILT.items():
        described: dict[str, Any] = document["paths"][key[1]][key[0].lower()]["responses"]
        told = [
            code
            for status, answer in described.items()
            if status.isdigit() and int(status) >= 400
            for code in answer["description"].split(", ")
        ]
        assert sorted(told) == sorted(codes_of(route)), key
        for code in told:
            assert str(REGISTRY[ErrorCode(code)].status) in described


def test_codes_are_listed_for_handlers_of_the_table_only() -> None:
    assert {*OWN_CODES} <= {route.handler for route in ROUTES}


def test_the_page_of_codes_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page()
