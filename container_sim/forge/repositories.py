"""What our forge needs of git, and that through the git program: bare repositories at
`ROOT/repos/OWNER/NAME.git`.

A repository is there when its folder is: who wants one makes it with git. Merges are plumbing in
the bare repository, without a worktree: a merged tree, a commit, and a base that moves only if it
still is where it was. An object that no branch names yet is harmless, so nothing needs undoing.
Exit codes are read and messages are not.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from boomtown.container_sim.forge.model import RepositoryName
from boomtown.container_sim.process_groups import signal_group
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for

_SHA = re.compile(r"[0-9a-f]{40}")


class RepositoryFacts(msgspec.Struct, frozen=True):
    """A repository as it is spelled, with the branch that it begins with."""

    repo: RepositoryName
    default_branch: str


class ForgeRepositories(Protocol):
    """The repositories of one forge. Commits are full hexadecimal ids."""

    async def find(self, repo: RepositoryName) -> RepositoryFacts | None:
        """In whatever case it is asked for."""
        ...

    async def find_head(self, repo: RepositoryName, branch: str) -> str | None: ...

    async def has_commit(self, repo: RepositoryName, sha: str) -> bool: ...

    async def is_ancestor(self, repo: RepositoryName, *, older: str, newer: str) -> bool:
        """Whether `newer` holds `older`; also when they are one. Both are there."""
        ...

    async def can_merge(self, repo: RepositoryName, *, base_sha: str, head_sha: str) -> bool: ...

    async def make_merge(
        self, repo: RepositoryName, *, base_sha: str, head_sha: str, message: str, squash: bool
    ) -> str | None:
        """A commit of both trees upon the base, which nothing points to yet; None when they are
        in conflict."""
        ...

    async def move_branch(
        self, repo: RepositoryName, branch: str, *, old_sha: str, new_sha: str
    ) -> bool:
        """False, and nothing is changed, when the branch is not at `old_sha`."""
        ...


class GitRepositories:
    """Satisfies ForgeRepositories by the git program."""

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str], command_ms_max: int
    ) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._command_ms_max = command_ms_max

    async def find(self, repo: RepositoryName) -> RepositoryFacts | None:
        owner = _find_child(self._folder, repo.owner)
        path = None if owner is None else _find_child(owner, f"{repo.name}.git")
        if owner is None or path is None:
            return None
        spelled = RepositoryName(owner=owner.name, name=path.name.removesuffix(".git"))
        code, text = await self._run(spelled, "symbolic-ref", "--short", "HEAD")
        return RepositoryFacts(spelled, text.strip() if code == 0 else "main")

    async def find_head(self, repo: RepositoryName, branch: str) -> str | None:
        # The branch of exactly this name: `rev-parse` would also take `main~1`.
        reference = f"refs/heads/{branch}"
        code, text = await self._run(repo, "show-ref", "--verify", "--hash", reference)
        return text.strip() if code == 0 else None

    async def has_commit(self, repo: RepositoryName, sha: str) -> bool:
        if not _SHA.fullmatch(sha):
            return False
        code, _ = await self._run(repo, "cat-file", "-e", f"{sha}^{{commit}}")
        return code == 0

    async def is_ancestor(self, repo: RepositoryName, *, older: str, newer: str) -> bool:
        code, _ = await self._run(repo, "merge-base", "--is-ancestor", older, newer)
        return code == 0

    async def can_merge(self, repo: RepositoryName, *, base_sha: str, head_sha: str) -> bool:
        return await self._merge_trees(repo, base_sha, head_sha) is not None

    async def make_merge(
        self, repo: RepositoryName, *, base_sha: str, head_sha: str, message: str, squash: bool
    ) -> str | None:
        tree = await self._merge_trees(repo, base_sha, head_sha)
        if tree is None:
            return None
        parents = ("-p", base_sha) if squash else ("-p", base_sha, "-p", head_sha)
        code, text = await self._run(repo, "commit-tree", tree, *parents, "-m", message)
        if code != 0:
            raise error_for(ErrorCode.CONTAINER_ERROR, "git commit-tree failed")
        return text.strip()

    async def move_branch(
        self, repo: RepositoryName, branch: str, *, old_sha: str, new_sha: str
    ) -> bool:
        code, _ = await self._run(repo, "update-ref", f"refs/heads/{branch}", new_sha, old_sha)
        return code == 0

    async def _merge_trees(self, repo: RepositoryName, base_sha: str, head_sha: str) -> str | None:
        # The trees of what has no common ancestor do not merge: that is a conflict to us, too.
        code, text = await self._run(repo, "merge-tree", "--write-tree", base_sha, head_sha)
        return text.splitlines()[0] if code == 0 else None

    async def _run(self, repo: RepositoryName, *arguments: str) -> tuple[int, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                cwd=self._folder / repo.owner / f"{repo.name}.git",
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise error_for(ErrorCode.GIT_NOT_FOUND, str(error)) from error
        try:
            async with asyncio.timeout(self._command_ms_max / 1000):
                output, _ = await process.communicate()
        except TimeoutError as error:
            message = f"git {arguments[0]} took longer than {self._command_ms_max} ms"
            raise error_for(ErrorCode.CONTAINER_ERROR, message) from error
        finally:
            if process.returncode is None:
                signal_group(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())  # bounded: the signal cannot be refused
        assert process.returncode is not None
        return process.returncode, output.decode("utf-8", errors="replace")


def _find_child(folder: Path, name: str) -> Path | None:
    """The folder of that name in some case; the exact one before others."""
    if (folder / name).is_dir():
        return folder / name
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if path.name.lower() == name.lower()]
    return min(found, default=None)
