"""Every failure leaves in the one envelope."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from boomtown.actors import DataCloneError, DurableObjectError, RemoteError
from boomtown.actors.town.commands import CreateBead, SlingBead
from boomtown.actors.town.questions import GetTownStatus, ListBeads
from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.errors import Conflict, error_for
from boomtown.http.error_responses import failure_of
from support.fake_town import OTHER, RIG, TOWN, refused
from support.front_world import FrontWorld, Reply, open_front

BEADS = f"/api/towns/{TOWN}/rigs/{RIG}/beads"
STATUS = f"/api/towns/{TOWN}/status"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


def check_envelope(reply: Reply, status: int, code: str) -> None:
    """The whole shape of http.md 1."""
    said = reply.json
    assert (reply.status, said["code"], said["success"]) == (status, code, False)
    assert said["kind"] == REGISTRY[ErrorCode(code)].kind
    assert said["requestId"] == reply.headers["X-Request-Id"]
    assert said["error"]
    assert "\n" not in said["error"]
    assert isinstance(said["details"], dict)
    assert reply.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing/here"),
        ("GET", f"/api/towns/{TOWN}/nothing"),
        ("POST", f"/api/towns/{TOWN}/mayor/ensure"),
        ("GET", "/metrics"),
        ("GET", "/api/rigs/x/beads"),
    ],
)
async def test_an_unknown_route_is_404(front: FrontWorld, method: str, path: str) -> None:
    check_envelope(await front.call(method, path), 404, "ROUTE_NOT_FOUND")


async def test_a_wrong_method_is_405_and_names_the_right_ones(front: FrontWorld) -> None:
    reply = await front.call("PUT", BEADS, {})
    check_envelope(reply, 405, "METHOD_NOT_ALLOWED")
    assert reply.headers["Allow"] == "GET,POST"


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"nonsense",
        b'{"title": }',
        b"\xff\xfe",
        b'{"title": "\xff"}',
        b'{"title": "\\ud800"}',
        b'{"title": "t", "metadata": {"a": ' + b"[" * 100_000,
    ],
    ids=["cut", "word", "empty", "bytes", "not_utf_8", "half_a_character", "deep"],
)
async def test_a_body_that_is_no_json_is_400(front: FrontWorld, data: bytes) -> None:
    reply = await front.call("POST", BEADS, data=data, credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_JSON")


async def test_a_body_that_is_not_encoded_as_it_says_is_400(front: FrontWorld) -> None:
    key = front.operator_key()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = await front.call("POST", BEADS, data=b"junk" * 9, credential=key, headers=headers)
    assert reply.status == 400
    assert front.fakes.town.commands == []


async def test_a_body_over_the_bound_is_413_and_one_of_the_bound_is_read(
    front: FrontWorld,
) -> None:
    key = front.operator_key()
    bound = front.services.limits.body_bytes_max
    start = b'{"title": "t", "x": "'
    fits = start + b"x" * (bound - len(start) - 2) + b'"}'
    assert len(fits) == bound
    assert (await front.call("POST", BEADS, data=fits, credential=key)).status == 201
    reply = await front.call("POST", BEADS, data=fits + b" ", credential=key)
    check_envelope(reply, 413, "PAYLOAD_TOO_LARGE")


async def test_a_fault_is_500_shows_nothing_and_is_logged_once(
    front: FrontWorld, caplog: pytest.LogCaptureFixture
) -> None:
    secret = 'no such table: beads in "/srv/data/x.sqlite"'
    front.fakes.town.answers[GetTownStatus] = RuntimeError(secret)
    reply = await front.call("GET", STATUS, credential=front.operator_key())
    check_envelope(reply, 500, "INTERNAL_ERROR")
    assert reply.json["error"] == "Internal error"
    assert b"sqlite" not in reply.content
    assert b"Traceback" not in reply.content
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in faults] == [
        f"request_failed request_id={reply.headers['X-Request-Id']}"
    ]
    assert faults[0].exc_info is not None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DurableObjectError("reset", durable_object_reset=True), 503, "OBJECT_RESET"),
        (DurableObjectError("moved", retryable=True), 503, "OBJECT_RESET"),
        (DurableObjectError("busy", overloaded=True, retryable=True), 429, "OVERLOADED"),
        (DurableObjectError("broken"), 500, "INTERNAL_ERROR"),
        (RemoteError("KeyError", "x"), 500, "INTERNAL_ERROR"),
    ],
    ids=["reset", "retryable", "overloaded", "broken", "remote"],
)
async def test_an_objects_failure_says_whether_to_try_again(
    front: FrontWorld, error: Exception, status: int, code: str
) -> None:
    front.fakes.town.answers[GetTownStatus] = error
    reply = await front.call("GET", STATUS, credential=front.operator_key())
    check_envelope(reply, status, code)
    assert ("Retry-After" in reply.headers) == (status != 500)


async def test_a_refusal_of_the_town_keeps_its_code_and_details(front: FrontWorld) -> None:
    front.fakes.town.answers[SlingBead] = refused(ErrorCode.RIG_PAUSED, rig=OTHER)
    path = f"/api/towns/{TOWN}/rigs/{RIG}/sling"
    reply = await front.call("POST", path, {"title": "t"}, credential=front.operator_key())
    check_envelope(reply, 409, "RIG_PAUSED")
    assert reply.json["details"] == {"rig": OTHER}
    assert reply.json["kind"] == "conflict"


async def test_a_value_that_cannot_cross_is_the_callers_fault(front: FrontWorld) -> None:
    front.fakes.town.answers[CreateBead] = DataCloneError("nested deeper than 200")
    reply = await front.call("POST", BEADS, {"title": "t"}, credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_BODY")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_its_status_and_a_line_for_people(code: ErrorCode) -> None:
    failure = failure_of(error_for(code))
    assert failure.status == REGISTRY[code].status
    assert failure.is_fault == (failure.status == 500)
    assert failure.refusal.message


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "title"),
        ({"title": 5}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "t", "priority": "urgent"}, "priority"),
        ({"title": "t", "labels": "gt:held"}, "labels"),
        ({"title": "t", "labels": ["a", 5]}, "labels[1]"),
        ({"title": "t", "metadata": []}, "metadata"),
        ([], ""),
        ("text", ""),
    ],
)
async def test_a_body_of_the_wrong_shape_is_400_with_its_issue(
    front: FrontWorld, body: object, path: str
) -> None:
    reply = await front.call("POST", BEADS, body, credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_BODY")
    assert [issue["path"] for issue in reply.json["issues"]] == [path]
    assert reply.json["issues"][0]["message"]
    assert front.fakes.town.commands == []


async def test_an_issue_inside_a_list_names_its_place(front: FrontWorld) -> None:
    body = {"rig_id": RIG, "convoy_title": "c", "tasks": [{"title": "a"}, {"body": "b"}]}
    path = f"/api/mayor/{TOWN}/tools/sling-batch"
    reply = await front.call("POST", path, body, credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_BODY")
    assert reply.json["issues"][0]["path"] == "tasks[1].title"


@pytest.mark.parametrize("query", ["limit=abc", "offset=-1", "limit=1.5", "limit=", "limit=%C2%B2"])
async def test_a_list_parameter_that_is_no_count_is_400_and_says_so(
    front: FrontWorld, query: str
) -> None:
    reply = await front.call("GET", f"{BEADS}?{query}", credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_QUERY")
    assert "non-negative integers" in reply.json["error"]
    assert reply.json["issues"][0]["path"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("query", "limit", "offset"),
    [("", 100, 0), ("limit=2&offset=4", 2, 4), ("limit=0", 0, 0), ("limit=99999", 1000, 0)],
)
async def test_list_parameters_reach_the_town_within_their_bound(
    front: FrontWorld, query: str, limit: int, offset: int
) -> None:
    reply = await front.call("GET", f"{BEADS}?{query}", credential=front.operator_key())
    assert reply.status == 200
    question = front.fakes.town.questions[-1].question
    assert isinstance(question, ListBeads)
    assert (question.limit, question.offset) == (limit, offset)


@pytest.mark.parametrize("query", ["status=done", "type=task"])
async def test_a_filter_that_is_none_of_the_enum_is_400(front: FrontWorld, query: str) -> None:
    reply = await front.call("GET", f"{BEADS}?{query}", credential=front.operator_key())
    check_envelope(reply, 400, "INVALID_QUERY")


@pytest.mark.parametrize(
    ("since", "at_ms"),
    [
        ("2027-01-15T08:00:00.123Z", 1_800_000_000_123),
        ("2027-01-15T09:00:00.123%2B01:00", 1_800_000_000_123),
        ("2027-01-15T09:00:00.123+01:00", 1_800_000_000_123),
        ("1800000000123", 1_800_000_000_123),
    ],
)
async def test_since_is_iso_text_or_milliseconds(front: FrontWorld, since: str, at_ms: int) -> None:
    path = f"/api/towns/{TOWN}/rigs/{RIG}/events?since={since}"
    reply = await front.call("GET", path, credential=front.operator_key())
    assert reply.status == 200
    assert front.fakes.town.questions[-1].question.since_ms == at_ms  # type: ignore[union-attr]
    bad = await front.call("GET", f"{path}x", credential=front.operator_key())
    check_envelope(bad, 400, "INVALID_QUERY")


class _Taken(Conflict):
    """A refusal of somebody's own class."""


def raised_from(error: Exception, *causes: Exception) -> Exception:
    """`error`, raised from the next of `causes`, and that from the next."""
    outer = error
    for cause in causes:
        error.__cause__ = cause
        error = cause
    return outer


TAKEN = _Taken(ErrorCode.AGENT_NAME_TAKEN, "ann is taken")


@pytest.mark.parametrize(
    "error",
    [
        TAKEN,
        raised_from(RuntimeError("/srv/x.sqlite"), TAKEN),
        raised_from(RuntimeError("SELECT 1"), ValueError("x"), TAKEN),
        ExceptionGroup("tasks", [TAKEN]),
        raised_from(OSError("x"), ExceptionGroup("tasks", [TAKEN])),
    ],
    ids=["subclass", "wrapped", "wrapped_twice", "group", "wrapped_group"],
)
def test_stmt_C08_a_wrapped_refusal_keeps_its_code_and_says_nothing_of_its_wrapper(
    error: Exception,
) -> None:
    failure = failure_of(error)
    assert (failure.status, failure.refusal.code) == (409, ErrorCode.AGENT_NAME_TAKEN)
    assert failure.refusal.message == "ann is taken"
    assert not failure.is_fault


@pytest.mark.parametrize(
    "error",
    [
        raised_from(AssertionError("a bug"), TAKEN),
        RuntimeError("no such table: beads"),
        ExceptionGroup("tasks", [TAKEN, RuntimeError("x")]),
        ExceptionGroup("tasks", [TAKEN, error_for(ErrorCode.BEAD_BUSY)]),
        raised_from(RuntimeError("x"), DurableObjectError("broken")),
    ],
    ids=["assertion", "unknown", "mixed_group", "group_of_two", "broken_object"],
)
def test_stmt_C08_what_is_no_refusal_stays_a_fault(error: Exception) -> None:
    failure = failure_of(error)
    assert (failure.status, failure.is_fault) == (500, True)
    assert failure.refusal.message == "Internal error"
    assert failure.refusal.details == {}
