"""What every implementation of the git port and of an agent's worktree does."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.surroundings import PushOutcome, Worktree
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from support.container_orders import RIG
from support.git_worlds import GitCase, GitWorld, repository_at

BRANCH = "gt/ash/work"
ORIGIN = "refs/remotes/origin/"


async def open_tree(
    world: GitWorld, *, branch: str | None = BRANCH, start: str = "main", name: str = "one"
) -> Worktree:
    await world.git.refresh(world.repository, token=None)
    path = await world.git.add_worktree(world.repository, name, branch=branch, start=start)
    assert path == world.git.worktree_path(RIG, name)
    return await world.open_worktree(path)


async def refresh_follows_origin(world: GitWorld) -> None:
    git = world.git
    await git.refresh(world.repository, token=None)
    assert await git.find_remote_head(RIG, "main") == world.head("main")
    assert await git.find_remote_head(RIG, BRANCH) is None
    pushed = world.push_file("a.md", "a\n", branch=BRANCH)
    assert await git.find_remote_head(RIG, BRANCH) is None
    await git.refresh(world.repository, token=None)
    assert await git.find_remote_head(RIG, BRANCH) == pushed
    world.delete_branch(BRANCH)
    await git.refresh(world.repository, token=None)
    assert await git.find_remote_head(RIG, BRANCH) is None


async def unreachable_origin_has_its_code(world: GitWorld) -> None:
    nowhere = repository_at("file:///nowhere/at/all.git")
    for _ in range(2):  # the first failure leaves no clone that a second one would trust
        with pytest.raises(BoomtownError) as caught:
            await world.git.refresh(nowhere, token=None)
        assert caught.value.code == ErrorCode.GIT_UNREACHABLE
    await world.git.refresh(world.repository, token=None)
    world.hide_origin()
    with pytest.raises(BoomtownError) as caught:
        await world.git.prove_merge(world.repository, branch="main", target_branch="main")
    assert caught.value.code == ErrorCode.GIT_UNREACHABLE


async def worktree_begins_at_origins_branch_on_its_own_or_detached(world: GitWorld) -> None:
    pushed = world.push_file("a.md", "a\n", branch=BRANCH)
    own = await open_tree(world, start=BRANCH)
    assert await own.get_head() == await own.get_head(f"refs/heads/{BRANCH}") == pushed
    assert await own.find_text("a.md") == "a\n"
    detached = await open_tree(world, branch=None, name="two")
    assert await detached.get_head() == world.head("main")
    assert await detached.find_text("a.md") is None


async def worktree_of_a_missing_branch_has_its_code(world: GitWorld) -> None:
    await world.git.refresh(world.repository, token=None)
    with pytest.raises(BoomtownError) as caught:
        await world.git.add_worktree(world.repository, "one", branch=BRANCH, start="never")
    assert caught.value.code == ErrorCode.INVALID_BRANCH


async def worktrees_of_an_earlier_life_go_at_the_first_use(world: GitWorld) -> None:
    await (await open_tree(world)).write_text("a.md", "a\n")
    await world.git.refresh(world.repository, token=None)
    again = await world.open_worktree(world.git.worktree_path(RIG, "one"))
    assert await again.find_text("a.md") == "a\n"
    git = world.next_life()
    await git.refresh(world.repository, token=None)
    path = await git.add_worktree(world.repository, "one", branch=BRANCH, start="main")
    fresh = await world.open_worktree(path)
    assert await fresh.find_text("a.md") is None


async def removal_is_complete_and_repeatable(world: GitWorld) -> None:
    tree = await open_tree(world)
    await tree.write_text("a.md", "a\n")
    for _ in range(2):
        await world.git.remove_worktree(RIG, "one")
    fresh = await open_tree(world)
    assert await fresh.find_text("a.md") is None


async def remote_branch_is_made_once(world: GitWorld) -> None:
    git, repository = world.git, world.repository
    await git.refresh(repository, token=None)
    main = world.head("main")
    await git.create_remote_branch(repository, "convoy/one/head", start="main")
    assert world.head("convoy/one/head") == main
    moved = world.push_file("a.md", "a\n", branch="convoy/one/head")
    await git.create_remote_branch(repository, "convoy/one/head", start="main")
    assert world.head("convoy/one/head") == moved
    raced = world.push_file("b.md", "b\n", branch="convoy/two/head")
    await git.create_remote_branch(repository, "convoy/two/head", start="main")
    assert world.head("convoy/two/head") == raced
    assert await git.find_remote_head(RIG, "convoy/two/head") == raced
    with pytest.raises(BoomtownError) as caught:
        await git.create_remote_branch(repository, "convoy/three/head", start="never")
    assert caught.value.code == ErrorCode.INVALID_BRANCH


async def merge_is_proved_by_reachability(world: GitWorld) -> None:
    git, repository = world.git, world.repository
    world.push_file("a.md", "a\n", branch=BRANCH)
    proof = await git.prove_merge(repository, branch=BRANCH, target_branch="main")
    assert (proof.is_merged, proof.target_head) == (False, world.head("main"))
    proof = await git.prove_merge(repository, branch="main", target_branch=BRANCH)
    assert (proof.is_merged, proof.target_head) == (True, world.head(BRANCH))
    proof = await git.prove_merge(repository, branch="main", target_branch="never")
    assert (proof.is_merged, proof.target_head) == (False, "")


async def saved_work_reaches_origin_where_it_can(world: GitWorld) -> None:
    tree = await open_tree(world)
    await tree.write_text("a.md", "a\n")
    path = world.git.worktree_path(RIG, "one")
    await world.git.save_work(path, branch=BRANCH, message="Save")
    assert world.show(BRANCH, "a.md") == "a"
    moved = world.push_file("b.md", "b\n", branch=BRANCH)
    await tree.write_text("c.md", "c\n")
    await world.git.save_work(path, branch=BRANCH, message="Save")
    assert world.head(BRANCH) == moved
    world.hide_origin()
    await world.git.save_work(path, branch=BRANCH, message="Save")


async def commit_takes_every_change_or_says_none(world: GitWorld) -> None:
    tree = await open_tree(world)
    before = await tree.get_head()
    assert not await tree.commit_all("Nothing")
    assert await tree.get_head() == before
    await tree.write_text("deep/er/a.md", "a\n")
    assert await tree.commit_all("Write")
    after = await tree.get_head()
    assert await tree.is_ancestor(before, after)
    assert not await tree.is_ancestor(after, before)
    assert await tree.get_head(f"refs/heads/{BRANCH}") == after
    assert not await tree.commit_all("Nothing")


async def files_stay_inside_and_names_cannot_be_both(world: GitWorld) -> None:
    tree = await open_tree(world)
    await tree.write_text("a/b.md", "one\n")
    await tree.write_text("./a/../a/b.md", "two\n")
    assert await tree.find_text("a/b.md") == "two\n"
    assert await tree.find_text("none.md") is None
    with pytest.raises(AgentFailed):
        await tree.write_text("../out.md", "x")
    for name in ("a", "a/b.md/c"):
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's affair
            await tree.write_text(name, "x")


async def push_moves_forward_only(world: GitWorld) -> None:
    tree = await open_tree(world)
    await tree.write_text("a.md", "a\n")
    await tree.commit_all("Write")
    assert await tree.push(BRANCH) is PushOutcome.PUSHED
    assert world.head(BRANCH) == await tree.get_head()
    assert await tree.push(BRANCH) is PushOutcome.PUSHED
    moved = world.push_file("b.md", "b\n", branch="main")
    assert await tree.push("main") is PushOutcome.REJECTED
    assert world.head("main") == moved
    world.hide_origin()
    assert await tree.push(BRANCH) is PushOutcome.FAILED
    with pytest.raises(AgentFailed):
        await tree.fetch()


async def fetch_in_a_worktree_is_the_rigs(world: GitWorld) -> None:
    tree = await open_tree(world)
    pushed = world.push_file("b.md", "b\n", branch="other")
    assert await tree.find_head(f"{ORIGIN}other") is None
    with pytest.raises(AgentFailed):
        await tree.get_head(f"{ORIGIN}other")
    await tree.fetch()
    assert await tree.find_head(f"{ORIGIN}other") == pushed
    assert await world.git.find_remote_head(RIG, "other") == pushed


async def merge_joins_both_sides_in_one_commit(world: GitWorld) -> None:
    theirs = world.push_file("a.md", "a\n", branch=BRANCH)
    ours = world.push_file("b.md", "b\n", branch="main")
    tree = await open_tree(world, branch=None)
    assert await tree.merge(theirs, "Merge") == ()
    merged = await tree.get_head()
    assert merged not in (ours, theirs)
    assert (await tree.find_text("a.md"), await tree.find_text("b.md")) == ("a\n", "b\n")
    for older in (ours, theirs):
        assert await tree.is_ancestor(older, merged)
    assert await tree.merge(theirs, "Again") == ()
    assert await tree.get_head() == merged


async def merge_that_could_be_forwarded_makes_a_commit(world: GitWorld) -> None:
    theirs = world.push_file("a.md", "a\n", branch=BRANCH)
    tree = await open_tree(world, branch=None)
    assert await tree.merge(theirs, "Merge") == ()
    assert await tree.get_head() != theirs


async def conflict_names_its_paths_and_changes_nothing(world: GitWorld) -> None:
    world.push_file("b.md", "theirs\n", branch=BRANCH)
    world.push_file("c.md", "same\n", branch=BRANCH)
    world.push_file("c.md", "same\n", branch="main")
    theirs = world.push_file("README.md", "theirs\n", branch=BRANCH)
    world.push_file("b.md", "ours\n", branch="main")
    ours = world.push_file("README.md", "ours\n", branch="main")
    tree = await open_tree(world, branch=None)
    assert await tree.merge(theirs, "Merge") == ("README.md", "b.md")
    assert await tree.get_head() == ours
    assert await tree.find_text("README.md") == "ours\n"
    assert not await tree.commit_all("Nothing is left of it")


async def standing_elsewhere_throws_changes_away(world: GitWorld) -> None:
    pushed = world.push_file("a.md", "a\n", branch=BRANCH)
    tree = await open_tree(world)
    local = await tree.get_head()
    await tree.write_text("README.md", "changed\n")
    await tree.write_text("new.md", "new\n")
    await tree.stand_at(f"{ORIGIN}{BRANCH}")
    assert await tree.get_head() == pushed
    assert await tree.find_text("README.md") == "hello\n"
    assert await tree.find_text("new.md") is None
    assert await tree.get_head(f"refs/heads/{BRANCH}") == local
    with pytest.raises(AgentFailed):
        await tree.stand_at(f"{ORIGIN}never")


async def paths_are_told_apart(world: GitWorld) -> None:
    paths: list[Path] = [world.git.clone_path(RIG), world.git.credential_path(RIG)]
    paths += [world.git.worktree_path(RIG, name) for name in ("one", "two")]
    assert len(dict.fromkeys(paths)) == 4


CASES: tuple[GitCase, ...] = (
    refresh_follows_origin,
    unreachable_origin_has_its_code,
    worktree_begins_at_origins_branch_on_its_own_or_detached,
    worktree_of_a_missing_branch_has_its_code,
    worktrees_of_an_earlier_life_go_at_the_first_use,
    removal_is_complete_and_repeatable,
    remote_branch_is_made_once,
    merge_is_proved_by_reachability,
    saved_work_reaches_origin_where_it_can,
    commit_takes_every_change_or_says_none,
    files_stay_inside_and_names_cannot_be_both,
    push_moves_forward_only,
    fetch_in_a_worktree_is_the_rigs,
    merge_joins_both_sides_in_one_commit,
    merge_that_could_be_forwarded_makes_a_commit,
    conflict_names_its_paths_and_changes_nothing,
    standing_elsewhere_throws_changes_away,
    paths_are_told_apart,
)
