"""Two worlds with one face for the git port's conformance suite: the git program, and memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from boomtown.clock import SystemClock
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.repository import AgentRepository
from boomtown.container_sim.agent.surroundings import Worktree
from boomtown.container_sim.faults import NoFaults
from boomtown.container_sim.git import LOCK_FILE, Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.git_port import GitPort
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.model import Repository
from boomtown.container_sim.sim_git import SimGit
from boomtown.container_sim.sim_life import SimLife
from boomtown.container_sim.sim_repositories import SimRepositories, SimTree
from boomtown.container_sim.sim_timings import SimTimings
from boomtown.container_sim.sim_worktree import SimWorktree
from boomtown.sim.choices import Choices, ChosenEntropy
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from support.container_orders import RIG, work_order
from support.git_origin import GitOrigin

SIM_URL = "https://origin.invalid/rig.git"


class GitWorld(Protocol):
    """An origin with one commit on `main`, and a container's git."""

    @property
    def git(self) -> GitPort: ...
    @property
    def repository(self) -> Repository: ...
    def next_life(self) -> GitPort:
        """The git of the town's next container."""
        ...

    async def open_worktree(self, path: Path) -> Worktree: ...
    def push_file(self, path: str, text: str, *, branch: str) -> str: ...
    def head(self, branch: str) -> str: ...
    def show(self, branch: str, path: str) -> str: ...
    def delete_branch(self, branch: str) -> None: ...
    def add_tag(self, tag: str) -> None:
        """Tag `main` on origin."""
        ...

    def check_out_elsewhere(self, branch: str) -> Path:
        """Make a worktree of the clone that is none of ours; its path."""
        ...

    def hide_origin(self) -> None:
        """From now on origin is not reached."""
        ...


GitCase = Callable[[GitWorld], Awaitable[None]]


def repository_at(url: str) -> Repository:
    return Repository(rig_id=RIG, git_url=url, default_branch="main")


class RealGitWorld:
    """The git program on a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._origin = GitOrigin(folder)
        self.repository = repository_at(self._origin.url)
        self.git = self.next_life()
        self.push_file = self._origin_push
        self.head = self._origin.head
        self.show = self._origin.show

    def next_life(self) -> Git:
        environment = git_environment(
            os.environ, author_name="Tester", author_email="tester@localhost"
        )
        return Git(
            self._folder / "data", SystemClock(), environment=environment, command_ms_max=60_000
        )

    async def open_worktree(self, path: Path) -> Worktree:
        clone = self.git.clone_path(RIG)
        # A real agent has its author in its environment; here it is the clone's.
        for name, value in (("user.name", "Tester"), ("user.email", "tester@localhost")):
            process = await asyncio.create_subprocess_exec("git", "config", name, value, cwd=clone)
            assert await process.wait() == 0
        order = AgentOrder(
            session=work_order(session_id="s1"),
            harness=HarnessSpec(),
            api_url="",
            worktree=str(path),
            lock_path=str(clone / LOCK_FILE),
            agent_log=None,
            git_ms_max=60_000,
            gate_ms_max=60_000,
            merge_tries_max=3,
            faults=(),
            faults_folder="",
        )
        return AgentRepository(order)

    def _origin_push(self, path: str, text: str, *, branch: str) -> str:
        return self._origin.push_file(path, text, branch=branch)

    def delete_branch(self, branch: str) -> None:
        self._origin.git("branch", "--quiet", "-D", branch)

    def add_tag(self, tag: str) -> None:
        self._origin.git("tag", tag, "refs/heads/main")

    def check_out_elsewhere(self, branch: str) -> Path:
        path = self._folder / "elsewhere"
        place = ("-b", branch, str(path), "refs/remotes/origin/main")
        subprocess.run(
            ("git", "worktree", "add", "--quiet", "--no-track", *place),
            cwd=self.git.clone_path(RIG),
            check=True,
        )
        return path

    def hide_origin(self) -> None:
        self._origin.path.rename(self._folder / "hidden.git")


class SimGitWorld:
    """Memory, under virtual time."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self._clock = clock
        self._entropy = ChosenEntropy(Choices(seed=seed))
        self._repositories = SimRepositories()
        self._origin = self._repositories.add_origin(SIM_URL, {"README.md": b"hello\n"})
        self.repository = repository_at(SIM_URL)
        self.git = self.next_life()

    def next_life(self) -> SimGit:
        self._life = SimLife(
            self._clock, self._entropy, NoFaults(), SimTimings(), on_crash=lambda: None
        )
        return SimGit(Path("/data"), self._repositories, self._life)

    async def open_worktree(self, path: Path) -> Worktree:
        return SimWorktree(str(path), self._repositories, self._life)

    def push_file(self, path: str, text: str, *, branch: str) -> str:
        return self._repositories.push_file(SIM_URL, path, text, branch=branch)

    def head(self, branch: str) -> str:
        return self._origin.branches[branch]

    def show(self, branch: str, path: str) -> str:
        text = self._repositories.find_file(SIM_URL, branch, path)
        assert text is not None
        return text.strip()

    def delete_branch(self, branch: str) -> None:
        del self._origin.branches[branch]

    def add_tag(self, tag: str) -> None:
        self._origin.tags[tag] = self._origin.branches["main"]

    def check_out_elsewhere(self, branch: str) -> Path:
        head = self._origin.branches["main"]
        files = self._repositories.get_commit(head).tree
        path = Path("/elsewhere")
        self._repositories.worktrees[str(path)] = SimTree(RIG, head, branch, files)
        return path

    def hide_origin(self) -> None:
        self._origin.is_reachable = False


def run_real_git(case: GitCase, folder: Path) -> None:
    async def run() -> None:
        await case(RealGitWorld(folder))

    asyncio.run(run())


def run_simulated_git(case: GitCase, *, seed: int) -> None:
    async def run(loop: VirtualLoop) -> None:
        await case(SimGitWorld(VirtualClock(loop), seed))

    run_virtually(run, Choices(seed=seed))
