"""Git in an agent's own worktree, by the git program, one blocking command at a time.

The environment comes from the control server (git_environment). Commands that change the shared
bare clone's references take the repository's lock file, as the control server does (git.py). Exit
codes and porcelain decide, never messages.
"""

from __future__ import annotations

import enum
import fcntl
import os
import subprocess
from pathlib import Path

import msgspec

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.git_environment import last_line


class PushOutcome(enum.Enum):
    """What a plain push came to."""

    PUSHED = "pushed"
    REJECTED = "rejected"  # origin has moved on, or refuses the branch
    FAILED = "failed"  # origin was not reached


class Run(msgspec.Struct, frozen=True):
    """A command's end."""

    code: int
    output: str


class AgentRepository:
    """The worktree of one session."""

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

    def fetch(self) -> None:
        """Bring `refs/remotes/origin` up to date."""
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.git("fetch", "--prune", "--quiet", "origin")
        finally:
            os.close(descriptor)

    def find_head(self, reference: str) -> str | None:
        """The commit of a reference, None when there is none."""
        run = self.try_git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        return run.output.strip() if run.code == 0 else None

    def get_head(self, reference: str = "HEAD") -> str:
        return self.git("rev-parse", "--verify", f"{reference}^{{commit}}")

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.try_git("merge-base", "--is-ancestor", older, newer).code == 0

    def commit_all(self, message: str) -> bool:
        """Commit every change of the worktree; False when there was none."""
        self.git("add", "--all")
        if self.try_git("diff", "--cached", "--quiet").code == 0:
            return False
        self.git("commit", "--quiet", "--message", message)
        return True

    def push(self, branch: str) -> PushOutcome:
        """Push HEAD to origin's branch, never by force."""
        run = self.try_git("push", "--porcelain", "origin", f"HEAD:refs/heads/{branch}")
        if run.code == 0:
            return PushOutcome.PUSHED
        if any(line.startswith("!\t") for line in run.output.splitlines()):
            return PushOutcome.REJECTED
        return PushOutcome.FAILED

    def push_work(self, branch: str) -> None:
        """Push HEAD to a branch that only this bead's sessions write. Raises AgentFailed."""
        outcome = self.push(branch)
        if outcome is not PushOutcome.PUSHED:
            raise AgentFailed(f"the push of {branch} was {outcome.value}")


def run_command(
    argv: tuple[str, ...], folder: Path, seconds_max: float, *, text_in: str | None = None
) -> Run:
    """Run a program to its end, both outputs together. A program that does not exist has code
    127, one that ran too long 124, as a shell would say."""
    try:
        process = subprocess.run(
            argv,
            cwd=folder,
            input="" if text_in is None else text_in,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds_max,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return Run(127, f"{argv[0]}: not found")
    except PermissionError:
        return Run(126, f"{argv[0]}: not permitted")
    except subprocess.TimeoutExpired:
        return Run(124, f"{argv[0]}: longer than {seconds_max:g} s")
    return Run(process.returncode, process.stdout)
