"""The observer's routes: what they ask a town, and how they say its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boomtown.actors.town.commands_of_observer import ClaimPr, PollForges, RecheckObserver
from boomtown.actors.town.questions_of_observer import ListPrs
from boomtown.container_sim.forge.model import PullRequestState
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId, SessionId
from support.fake_town import AGENT, SESSION, TOWN, refused
from support.front_world import FrontWorld, open_front

BASE = f"/api/towns/{TOWN}"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


async def test_an_observer_is_shown_with_its_repositories_and_instants_as_text(
    front: FrontWorld,
) -> None:
    reply = await front.call("GET", f"{BASE}/observers", credential=front.operator_key())
    (observer,) = reply.json["data"]
    assert (observer["name"], observer["state"]) == ("scm", "active")
    assert observer["checked_at"] == "2027-01-15T08:00:00.000Z"
    assert observer["repos"][0]["polled_at"] == "2027-01-15T08:00:00.000Z"


async def test_recheck_and_poll_are_commands(front: FrontWorld) -> None:
    key = front.operator_key()
    recheck = await front.call("POST", f"{BASE}/observers/scm/recheck", credential=key)
    poll = await front.call("POST", f"{BASE}/observers/scm/poll", credential=key)
    assert (recheck.status, poll.status) == (200, 202)
    sent = [type(request.command) for request in front.fakes.town.commands]
    assert sent == [RecheckObserver, PollForges]


async def test_a_poll_of_a_disabled_observer_is_503(front: FrontWorld) -> None:
    front.fakes.town.answers[PollForges] = refused(ErrorCode.SCM_UNAVAILABLE)
    reply = await front.call("POST", f"{BASE}/observers/scm/poll", credential=front.operator_key())
    assert (reply.status, reply.code) == (503, "SCM_UNAVAILABLE")


async def test_requests_are_narrowed_by_agent_and_state(front: FrontWorld) -> None:
    key = front.operator_key()
    path = f"{BASE}/prs?agent={AGENT}&state=open&limit=5"
    reply = await front.call("GET", path, credential=key)
    assert reply.json["data"][0]["number"] == 7
    wanted = ListPrs(agent_id=AgentId(AGENT), state=PullRequestState.OPEN, limit=5)
    assert front.fakes.town.questions[-1].question == wanted
    bad = await front.call("GET", f"{BASE}/prs?state=ajar", credential=key)
    assert (bad.status, bad.code) == (400, "INVALID_QUERY")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.SESSION_TERMINATED, 409),
        (ErrorCode.SESSION_NOT_CLAIMABLE, 422),
        (ErrorCode.SESSION_NO_WORKSPACE, 422),
        (ErrorCode.INVALID_PR_REF, 400),
        (ErrorCode.PR_RIG_MISMATCH, 422),
        (ErrorCode.SCM_UNAVAILABLE, 503),
        (ErrorCode.PR_NOT_FOUND, 404),
        (ErrorCode.PR_NOT_OPEN, 409),
        (ErrorCode.PR_CLAIMED_BY_ACTIVE_AGENT, 409),
    ],
)
async def test_a_refused_claim_has_its_code_and_status(
    front: FrontWorld, code: ErrorCode, status: int
) -> None:
    front.fakes.town.answers[ClaimPr] = refused(code, session="s")
    reply = await front.call(
        "POST",
        f"{BASE}/sessions/{SESSION}/claim-pr",
        {"pr": "7", "takeover": True},
        credential=front.operator_key(),
    )
    assert (reply.status, reply.code) == (status, code.value)
    assert reply.json["details"] == {"session": "s"}
    sent = front.fakes.town.commands[-1].command
    assert sent == ClaimPr(session_id=SessionId(SESSION), pr="7", takeover=True)
