"""The client against answers that our forge does not give: odd corners of real ones, and lies."""

from __future__ import annotations

from typing import Any

import pytest

from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.model import (
    CheckStatus,
    FailureKind,
    Fetched,
    ForgeFailed,
    NotFound,
    NotLearnt,
    PullRequest,
    PullRequestState,
    RateLimited,
    RepositoryName,
    Unauthorized,
)
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest
from boomtown.limits import ForgeLimits
from boomtown.testing import ManualClock
from boomtown.wire import encode_json

BASE = "https://forge.invalid"
API = f"{BASE}/api/v3"
REPO = RepositoryName(owner="acme", name="widgets")
SHA = "ab" * 20
NOW_S = 1_800_000_000
PULL: dict[str, Any] = {
    "number": 1,
    "html_url": f"{BASE}/acme/widgets/pull/1",
    "title": "Title",
    "user": None,
    "state": "open",
    "head": {"ref": "work", "sha": SHA, "label": "acme:work"},
    "base": {"ref": "main", "sha": SHA, "label": "acme:main"},
    "created_at": "2026-11-21T08:15:00Z",
    "labels": [{"name": "new field"}],
}


class ScriptedWay:
    """Satisfies ForgeWay: the answers in their order, each after `each_ms` of the clock."""

    def __init__(self, clock: ManualClock, *answers: ForgeAnswer, each_ms: int = 0) -> None:
        self._clock = clock
        self._answers = list(answers)
        self._each_ms = each_ms
        self.requests: list[ForgeRequest] = []
        self.timeouts_ms: list[int] = []

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        self.requests.append(request)
        self.timeouts_ms.append(timeout_ms)
        await self._clock.advance_ms(self._each_ms)
        return self._answers.pop(0)

    async def close(self) -> None:
        """There is nothing to close."""


def said(value: object, status: int = 200, **headers: str) -> ForgeAnswer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return ForgeAnswer(status=status, headers=named, body=encode_json(value))


def client_over(*answers: ForgeAnswer, each_ms: int = 0) -> tuple[ForgeClient, ScriptedWay]:
    clock = ManualClock()
    way = ScriptedWay(clock, *answers, each_ms=each_ms)
    site = ForgeSite(base_url=BASE)
    return ForgeClient(site, way, clock, ForgeLimits(), find_token=lambda _: "secret"), way


async def outcome_of(answer: ForgeAnswer) -> Fetched[PullRequest] | NotLearnt:
    client, _ = client_over(answer)
    return await client.get_pull_request(REPO, 1, timeout_ms=1_000)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (said({}, 401), Unauthorized(is_known=False)),
        (said({}, 403), Unauthorized(is_known=True)),
        (said({}, 403, x_ratelimit_remaining="1"), Unauthorized(is_known=True)),
        (
            said({}, 403, x_ratelimit_remaining="0", x_ratelimit_reset=str(NOW_S + 5)),
            RateLimited(retry_at_ms=(NOW_S + 5) * 1000),
        ),
        # A reset that is over already: now, and never in the past.
        (
            said({}, 403, x_ratelimit_remaining="0", x_ratelimit_reset="12"),
            RateLimited(retry_at_ms=NOW_S * 1000),
        ),
        (said({}, 403, retry_after="7"), RateLimited(retry_at_ms=(NOW_S + 7) * 1000)),
        (said({}, 429), RateLimited(retry_at_ms=(NOW_S + 60) * 1000)),
        (said({}, 429, retry_after="soon"), RateLimited(retry_at_ms=(NOW_S + 60) * 1000)),
        (said({}, 404), NotFound()),
        (said({}, 410), NotFound()),
        (said({}, 503), ForgeFailed(kind=FailureKind.SERVER_ERROR, detail="status 503")),
        (said({}, 302), ForgeFailed(kind=FailureKind.MALFORMED, detail="status 302")),
        (said({}, 304), ForgeFailed(kind=FailureKind.MALFORMED, detail="status 304")),
    ],
)
async def test_status_is_read_once(answer: ForgeAnswer, outcome: NotLearnt) -> None:
    assert await outcome_of(answer) == outcome


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"number": 1}', b"<html>", b'{"title": "\xff"}', b"[]"],
)
async def test_body_that_cannot_be_an_answer_is_malformed(body: bytes) -> None:
    outcome = await outcome_of(ForgeAnswer(status=200, body=body))
    assert isinstance(outcome, ForgeFailed)
    assert outcome.kind is FailureKind.MALFORMED


async def test_bad_instant_is_malformed() -> None:
    outcome = await outcome_of(said({**PULL, "created_at": "yesterday"}))
    assert isinstance(outcome, ForgeFailed)
    assert outcome.kind is FailureKind.MALFORMED


async def test_unknown_fields_and_accounts_that_are_gone_are_let_be() -> None:
    outcome = await outcome_of(said({**PULL, "state": "closed", "merged_at": None}))
    assert isinstance(outcome, Fetched)
    assert (outcome.value.author, outcome.value.state) == ("", PullRequestState.CLOSED)


async def test_token_is_shown_and_never_in_the_address() -> None:
    client, way = client_over(said(PULL))
    await client.get_pull_request(REPO, 1, timeout_ms=1_000)
    (request,) = way.requests
    assert request.url == f"{API}/repos/acme/widgets/pulls/1"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["x-github-api-version"] == "2022-11-28"


async def test_listing_is_not_followed_to_another_server() -> None:
    link = '<https://evil.invalid/api/v3/pulls?page=2>; rel="next"'
    client, way = client_over(said([PULL], link=link))
    outcome = await client.list_open_pull_requests(REPO, etag=None, timeout_ms=1_000)
    assert isinstance(outcome, ForgeFailed)
    assert (outcome.kind, len(way.requests)) == (FailureKind.MALFORMED, 1)


async def test_listing_is_followed_where_the_forge_says() -> None:
    link = f'<{API}/repositories/5/pulls?page=2>; rel="next", <{API}/x>; rel="last"'
    client, way = client_over(said([PULL], link=link, etag='"a"'), said([PULL], etag='"b"'))
    outcome = await client.list_open_pull_requests(REPO, etag=None, timeout_ms=1_000)
    assert isinstance(outcome, Fetched)
    assert (len(outcome.value.items), outcome.etag) == (2, '"a" "b"')
    assert way.requests[1].url == f"{API}/repositories/5/pulls?page=2"


async def test_listing_that_leads_to_itself_is_left_incomplete() -> None:
    link = f'<{API}/pulls?page=2>; rel="next"'
    client, way = client_over(*(said([PULL], link=link, etag='"a"') for _ in range(5)))
    outcome = await client.list_open_pull_requests(REPO, etag=None, timeout_ms=1_000)
    assert isinstance(outcome, Fetched)
    assert (outcome.value.is_complete, outcome.etag, len(way.requests)) == (False, None, 2)


async def test_threads_whose_cursor_stands_still_are_left_incomplete() -> None:
    nowhere: dict[str, Any] = {
        "pageInfo": {"hasNextPage": True, "endCursor": "same"},
        "nodes": [],
    }
    threads = {"reviewThreads": nowhere}
    page = said({"data": {"repository": {"pullRequest": threads}}})
    client, way = client_over(*(page for _ in range(5)))
    outcome = await client.list_review_threads(REPO, 1, timeout_ms=1_000)
    assert isinstance(outcome, Fetched)
    assert (outcome.value.is_complete, len(way.requests)) == (False, 2)


async def test_page_that_changed_has_all_pages_fetched_again() -> None:
    fresh = (said([PULL], etag='"c"'),)
    client, way = client_over(ForgeAnswer(status=304), said([PULL], etag='"d"'), *fresh)
    outcome = await client.list_open_pull_requests(REPO, etag='"a" "b"', timeout_ms=1_000)
    assert isinstance(outcome, Fetched)
    assert outcome.etag == '"c"'
    shown = [request.headers.get("if-none-match") for request in way.requests]
    assert shown == ['"a"', '"b"', None]


async def test_all_requests_of_a_question_share_its_time() -> None:
    link = f'<{API}/pulls?page={{}}>; rel="next"'
    answers = [said([PULL], link=link.format(number)) for number in range(2, 6)]
    client, way = client_over(*answers, each_ms=400)
    outcome = await client.list_open_pull_requests(REPO, etag=None, timeout_ms=1_000)
    assert isinstance(outcome, ForgeFailed)
    assert outcome.kind is FailureKind.TIMEOUT
    assert way.timeouts_ms == [1_000, 600, 200]


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("NOT_FOUND", NotFound()),
        ("FORBIDDEN", Unauthorized(is_known=True)),
        ("RATE_LIMITED", RateLimited(retry_at_ms=(NOW_S + 60) * 1000)),
        ("OTHER", ForgeFailed(kind=FailureKind.SERVER_ERROR, detail="OTHER")),
    ],
)
async def test_graphql_error_is_what_its_status_would_be(kind: str, outcome: NotLearnt) -> None:
    client, _ = client_over(said({"data": None, "errors": [{"type": kind, "message": "no"}]}))
    assert await client.list_review_threads(REPO, 1, timeout_ms=1_000) == outcome


@pytest.mark.parametrize("data", [None, {"repository": None}])
async def test_graphql_without_data_says_nothing(data: object) -> None:
    client, _ = client_over(said({"data": data}))
    outcome = await client.list_review_threads(REPO, 1, timeout_ms=1_000)
    assert isinstance(outcome, ForgeFailed if data is None else NotFound)


@pytest.mark.parametrize(
    ("status", "conclusion", "expected"),
    [
        ("queued", None, CheckStatus.PENDING),
        ("in_progress", None, CheckStatus.PENDING),
        ("waiting", None, CheckStatus.PENDING),
        ("completed", "success", CheckStatus.PASSED),
        ("completed", "skipped", CheckStatus.NEUTRAL),
        ("completed", "cancelled", CheckStatus.FAILED),
        ("completed", "timed_out", CheckStatus.FAILED),
        ("completed", "action_required", CheckStatus.FAILED),
        ("completed", "something_new", CheckStatus.FAILED),
    ],
)
async def test_conclusion_of_a_check_is_never_taken_for_better(
    status: str, conclusion: str | None, expected: CheckStatus
) -> None:
    output = {"title": "T", "summary": "Summary", "text": None}
    run = {"id": 3, "name": "ci", "head_sha": SHA, "status": status, "output": output}
    runs = said({"total_count": 1, "check_runs": [{**run, "conclusion": conclusion}]})
    statuses = said({"total_count": 0, "statuses": []})
    client, way = client_over(runs, statuses, said({}, 403))
    outcome = await client.list_checks(REPO, SHA, timeout_ms=1_000)
    assert isinstance(outcome, Fetched)
    (check,) = outcome.value.items
    assert check.status is expected
    # The log is not for our token: then what the check says itself.
    is_failed = expected is CheckStatus.FAILED
    assert check.log_tail == ("Summary" if is_failed else None)
    assert len(way.requests) == (3 if is_failed else 2)
