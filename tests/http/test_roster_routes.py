"""The roster's routes: what they ask the town, and which status its answer gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from boomtown.actors.town import commands_of_roster as c
from boomtown.actors.town import questions_of_roster as q
from boomtown.actors.town.roster_views import AddedWatchView, GatewayView
from boomtown.actors.town.views import Answer
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from support.fake_town import AGENT, AGENT_VIEW, RIG, TOWN, VIEWS, refused
from support.front_world import FrontWorld, Reply, open_front

T = f"/api/towns/{TOWN}"
ONE = f"{T}/agents/{AGENT}"


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


async def _call(front: FrontWorld, method: str, path: str, body: object = None) -> Reply:
    return await front.call(method, path, body, credential=front.operator_key())


def _asked(front: FrontWorld) -> Any:
    return front.fakes.town.commands[-1].command


async def test_a_hire_is_passed_on_and_its_key_is(front: FrontWorld) -> None:
    body = {
        "template": "polecat",
        "name": "ada",
        "rig_id": RIG,
        "boss": "mayor",
        "config": {"a": 1},
    }
    reply = await front.call(
        "POST",
        T + "/agents",
        body,
        credential=front.operator_key(),
        headers={"Idempotency-Key": "k"},
    )
    assert (reply.status, reply.data["template"]) == (201, None)
    assert msgspec.to_builtins(_asked(front)) == {"command": "hire_agent", "role": None, **body}
    assert front.fakes.town.commands[-1].idempotency_key == "k"


async def test_an_unknown_template_is_400(front: FrontWorld) -> None:
    front.fakes.town.answers[c.HireAgent] = refused(ErrorCode.UNKNOWN_TEMPLATE)
    reply = await _call(front, "POST", T + "/agents", {"template": "wizard"})
    assert (reply.status, reply.code) == (400, "UNKNOWN_TEMPLATE")


async def test_stmt_B07_an_offboarding_reassigns_and_is_204_when_done_202_with_the_agent_before(
    front: FrontWorld,
) -> None:
    reply = await _call(front, "DELETE", f"{ONE}?reassignTo=mayor&reason=done")
    assert (reply.status, reply.content) == (204, b"")
    assert _asked(front) == c.OffboardAgent(
        agent_id=AGENT_VIEW.id,  # type: ignore[arg-type]
        reassign_to="mayor",
        reason="done",
    )
    front.fakes.town.answers[c.OffboardAgent] = Answer(view=AGENT_VIEW)
    reply = await _call(front, "DELETE", f"{ONE}?force=true")
    assert (reply.status, reply.data["id"]) == (202, AGENT)
    assert _asked(front).force is True


async def test_a_refusal_over_workers_carries_them(front: FrontWorld) -> None:
    front.fakes.town.answers[c.OffboardAgent] = refused(ErrorCode.AGENT_HAS_WORKERS, count=2)
    reply = await _call(front, "DELETE", ONE)
    assert (reply.status, reply.code) == (409, "AGENT_HAS_WORKERS")
    assert reply.json["details"] == {"count": 2}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", ONE + "?force=1"),
        ("GET", T + "/roster?groupBy=colour"),
        ("GET", T + "/agents?includeOffboarded=yes"),
        ("GET", ONE + "/actions?limit=-1"),
    ],
)
async def test_a_query_that_says_nothing_known_is_refused(
    front: FrontWorld, method: str, path: str
) -> None:
    reply = await _call(front, method, path)
    assert (reply.status, reply.code) == (400, "INVALID_QUERY")
    assert front.fakes.town.commands == []


@pytest.mark.parametrize(
    "body",
    [
        {"owner": "acme", "repo": "app"},
        {"repo": "acme/app"},
        {"repo": "https://github.com/acme/app.git"},
        {"repo": "git@github.com:acme/app.git"},
    ],
    ids=lambda body: body["repo"],
)
async def test_a_repository_is_said_in_any_way(front: FrontWorld, body: dict[str, str]) -> None:
    reply = await _call(front, "POST", ONE + "/watched-repos", body)
    assert reply.status == 201
    asked = _asked(front)
    assert (asked.forge, asked.repo_owner, asked.repo_name) == (
        "https://github.com",
        "acme",
        "app",
    )


async def test_a_watch_that_is_there_is_200(front: FrontWorld) -> None:
    view = VIEWS[c.AddWatch]
    assert isinstance(view, AddedWatchView)
    known = msgspec.structs.replace(view, is_new=False)
    front.fakes.town.answers[c.AddWatch] = Answer(view=known)
    reply = await _call(front, "POST", ONE + "/watched-repos", {"repo": "acme/app"})
    assert (reply.status, reply.data["repo"]) == (200, "app")


@pytest.mark.parametrize("repo", ["app", "a b/c", "https://elsewhere.example/a/b", ""])
async def test_no_repository_is_400(front: FrontWorld, repo: str) -> None:
    reply = await _call(front, "POST", ONE + "/watched-repos", {"repo": repo})
    assert (reply.status, reply.code) == (400, "INVALID_REPO")
    assert front.fakes.town.commands == []


async def test_the_roster_is_grouped_by_boss_unless_said_otherwise(front: FrontWorld) -> None:
    reply = await _call(front, "GET", T + "/roster")
    assert reply.data["groups"][0]["coordinator"]["id"] == AGENT
    await _call(front, "GET", T + "/roster?groupBy=rig")
    asked = [request.question for request in front.fakes.town.questions]
    assert [one.group_by for one in asked if isinstance(one, q.GetRoster)] == ["boss", "rig"]


async def test_templates_are_listed_with_what_they_allow(front: FrontWorld) -> None:
    reply = await _call(front, "GET", "/api/templates")
    found = {template["name"]: template for template in reply.data}
    assert "pr.review" in found["code-review-engineer"]["allowed_actions"]
    assert "pr.review" not in found["polecat"]["allowed_actions"]


async def test_the_gateway_answers_its_agent_and_raises_a_denial(front: FrontWorld) -> None:
    token = front.session_token()
    reply = await front.call("POST", T + "/gateway/memory.list", {"args": {}}, credential=token)
    assert (reply.status, reply.data) == (200, {"allowed": True, "result": None})
    denied = GatewayView(
        action_id=AGENT,
        action="pr.review",
        allowed=False,
        refusal=AccessDenied(ErrorCode.ACTION_DENIED).refusal(),
    )
    front.fakes.town.answers[c.UseGateway] = Answer(view=denied)
    reply = await front.call("POST", T + "/gateway/pr.review", {}, credential=token)
    assert (reply.status, reply.code) == (403, "ACTION_DENIED")
    asked = _asked(front)
    assert (asked.action, asked.args) == ("pr.review", {})


async def test_the_gateway_serves_no_operator(front: FrontWorld) -> None:
    reply = await _call(front, "POST", T + "/gateway/memory.list", {})
    assert (reply.status, reply.code) == (403, "FORBIDDEN_SCOPE")
