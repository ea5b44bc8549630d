"""Git in an agent's own worktree, by the git program, one blocking command at a time.

The environment comes from the control server (git_environment). Commands that change the shared
bare clone's references take the repository's lock file, as the control server does (git.py). Exit
codes and porcelain decide, never messages.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from boomtown.container_sim.agent.blocking_surroundings import run_command
from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import PushOutcome, Run
from boomtown.container_sim.git_environment import last_line


class AgentRepository:
    """The worktree of one session. Satisfies Worktree; every method blocks and none suspends."""

    def __init__(self, order: AgentOrder) -> None:
        self.worktree = Path(order.worktree)
        self._lock_path = order.lock_path
        self._git_s_max = order.git_ms_max / 1000

    def git(self, *arguments: str) -> str:
        """Standard output and error of a command that must succeed. Raises AgentFailed."""
        run = self.try_git(*arguments)
        if run.code != 0:
            raise AgentFailed(f"git {arguments[0]} failed: {last_line(run.output)}")
        return run.output.strip()

    def try_git(self, *arguments: str) -> Run:
        return run_command(("git", *arguments), self.worktree, self._git_s_max)

    async def fetch(self) -> None:
        """Bring `refs/remotes/origin` up to date."""
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.git("fetch", "--prune", "--quiet", "origin")
        finally:
            os.close(descriptor)

    async def find_head(self, reference: str) -> str | None:
        """The commit of a reference, None when there is none."""
        run = self.try_git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        return run.output.strip() if run.code == 0 else None

    async def get_head(self, reference: str = "HEAD") -> str:
        return self.git("rev-parse", "--verify", f"{reference}^{{commit}}")

    async def is_ancestor(self, older: str, newer: str) -> bool:
        return self.try_git("merge-base", "--is-ancestor", older, newer).code == 0

    async def commit_all(self, message: str) -> bool:
        """Commit every change of the worktree; False when there was none."""
        self.git("add", "--all")
        if self.try_git("diff", "--cached", "--quiet").code == 0:
            return False
        self.git("commit", "--quiet", "--message", message)
        return True

    async def push(self, branch: str) -> PushOutcome:
        """Push HEAD to origin's branch, never by force."""
        run = self.try_git("push", "--porcelain", "origin", f"HEAD:refs/heads/{branch}")
        if run.code == 0:
            return PushOutcome.PUSHED
        if any(line.startswith("!\t") for line in run.output.splitlines()):
            return PushOutcome.REJECTED
        return PushOutcome.FAILED

    async def stand_at(self, reference: str) -> None:
        self.git("checkout", "--detach", "--force", "--quiet", reference)
        self.git("clean", "-ffdxq")

    async def merge(self, commit: str, message: str) -> tuple[str, ...]:
        run = self.try_git("merge", "--no-ff", "--quiet", "--message", message, commit)
        if run.code == 0:
            return ()
        paths = self.git("diff", "--name-only", "--diff-filter=U").splitlines()
        self.try_git("merge", "--abort")
        if not paths:
            raise AgentFailed(f"git merge failed: {last_line(run.output)}")
        return tuple(paths)

    async def find_text(self, name: str) -> str | None:
        path = self._find_place(name)
        return path.read_text() if path.exists() else None

    async def write_text(self, name: str, text: str) -> None:
        path = self._find_place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _find_place(self, name: str) -> Path:
        """Inside the worktree, also where a link of the repository points elsewhere."""
        root = self.worktree.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise AgentFailed(f"{name} is outside the worktree")
        return path
