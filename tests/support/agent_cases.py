"""What every implementation's agents do: what reaches origin, and what the town is told."""

from __future__ import annotations

from boomtown.container_sim.model import MergeProof, SessionKind
from boomtown.ids import SessionId
from support.conformance_worlds import Case, World, run_to_end
from support.container_orders import TOWN, review_order, work_order
from support.container_world import CALL_MS, with_fields

S1, S2 = SessionId("s1"), SessionId("s2")


def recipe(*lines: str) -> str:
    return "\n".join(("```recipe", *lines, "```", ""))


async def recipe_lands_on_origins_branch_and_is_reported(world: World) -> None:
    body = recipe("create a/b.md one", "append a/b.md two", "edit a/b.md one => three")
    order = work_order(session_id=S1, git_url=world.url, body=body)
    said = await run_to_end(world, order)
    assert said["reason"] == "exit 0"
    assert world.show(order.branch, "a/b.md") == "three\ntwo"
    done = world.of("done")[0]
    assert (done.body["branch"], done.body["verdict"]) == (order.branch, "submitted")
    assert done.headers["Authorization"] == "Bearer session-token"
    assert done.headers["Idempotency-Key"] == f"{S1}-1"
    assert done.headers["X-Boomtown-Session-Id"] == S1


async def body_without_recipe_makes_one_file(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body="Please.")
    await run_to_end(world, order)
    assert world.show(order.branch, "work/0000000d.md") == "# Add a file\n\nPlease."


async def next_session_continues_the_branch(world: World) -> None:
    first = work_order(session_id=S1, git_url=world.url, body=recipe("create a.md one"))
    await run_to_end(world, first)
    again = with_fields(first, session_id=S2, body=recipe("append a.md two"), feedback="")
    await run_to_end(world, again)
    assert world.show(first.branch, "a.md") == "one\ntwo"


async def rework_appends_the_feedback(world: World) -> None:
    first = work_order(session_id=S1, git_url=world.url, body=recipe("create a.md one"))
    await run_to_end(world, first)
    await run_to_end(world, with_fields(first, session_id=S2, feedback="Shorter"))
    assert world.show(first.branch, "REWORK.md") == "Shorter"
    assert world.show(first.branch, "a.md") == "one"


async def endings_are_told_as_the_recipe_says(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    silent = await run_to_end(world, with_fields(order, body=recipe("forget-done")))
    assert (silent["reason"], world.of("done")) == ("exit 0", [])
    failed = with_fields(order, session_id=S2, body=recipe("fail"))
    said = await run_to_end(world, failed)
    assert (said["status"], said["reason"], said["exit_code"]) == ("failed", "exit 1", 1)
    twice = with_fields(order, session_id=SessionId("s3"), body=recipe("done-twice"))
    await run_to_end(world, twice)
    assert [c.headers["Idempotency-Key"] for c in world.of("done")] == ["s3-1", "s3-2"]
    given_up = with_fields(order, session_id=SessionId("s4"), body=recipe("done abandoned"))
    await run_to_end(world, given_up)
    assert world.of("done")[-1].body["verdict"] == "abandoned"


async def agents_words_reach_their_routes(world: World) -> None:
    body = recipe("status half way", "ask which one?", "done")
    order = work_order(session_id=S1, git_url=world.url, body=body)
    await run_to_end(world, order)
    rig = f"/api/towns/{TOWN}/rigs/{order.repository.rig_id}"
    status, ask = world.of("status")[0], world.of("escalations")[0]
    assert status.path == f"{rig}/agents/{order.agent_id}/status"
    assert status.body == {"message": "half way"}
    assert (ask.path, ask.body) == (f"{rig}/escalations", {"title": "which one?"})


async def report_is_repeated_under_one_key_while_the_town_is_down(world: World) -> None:
    world.answers["done"].extend([(503, {}), (429, {})])
    said = await run_to_end(world, work_order(session_id=S1, git_url=world.url))
    assert said["reason"] == "exit 0"
    assert [c.headers["Idempotency-Key"] for c in world.of("done")] == [f"{S1}-1"] * 3


async def stale_answer_ends_the_agent_quietly_and_a_refusal_fails_it(world: World) -> None:
    world.answers["status"].extend([(200, {"stale": True}), (404, {})])
    body = recipe("status one", "done")
    order = work_order(session_id=S1, git_url=world.url, body=body)
    stale = await run_to_end(world, order)
    assert (stale["reason"], world.of("done")) == ("exit 0", [])
    refused = await run_to_end(world, with_fields(order, session_id=S2))
    assert (refused["reason"], world.of("done")) == ("exit 1", [])


async def missing_command_and_bad_recipe_fail_the_session(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    lines = ("run no-such-program-anywhere", "run false", "dance")
    for number, line in enumerate(lines):
        session = SessionId(f"r{number}")
        said = await run_to_end(world, with_fields(order, session_id=session, body=recipe(line)))
        assert said["reason"] == "exit 1", line
    said = await run_to_end(world, with_fields(order, body=recipe("run true", "run touch x.md")))
    assert said["reason"] == "exit 0"
    assert world.show(order.branch, "x.md") == ""


async def merge_passes_its_gates_and_is_pushed(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("a.txt", "a\n", branch=order.branch)
    world.push_file("b.txt", "b\n", branch="main")
    before = await prove(world, order.branch)
    order = with_fields(order, gates=(("test", "-f", "a.txt"), ("test", "-f", "b.txt")))
    said = await run_to_end(world, order)
    assert said["reason"] == "exit 0"
    assert (world.show("main", "a.txt"), world.show("main", "b.txt")) == ("a", "b")
    done = world.of("done")[0].body
    assert (done["verdict"], done["commit_sha"]) == ("merged", world.head("main"))
    after = await prove(world, order.branch)
    assert isinstance(before, MergeProof)
    assert not before.is_merged
    assert after == MergeProof(is_merged=True, target_head=world.head("main"))
    assert await prove(world, "never") == MergeProof(
        is_merged=False, target_head=world.head("main")
    )


async def prove(world: World, branch: str) -> object:
    repository = review_order(session_id=S1, git_url=world.url).repository
    return await world.containers.prove_merge(
        TOWN, repository, branch=branch, target_branch="main", timeout_ms=CALL_MS
    )


async def merged_branch_is_reported_merged_without_a_commit(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("a.txt", "a\n", branch=order.branch)
    await run_to_end(world, order)
    head = world.head("main")
    await run_to_end(world, with_fields(order, session_id=S2))
    assert world.head("main") == head
    assert [c.body["commit_sha"] for c in world.of("done")] == [head, head]


async def conflict_is_reported_with_its_paths(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("README.md", "theirs\n", branch=order.branch)
    head = world.push_file("README.md", "ours\n", branch="main")
    said = await run_to_end(world, order)
    assert said["reason"] == "exit 0"
    call = world.of("complete")[0]
    assert call.body == {"status": "conflict", "message": "Conflict in README.md"}
    assert call.path.endswith(f"/review-queue/{order.bead_id}/complete")
    assert (world.head("main"), world.of("done")) == (head, [])


async def gate_that_fails_asks_for_changes(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("a.txt", "a\n", branch=order.branch)
    head = world.head("main")
    gates = (("true",), ("test", "-f", "never"), ("touch", "after"))
    await run_to_end(world, with_fields(order, gates=gates))
    assert world.of("request-changes")[0].body == {
        "feedback": "The gate `test -f never` ended with 1:\n"
    }
    assert (world.head("main"), world.of("done")) == (head, [])


async def reviews_obey_their_lines_in_turn(world: World) -> None:
    lines = ("review changes Rename it", "review conflict no way", "review fail", "review forget")
    order = review_order(session_id=S1, git_url=world.url, body=recipe(*lines))
    world.push_file("a.txt", "a\n", branch=order.branch)
    ends: list[str] = []
    for number in (1, 2, 3, 4):
        session = SessionId(f"s{number}")
        said = await run_to_end(world, with_fields(order, session_id=session, review_number=number))
        ends.append(said["reason"])
    assert ends == ["exit 0", "exit 0", "exit 1", "exit 0"]
    assert [c.body for c in world.of("request-changes")] == [{"feedback": "Rename it"}]
    assert [c.body["message"] for c in world.of("complete")] == ["no way"]
    assert (world.show("main", "a.txt"), world.of("done")) == ("a", [])


async def landing_and_merge_only_pass_over_review_lines(world: World) -> None:
    body = recipe("review changes Rename it")
    order = review_order(session_id=S1, git_url=world.url, body=body)
    world.push_file("a.txt", "a\n", branch=order.branch)
    await run_to_end(world, with_fields(order, merge_only=True))
    landing = with_fields(order, session_id=S2, kind=SessionKind.LANDING)
    await run_to_end(world, landing)
    assert [c.body["verdict"] for c in world.of("done")] == ["merged", "merged"]


async def missing_branch_is_reported_failed_and_a_missing_target_is_made(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    await run_to_end(world, order)
    assert [c.body["status"] for c in world.of("complete")] == ["failed"]
    main = world.head("main")
    world.push_file("a.txt", "a\n", branch=order.branch)
    convoy = with_fields(order, session_id=S2, target_branch="convoy/one/head")
    await run_to_end(world, convoy)
    assert world.show("convoy/one/head", "a.txt") == "a"
    assert world.head("main") == main


async def reviewing_command_that_refuses_asks_for_changes(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("a.txt", "a\n", branch=order.branch)
    await run_to_end(world, with_fields(order, harness="critic"))
    feedback = world.of("request-changes")[0].body["feedback"]
    assert (feedback, world.of("done")) == ("The reviewer ended with 1", [])


CASES: tuple[Case, ...] = (
    recipe_lands_on_origins_branch_and_is_reported,
    body_without_recipe_makes_one_file,
    next_session_continues_the_branch,
    rework_appends_the_feedback,
    endings_are_told_as_the_recipe_says,
    agents_words_reach_their_routes,
    report_is_repeated_under_one_key_while_the_town_is_down,
    stale_answer_ends_the_agent_quietly_and_a_refusal_fails_it,
    missing_command_and_bad_recipe_fail_the_session,
    merge_passes_its_gates_and_is_pushed,
    merged_branch_is_reported_merged_without_a_commit,
    conflict_is_reported_with_its_paths,
    gate_that_fails_asks_for_changes,
    reviews_obey_their_lines_in_turn,
    landing_and_merge_only_pass_over_review_lines,
    missing_branch_is_reported_failed_and_a_missing_target_is_made,
    reviewing_command_that_refuses_asks_for_changes,
)
