"""Working sessions from start to completion, with real agents and a real origin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.ids import SessionId
from boomtown.wire import decode_json
from support.container_orders import AGENT, BEAD, RIG, TOWN, work_order
from support.container_world import open_container_world, with_fields

pytestmark = pytest.mark.system


def recipe(*lines: str) -> str:
    return "Do this.\n```recipe\n" + "\n".join(lines) + "\n```\n"


async def test_recipe_is_followed_and_origin_has_the_commit(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        body = recipe(
            "create src/a.txt one\\ntwo",
            "edit src/a.txt two => three",
            "append src/a.txt four",
            "run sh -c 'cat src/a.txt > copy.txt'",
            "status half way",
            "ask which colour?",
            "commit Add a and its copy",
            "done",
        )
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        said = await world.run_to_end(order)
        assert (said["status"], said["reason"]) == ("completed", "exit 0")
        assert world.origin.show(order.branch, "src/a.txt") == "one\nthree\nfour"
        assert world.origin.show(order.branch, "copy.txt") == "one\nthree\nfour"
        assert "Add a and its copy" in world.origin.git("log", "--format=%s", order.branch)
        assert [call.body for call in world.api.of("status")] == [{"message": "half way"}]
        assert [call.body for call in world.api.of("escalations")] == [{"title": "which colour?"}]
        done = world.api.of("done")[0]
        assert done.body["branch"] == order.branch
        assert done.body["verdict"] == "submitted"
        assert done.path == f"/api/towns/{TOWN}/rigs/{RIG}/agents/{AGENT}/done"
        assert done.headers["Authorization"] == "Bearer session-token"
        assert world.worktrees() == []


async def test_without_a_recipe_one_file_is_made_and_committed(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body="Just do it.")
        await world.run_to_end(order)
        changed = world.origin.git("diff", "--name-only", "main", order.branch)
        assert changed == f"work/{BEAD[-8:]}.md"


async def test_rework_goes_on_where_the_branch_stands(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        body = recipe("create a.txt first", "rework append a.txt second")
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        await world.run_to_end(order)
        again = with_fields(order, session_id=SessionId("s2"), feedback="More, please")
        await world.run_to_end(again)
        assert world.origin.show(order.branch, "a.txt") == "first\nsecond"
        plain = with_fields(again, session_id=SessionId("s3"), body="")
        await world.run_to_end(plain)
        assert world.origin.show(order.branch, "REWORK.md") == "More, please"


async def test_missing_convoy_branch_is_made_from_the_default_branch(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        await world.run_to_end(with_fields(order, target_branch="convoy/one"))
        assert world.origin.head("convoy/one") == world.origin.head("main")
        assert world.origin.git("rev-parse", f"{order.branch}^") == world.origin.head("main")


@pytest.mark.parametrize(
    ("lines", "reason", "done_count"),
    [
        pytest.param(["fail no luck"], "exit 1", 0, id="fail"),
        pytest.param(["run false"], "exit 1", 0, id="failing-command"),
        pytest.param(["edit README.md absent => x"], "exit 1", 0, id="edit-of-nothing"),
        pytest.param(["dance"], "exit 1", 0, id="bad-recipe"),
        pytest.param(["create a b", "forget-done"], "exit 0", 0, id="forget-done"),
        pytest.param(["create a b", "done-twice"], "exit 0", 2, id="done-twice"),
        pytest.param(["create a b", "done-late 0.05"], "exit 0", 1, id="done-late"),
        pytest.param(["run sh -c 'kill -KILL $PPID'"], "signal 9", 0, id="killed"),
    ],
)
async def test_ending_of_a_recipe_is_reported(
    tmp_path: Path, lines: list[str], reason: str, done_count: int
) -> None:
    async with open_container_world(tmp_path) as world:
        url = world.origin.url
        said = await world.run_to_end(work_order(session_id="s1", git_url=url, body=recipe(*lines)))
        assert said["reason"] == reason, await world.output(SessionId("s1"))
        assert said["status"] == ("completed" if reason == "exit 0" else "failed")
        done = world.api.of("done")
        assert len({call.headers["Idempotency-Key"] for call in done}) == done_count
        assert world.worktrees() == []


async def test_server_errors_are_survived_under_one_idempotency_key(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["done"].extend([(503, {}), (500, {})])
        said = await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        assert said["reason"] == "exit 0"
        keys = [call.headers["Idempotency-Key"] for call in world.api.of("done")]
        assert len(keys) == 3
        assert len(set(keys)) == 1


async def test_expired_session_token_is_refreshed_once_and_kept(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["status"].append((401, {}))
        world.api.answers["refresh-token"].append((200, {"token": "next-token"}))
        body = recipe("status hello", "create a b")
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        said = await world.run_to_end(order)
        assert said["reason"] == "exit 0", await world.output(order.session_id)
        tries = world.api.of("status")
        assert [call.headers["Authorization"] for call in tries] == [
            "Bearer session-token",
            "Bearer next-token",
        ]
        assert len({call.headers["Idempotency-Key"] for call in tries}) == 1
        (asked,) = world.api.of("refresh-token")
        assert asked.path == f"/api/towns/{TOWN}/rigs/{RIG}/agents/{AGENT}/refresh-token"
        assert world.api.of("done")[0].headers["Authorization"] == "Bearer next-token"


async def test_token_that_is_refused_again_fails_the_session(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["done"].extend([(401, {}), (401, {})])
        world.api.answers["refresh-token"].append((200, {"token": "next-token"}))
        said = await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        assert said["reason"] == "exit 1"
        assert len(world.api.of("refresh-token")) == 1


async def test_stale_answer_ends_the_agent_without_another_word(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["status"].append((200, {"stale": True}))
        body = recipe("status hello", "create a b")
        said = await world.run_to_end(
            work_order(session_id="s1", git_url=world.origin.url, body=body)
        )
        assert said["reason"] == "exit 0"
        assert world.api.of("done") == []


async def test_agents_note_when_they_worked(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        lines = [decode_json(line) for line in world.agent_log.read_bytes().splitlines()]
        assert [line["session_id"] for line in lines] == ["s1", "s1"]
        assert lines[0]["ended_at"] is None
        assert lines[1]["ended_at"] >= lines[1]["started_at"]


COMMAND = "import os, sys; open('seen.txt', 'w').write(sys.argv[1] + '|' + sys.stdin.read())"


async def test_command_gets_its_prompt_and_its_changes_are_submitted(tmp_path: Path) -> None:
    harnesses = {"mine": HarnessSpec(argv=(sys.executable, "-c", COMMAND, "{branch} {prompt}"))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        order = with_fields(order, harness="mine", prompt='say "hi" $HOME')
        said = await world.run_to_end(order)
        assert said["reason"] == "exit 0", await world.output(SessionId("s1"))
        seen = world.origin.show(order.branch, "seen.txt")
        assert seen == f"{order.branch} {order.prompt}|{order.prompt}"
        assert [call.body["verdict"] for call in world.api.of("done")] == ["submitted"]


@pytest.mark.parametrize(
    ("script", "reason", "verdicts"),
    [
        pytest.param("true", "exit 0", ["abandoned"], id="no-commit"),
        pytest.param("echo x > x; exit 3", "exit 1", [], id="failure"),
    ],
)
async def test_exit_code_and_commits_of_a_command_decide(
    tmp_path: Path, script: str, reason: str, verdicts: list[str]
) -> None:
    harnesses = {"mine": HarnessSpec(argv=("sh", "-c", script))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="mine"))
        assert said["reason"] == reason
        assert [call.body["verdict"] for call in world.api.of("done")] == verdicts
