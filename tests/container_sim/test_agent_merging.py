"""Review and landing sessions: what reaches origin, and what the town is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.model import MergeProof, SessionKind
from boomtown.ids import SessionId
from support.container_orders import RIG, TOWN, review_order
from support.container_world import CALL_MS, open_container_world, with_fields

pytestmark = pytest.mark.system


async def test_merge_passes_its_gates_and_is_pushed(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        work = world.origin.push_file("a.txt", "a\n", branch=order.branch)
        main = world.origin.push_file("b.txt", "b\n", branch="main")
        order = with_fields(order, gates=(("test", "-f", "a.txt"), ("test", "-f", "b.txt")))
        said = await world.run_to_end(order)
        assert said["reason"] == "exit 0", await world.output(order.session_id)
        parents = world.origin.git("rev-list", "--parents", "-1", "main").split()
        assert parents[1:] == [main, work]
        done = world.api.of("done")[0].body
        assert (done["verdict"], done["commit_sha"]) == ("merged", parents[0])
        proof = await world.manager.prove_merge(
            TOWN,
            order.repository,
            branch=order.branch,
            target_branch="main",
            timeout_ms=CALL_MS,
        )
        assert proof == MergeProof(is_merged=True, target_head=parents[0])
        assert world.worktrees() == []


async def test_branch_that_is_merged_already_is_reported_merged(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        await world.run_to_end(order)
        head = world.origin.head("main")
        await world.run_to_end(with_fields(order, session_id=SessionId("s2")))
        assert world.origin.head("main") == head
        assert [call.body["commit_sha"] for call in world.api.of("done")] == [head, head]


async def test_unmerged_branch_is_not_proven(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        proof = await world.manager.prove_merge(
            TOWN,
            order.repository,
            branch=order.branch,
            target_branch="main",
            timeout_ms=CALL_MS,
        )
        assert proof == MergeProof(is_merged=False, target_head=world.origin.head("main"))


async def test_conflict_is_reported_and_origin_stays(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        world.origin.push_file("README.md", "mine\n", branch=order.branch)
        head = world.origin.push_file("README.md", "theirs\n", branch="main")
        said = await world.run_to_end(order)
        assert said["reason"] == "exit 0"
        call = world.api.of("complete")[0]
        rig = f"/api/towns/{TOWN}/rigs/{RIG}"
        assert call.path == f"{rig}/review-queue/{order.bead_id}/complete"
        assert call.body == {"status": "conflict", "message": "Conflict in README.md"}
        assert world.origin.head("main") == head
        assert world.api.of("done") == []


async def test_failing_gate_asks_for_changes_with_its_output(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        head = world.origin.head("main")
        gates = (("sh", "-c", "echo two tests fail; exit 2"), ("touch", "never"))
        await world.run_to_end(with_fields(order, gates=gates))
        feedback = str(world.api.of("request-changes")[0].body["feedback"])
        assert "ended with 2" in feedback
        assert "two tests fail" in feedback
        assert world.origin.head("main") == head


async def test_target_that_moves_meanwhile_is_merged_once_more(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        work = world.origin.push_file("a.txt", "a\n", branch=order.branch)
        other = world.origin.push_file("b.txt", "b\n", branch="other")
        push = ("git", "push", world.origin.url, f"{other}:refs/heads/main")
        gate = ("sh", "-c", f"test -f b.txt || {' '.join(push)}")
        said = await world.run_to_end(with_fields(order, gates=(gate,)))
        assert said["reason"] == "exit 0", await world.output(order.session_id)
        parents = world.origin.git("rev-list", "--parents", "-1", "main").split()
        assert parents[1:] == [other, work]
        assert len(world.api.of("done")) == 1


async def test_reviews_obey_their_lines_in_turn_and_then_merge(tmp_path: Path) -> None:
    body = "```recipe\nreview changes Rename it\nreview conflict no way\n```\n"
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url, body=body)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        for number in (1, 2, 3):
            session = SessionId(f"s{number}")
            await world.run_to_end(with_fields(order, session_id=session, review_number=number))
        asked = [call.body for call in world.api.of("request-changes")]
        assert asked == [{"feedback": "Rename it"}]
        assert [call.body["message"] for call in world.api.of("complete")] == ["no way"]
        assert [call.body["verdict"] for call in world.api.of("done")] == ["merged"]


@pytest.mark.parametrize("fields", [{"merge_only": True}, {"kind": SessionKind.LANDING}])
async def test_merging_without_a_judgement_passes_over_review_lines(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    body = "```recipe\nreview changes Rename it\n```\n"
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url, body=body)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        await world.run_to_end(with_fields(order, **fields))
        assert [call.body["verdict"] for call in world.api.of("done")] == ["merged"]


async def test_missing_branch_is_reported_as_failed(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        await world.run_to_end(order)
        assert [call.body["status"] for call in world.api.of("complete")] == ["failed"]


async def test_command_that_reviews_decides_by_its_exit_code(tmp_path: Path) -> None:
    script = "test -f /dev/null; grep -q approve || { echo too long; exit 1; }"
    harnesses = {"critic": HarnessSpec(argv=("sh", "-c", script))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = review_order(session_id="s1", git_url=world.origin.url)
        world.origin.push_file("a.txt", "a\n", branch=order.branch)
        refused = with_fields(order, harness="critic", prompt="refuse")
        await world.run_to_end(refused)
        asked = [call.body for call in world.api.of("request-changes")]
        assert asked == [{"feedback": "too long"}]
        agreed = with_fields(refused, session_id=SessionId("s2"), prompt="approve")
        await world.run_to_end(agreed)
        assert [call.body["verdict"] for call in world.api.of("done")] == ["merged"]
