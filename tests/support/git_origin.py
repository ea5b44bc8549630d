"""A bare repository on the disk as a rig's origin, and looks into it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from boomtown.container_sim.git_environment import git_environment


class GitOrigin:
    """An origin with one commit on `main`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "origin.git"
        self._scratch = folder / "scratch"
        self._environment = git_environment(
            os.environ, author_name="Tester", author_email="tester@localhost"
        )
        self.path.mkdir(parents=True)
        self.git("init", "--bare", "--quiet", "--initial-branch=main")
        self._run(folder, "clone", "--quiet", str(self.path), str(self._scratch))
        self.push_file("README.md", "hello\n", branch="main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str) -> str:
        """Run in the origin itself."""
        return self._run(self.path, *arguments)

    def head(self, branch: str) -> str:
        return self.git("rev-parse", f"refs/heads/{branch}")

    def show(self, branch: str, path: str) -> str:
        """A file's text as it stands on a branch."""
        return self.git("show", f"refs/heads/{branch}:{path}")

    def push_file(self, path: str, text: str, *, branch: str, start: str = "main") -> str:
        """Commit one file on a branch and push it; the commit."""
        scratch = self._scratch
        self._run(scratch, "fetch", "--quiet", "--prune", "origin")
        known = self.git("for-each-ref", "--format=%(refname:short)").split()
        base = branch if branch in known else start
        if known:
            self._run(scratch, "checkout", "--quiet", "--detach", f"origin/{base}")
        (scratch / path).write_text(text)
        self._run(scratch, "add", "--all")
        self._run(scratch, "commit", "--quiet", "--message", f"Write {path}")
        self._run(scratch, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return self._run(scratch, "rev-parse", "HEAD")

    def _run(self, folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ("git", *arguments),
            cwd=folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
