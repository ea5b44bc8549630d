"""A merge at our forge that a crash cuts in two, at each of its steps."""

from __future__ import annotations

import os
from pathlib import Path

from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.desk import ForgeDesk
from boomtown.container_sim.forge.entries import AnyEntry
from boomtown.container_sim.forge.journal import ForgeBook, MemoryJournal
from boomtown.container_sim.forge.model import (
    Made,
    Merged,
    MergeMethod,
    NotMergeable,
    PullRequest,
    PullRequestState,
    RepositoryName,
)
from boomtown.container_sim.forge.repositories import GitRepositories
from boomtown.container_sim.forge.sim_forge import SIM_BASE_URL, SimForgeRepositories
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.limits import ForgeLimits
from boomtown.sim.choices import CountingSecrets
from boomtown.testing import ManualClock
from support.forge_cases import create, listed, merge, shown
from support.forge_worlds import REPO
from support.git_origin import GitOrigin

URL = f"{SIM_BASE_URL}/{REPO.full_name}.git"
SIM_SITE = ForgeSite(base_url=SIM_BASE_URL)


class Crash(Exception):
    """The forge ends here."""


class CrashingJournal(MemoryJournal):
    """Ends the forge before or behind an entry of one kind."""

    def __init__(self) -> None:
        super().__init__()
        self.before: type[e.Entry] | None = None
        self.behind: type[e.Entry] | None = None

    def append(self, entry: AnyEntry) -> None:
        if self.before is not None and isinstance(entry, self.before):
            raise Crash
        super().append(entry)
        if self.behind is not None and isinstance(entry, self.behind):
            raise Crash


class RacingRepositories(SimForgeRepositories):
    """Somebody pushes to the base while a merge is made."""

    def __init__(self, repositories: SimRepositories) -> None:
        super().__init__(repositories, SIM_BASE_URL)
        self._pushes_to = repositories
        self.is_racing = False

    async def move_branch(
        self, repo: RepositoryName, branch: str, *, old_sha: str, new_sha: str
    ) -> bool:
        if self.is_racing:
            self._pushes_to.push_file(URL, "race.md", "race\n", branch=branch)
        return await super().move_branch(repo, branch, old_sha=old_sha, new_sha=new_sha)


class DirectWay:
    """Satisfies ForgeWay: into the desk, without a wire."""

    def __init__(self) -> None:
        self.desk: ForgeDesk | None = None

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        assert self.desk is not None
        answer = await self.desk.answer(request)
        assert answer is not None
        return answer

    async def close(self) -> None:
        """There is nothing to close."""


class CrashWorld:
    """A forge in memory that can be started again on what its journal and git hold."""

    def __init__(self) -> None:
        self.repositories = SimRepositories()
        self.origin = self.repositories.add_origin(URL, {"README.md": b"hello\n"})
        self.git = RacingRepositories(self.repositories)
        self.journal = CrashingJournal()
        self.way = DirectWay()
        self._clock = ManualClock()
        self.restart()
        assert self.way.desk is not None
        token = self.way.desk.grant_token("ann", is_bot=False)
        self.client = ForgeClient(
            SIM_SITE, self.way, self._clock, ForgeLimits(), find_token=lambda _: token
        )

    def restart(self) -> None:
        self.journal.before = self.journal.behind = None
        self.way.desk = ForgeDesk(
            SIM_BASE_URL,
            ForgeBook(self.journal),
            self.git,
            self._clock,
            CountingSecrets(),
            ForgeLimits(),
            admin_key="key",
        )

    async def open_pull(self) -> PullRequest:
        self.repositories.push_file(URL, "a.md", "a\n", branch="work")
        made = await create(self.client, "work")
        assert isinstance(made, Made)
        return made.value

    async def crash_in_merge(self, pull: PullRequest, method: MergeMethod) -> None:
        try:
            await merge(self.client, pull, method=method)
        except Crash:
            self.restart()
            return
        raise AssertionError("the forge did not crash")


async def test_crash_before_the_merge_is_noted_leaves_it_open() -> None:
    world = CrashWorld()
    pull = await world.open_pull()
    before = world.origin.branches["main"]
    world.journal.before = e.MergeBegan
    await world.crash_in_merge(pull, MergeMethod.SQUASH)
    assert (await shown(world.client, 1)).state is PullRequestState.OPEN
    assert world.origin.branches["main"] == before


async def test_crash_before_the_base_moves_leaves_it_open_and_mergeable() -> None:
    world = CrashWorld()
    pull = await world.open_pull()
    world.journal.behind = e.MergeBegan
    await world.crash_in_merge(pull, MergeMethod.SQUASH)
    assert [known.number for known in (await listed(world.client))[0].items] == [1]
    merged = await merge(world.client, pull, method=MergeMethod.SQUASH)
    assert merged == Merged(merge_sha=world.origin.branches["main"])


async def test_crash_behind_the_move_is_a_merge_and_only_one() -> None:
    for method in MergeMethod:
        world = CrashWorld()
        pull = await world.open_pull()
        world.journal.before = e.PullMerged
        await world.crash_in_merge(pull, method)
        moved = world.origin.branches["main"]
        assert (await listed(world.client))[0].items == ()
        assert (await shown(world.client, 1)).state is PullRequestState.MERGED
        assert await merge(world.client, pull, method=method) == Merged(merge_sha=moved)
        assert world.origin.branches["main"] == moved


async def test_merge_is_found_behind_later_commits_of_the_base() -> None:
    world = CrashWorld()
    pull = await world.open_pull()
    world.journal.before = e.PullMerged
    await world.crash_in_merge(pull, MergeMethod.SQUASH)
    moved = world.origin.branches["main"]
    world.repositories.push_file(URL, "later.md", "later\n", branch="main")
    assert (await shown(world.client, 1)).state is PullRequestState.MERGED
    assert await merge(world.client, pull) == Merged(merge_sha=moved)


async def test_base_that_moves_during_a_merge_is_not_overwritten() -> None:
    world = CrashWorld()
    pull = await world.open_pull()
    world.git.is_racing = True
    assert await merge(world.client, pull) == NotMergeable()
    assert world.repositories.find_file(URL, "main", "race.md") == "race\n"
    assert (await shown(world.client, 1)).state is PullRequestState.OPEN
    world.git.is_racing = False
    assert isinstance(await merge(world.client, pull), Merged)
    assert world.repositories.find_file(URL, "main", "race.md") == "race\n"


async def test_git_moves_a_branch_only_from_where_it_is(tmp_path: Path) -> None:
    origin = GitOrigin(tmp_path)
    (tmp_path / "repos" / REPO.owner).mkdir(parents=True)
    (tmp_path / "repos" / REPO.owner / f"{REPO.name}.git").symlink_to(origin.path)
    environment = git_environment(os.environ, author_name="T", author_email="t@localhost")
    git = GitRepositories(tmp_path / "repos", environment=environment, command_ms_max=60_000)
    old = origin.head("main")
    now = origin.push_file("a.md", "a\n", branch="main")
    assert not await git.move_branch(REPO, "main", old_sha=old, new_sha=old)
    assert origin.head("main") == now
    assert await git.move_branch(REPO, "main", old_sha=now, new_sha=old)
    assert origin.head("main") == old
