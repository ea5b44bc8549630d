"""What every git port does for sessions by hand: looks before a spawn, and work that is kept."""

from __future__ import annotations

import pytest

from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from support.container_orders import RIG
from support.git_cases import BRANCH, open_tree
from support.git_worlds import GitCase, GitWorld, repository_at

TAG = "v1"


async def branch_is_obtainable_from_any_base(world: GitWorld) -> None:
    git = world.git
    assert await git.is_obtainable(world.repository, BRANCH)  # before any clone: origin's default
    world.push_file("a.md", "a\n", branch=BRANCH)
    world.add_tag(TAG)
    world.delete_branch("main")
    assert await git.is_obtainable(world.repository, BRANCH)
    assert not await git.is_obtainable(world.repository, "never")
    assert await git.is_obtainable(world.repository, TAG)
    await git.refresh(world.repository, token=None)
    assert await git.is_obtainable(world.repository, BRANCH)
    assert await git.is_obtainable(world.repository, TAG)
    assert not await git.is_obtainable(world.repository, "never")


async def looking_for_a_branch_makes_no_clone(world: GitWorld) -> None:
    await world.git.is_obtainable(world.repository, BRANCH)
    assert await world.git.find_remote_head(RIG, "main") is None
    nowhere = repository_at("file:///nowhere/at/all.git")
    with pytest.raises(BoomtownError) as caught:
        await world.git.is_obtainable(nowhere, BRANCH)
    assert caught.value.code == ErrorCode.GIT_UNREACHABLE


async def tag_is_a_base(world: GitWorld) -> None:
    main = world.head("main")
    world.add_tag(TAG)
    world.delete_branch("main")
    await world.git.refresh(world.repository, token=None)
    assert not await world.git.fetch_tag(RIG, "never")
    assert await world.git.fetch_tag(RIG, TAG)
    path = await world.git.add_worktree(
        world.repository, "one", branch=TAG, start=f"refs/tags/{TAG}"
    )
    tree = await world.open_worktree(path)
    assert await tree.get_head() == await tree.get_head(f"refs/heads/{TAG}") == main


async def branch_that_is_checked_out_elsewhere_is_refused(world: GitWorld) -> None:
    assert await world.git.find_checkout_elsewhere(RIG, BRANCH) is None
    await open_tree(world, name="ours")
    assert await world.git.find_checkout_elsewhere(RIG, BRANCH) is None
    await world.git.remove_worktree(RIG, "ours")
    other = f"{BRANCH}-of-somebody"
    holder = world.check_out_elsewhere(other)
    assert await world.git.find_checkout_elsewhere(RIG, other) == holder
    with pytest.raises(BoomtownError) as caught:
        await open_tree(world, branch=other, name="two")
    assert caught.value.code == ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE
    assert other in caught.value.message
    assert str(holder) in caught.value.message


async def kept_work_survives_the_next_life_and_is_taken_back(world: GitWorld) -> None:
    tree = await open_tree(world)
    assert await world.git.keep_worktree(RIG, "one") is None  # nothing would be lost
    await tree.write_text("new.md", "new\n")
    kept = await world.git.keep_worktree(RIG, "one")
    assert kept is not None
    git = world.next_life()
    await git.refresh(world.repository, token=None)
    path = await git.take_back_worktree(RIG, kept, "two")
    assert path is not None
    assert path == git.worktree_path(RIG, "two")
    again = await world.open_worktree(path)
    assert await again.find_text("new.md") == "new\n"
    assert await git.take_back_worktree(RIG, kept, "three") is None


async def unpushed_commits_are_kept_too(world: GitWorld) -> None:
    tree = await open_tree(world)
    await tree.write_text("new.md", "new\n")
    assert await tree.commit_all("Not pushed")
    assert await world.git.keep_worktree(RIG, "one") is not None


async def kept_work_is_discarded_but_what_is_spared(world: GitWorld) -> None:
    kept: list[str] = []
    for name in ("one", "two"):
        tree = await open_tree(world, branch=f"{BRANCH}-{name}", name=name)
        await tree.write_text("new.md", "new\n")
        path = await world.git.keep_worktree(RIG, name)
        assert path is not None
        kept.append(str(path))
    assert await world.git.discard_kept(RIG, spared=(kept[1],)) == (kept[0],)
    assert await world.git.discard_kept(RIG, spared=()) == (kept[1],)
    assert await world.git.discard_kept(RIG, spared=()) == ()


SESSION_CASES: tuple[GitCase, ...] = (
    branch_is_obtainable_from_any_base,
    looking_for_a_branch_makes_no_clone,
    tag_is_a_base,
    branch_that_is_checked_out_elsewhere_is_refused,
    kept_work_survives_the_next_life_and_is_taken_back,
    unpushed_commits_are_kept_too,
    kept_work_is_discarded_but_what_is_spared,
)
