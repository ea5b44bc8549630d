"""What the scripted reviewer says of a pull request, in real processes and in the simulation."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.model import AgentRole, PullRequestOrder, SessionKind, StartSession
from boomtown.ids import SessionId
from support.conformance_worlds import Case, World, run_to_end
from support.container_orders import review_order
from support.container_world import with_fields

REPO = "https://forge.invalid/acme/widgets"
S2 = SessionId("s2")
BRANCH = review_order(session_id="s1", git_url="").branch


def patrol_order(world: World, head_sha: str) -> StartSession:
    """A reviewer's session on the branch of `review_order`, asked about one head."""
    return msgspec.structs.replace(
        review_order(session_id="s1", git_url=world.url),
        agent_name="rex",
        role=AgentRole.REVIEWER,
        kind=SessionKind.PATROL,
        review_number=0,
        pull_request=PullRequestOrder(repo=REPO, number=7, head_sha=head_sha),
    )


async def clean_head_is_approved_and_nothing_is_pushed(world: World) -> None:
    branch = BRANCH
    head = world.push_file("a.txt", "a\n", branch=branch)
    before = world.head("main")
    order = patrol_order(world, head)
    said = await run_to_end(world, with_fields(order, gates=(("test", "-f", "a.txt"),)))
    assert said["reason"] == "exit 0"
    (call,) = world.of("pr.review")
    assert call.path == f"/api/towns/{order.town_id}/gateway/pr.review"
    assert call.body == {
        "args": {
            "repo": REPO,
            "number": 7,
            "head_sha": head,
            "verdict": "approved",
            "body": "Merges into main; gates passed: 1",
        }
    }
    assert world.of("done")[0].body["verdict"] == "submitted"
    assert (world.head("main"), world.head(branch)) == (before, head)


async def conflict_and_failing_gate_ask_for_changes(world: World) -> None:
    branch = BRANCH
    head = world.push_file("README.md", "mine\n", branch=branch)
    order = patrol_order(world, head)
    await run_to_end(world, with_fields(order, gates=(("test", "-f", "never"),)))
    world.push_file("README.md", "theirs\n", branch="main")
    await run_to_end(world, with_fields(order, session_id=S2))
    said = [call.body["args"] for call in world.of("pr.review")]
    assert [args["verdict"] for args in said] == ["changes_requested", "changes_requested"]
    assert said[0]["body"].startswith("`test -f never` ended with 1")
    assert said[1]["body"] == "Conflicts with main in README.md"


async def head_that_moved_is_not_judged(world: World) -> None:
    branch = BRANCH
    head = world.push_file("a.txt", "a\n", branch=branch)
    world.push_file("b.txt", "b\n", branch=branch)
    await run_to_end(world, patrol_order(world, head))
    assert world.of("pr.review") == []
    assert world.of("done")[0].body["verdict"] == "abandoned"


async def own_request_is_commented_on_where_the_forge_refuses_a_verdict(world: World) -> None:
    head = world.push_file("a.txt", "a\n", branch=BRANCH)
    world.answers["pr.review"].append((422, "FORGE_REFUSED"))
    await run_to_end(world, patrol_order(world, head))
    said = [call.body["args"]["verdict"] for call in world.of("pr.review")]
    assert said == ["approved", "commented"]
    assert world.of("done")[0].body["verdict"] == "submitted"


async def refused_review_fails_the_session(world: World) -> None:
    head = world.push_file("a.txt", "a\n", branch=BRANCH)
    world.answers["pr.review"].append((403, "ACTION_DENIED"))
    said = await run_to_end(world, patrol_order(world, head))
    assert (said["reason"], world.of("done")) == ("exit 1", [])


CASES: tuple[Case, ...] = (
    clean_head_is_approved_and_nothing_is_pushed,
    conflict_and_failing_gate_ask_for_changes,
    head_that_moved_is_not_judged,
    own_request_is_commented_on_where_the_forge_refuses_a_verdict,
    refused_review_fails_the_session,
)
