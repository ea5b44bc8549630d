"""Git for a control server: one bare clone per rig, a worktree per session, all through the
git program.

Invariants. A clone is made under a temporary name and renamed when it is whole, so whatever
stands at `repos/<rig>.git` can be used. Its own `refs/heads` hold the branches of worktrees only;
origin's are under `refs/remotes/origin`. Clone, fetch and worktree commands of one repository run
one at a time: an asyncio lock orders those of this process, and a lock file those of agents
(container_sim/agent/repository.py takes the same one). Every command has a time limit, and a
process group of its own that is killed when the limit passes or the caller is cancelled; after a
crash the instance's mark in its environment is what finds it. Nothing is ever pushed by
force. Nothing in here reads git's messages to decide: exit codes and porcelain only.

A crash leaves at worst a temporary clone, removed by the next one, and worktrees of sessions that
are over, removed when the rig is first used by a container's next life.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.git_environment import last_line
from boomtown.container_sim.git_urls import credential_line
from boomtown.container_sim.model import MergeProof, Repository
from boomtown.container_sim.process_groups import signal_group
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, error_for
from boomtown.ids import RigId

LOCK_POLL_MS = 50
LOCK_FILE = "boomtown.lock"  # inside the bare clone
REACH_OPTIONS = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60")


class Git:
    """The repositories below one data directory."""

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        *,
        environment: Mapping[str, str],
        command_ms_max: int,
    ) -> None:
        self._repos = data_dir / "repos"
        self._worktrees = data_dir / "worktrees"
        self._clock = clock
        self._environment = dict(environment)
        self._command_ms_max = command_ms_max
        self._locks: defaultdict[RigId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._used_rigs: set[RigId] = set()

    def clone_path(self, rig_id: RigId) -> Path:
        """Where the rig's bare clone is, or will be."""
        return self._repos / f"{rig_id}.git"

    def credential_path(self, rig_id: RigId) -> Path:
        """Where the rig's credential file is, if it has one."""
        return self._repos / f"{rig_id}.credentials"

    def worktree_path(self, rig_id: RigId, name: str) -> Path:
        """Where the worktree of that name is, or will be."""
        return self._worktrees / rig_id / name

    async def refresh(self, repository: Repository, *, token: str | None) -> None:
        """Clone or fetch, so that `refs/remotes/origin` is what origin has now. Raises
        GIT_UNREACHABLE, GIT_NOT_FOUND."""
        async with self._locks[repository.rig_id]:
            self._write_credential(repository, token)
            clone = self.clone_path(repository.rig_id)
            if not clone.exists():
                await self._clone(repository)
            else:
                async with self._file_lock(clone):
                    await self._remove_leftovers(repository.rig_id)
                    await self._set_origin(clone, repository)
                    await self._reach(clone, repository, "fetch", "--prune", "--quiet", "origin")
            self._used_rigs.add(repository.rig_id)

    async def add_worktree(
        self, repository: Repository, name: str, *, branch: str | None, start: str
    ) -> Path:
        """Make a worktree at origin's branch `start`: on the local branch `branch`, made anew,
        or detached. Raises INVALID_BRANCH when origin has no `start`."""
        clone = self.clone_path(repository.rig_id)
        path = self.worktree_path(repository.rig_id, name)
        async with self._locks[repository.rig_id], self._file_lock(clone):
            path.parent.mkdir(parents=True, exist_ok=True)
            if await self.find_remote_head(repository.rig_id, start) is None:
                raise error_for(ErrorCode.INVALID_BRANCH, f"Origin has no branch {start!r}")
            place = ("--detach",) if branch is None else ("--no-track", "-B", branch)
            origin = f"refs/remotes/origin/{start}"
            arguments = ("worktree", "add", "--force", "--quiet", *place, str(path), origin)
            await self._run_checked(clone, *arguments)
        return path

    async def remove_worktree(self, rig_id: RigId, name: str) -> None:
        """Remove a worktree with all that is in it; no error when it is not there."""
        clone = self.clone_path(rig_id)
        path = self.worktree_path(rig_id, name)
        async with self._locks[rig_id]:
            if not clone.exists():
                return
            async with self._file_lock(clone):
                await self._remove_worktree(clone, path)

    async def find_remote_head(self, rig_id: RigId, branch: str) -> str | None:
        """The commit of origin's branch as last fetched, None when it has none."""
        reference = f"refs/remotes/origin/{branch}^{{commit}}"
        clone = self.clone_path(rig_id)
        code, text = await self._run(clone, "rev-parse", "--verify", "--quiet", reference)
        return text.strip() if code == 0 else None

    async def create_remote_branch(
        self, repository: Repository, branch: str, *, start: str
    ) -> None:
        """Make `branch` on origin at origin's `start`, unless it is there; a race that another
        wins is no error."""
        clone = self.clone_path(repository.rig_id)
        async with self._locks[repository.rig_id], self._file_lock(clone):
            if await self.find_remote_head(repository.rig_id, branch) is not None:
                return
            refspec = f"refs/remotes/origin/{start}:refs/heads/{branch}"
            await self._run(clone, "push", "--porcelain", "--quiet", "origin", refspec)
            await self._reach(clone, repository, "fetch", "--prune", "--quiet", "origin")
        if await self.find_remote_head(repository.rig_id, branch) is None:
            raise error_for(ErrorCode.INVALID_BRANCH, f"Origin refused the branch {branch!r}")

    async def prove_merge(
        self, repository: Repository, *, branch: str, target_branch: str
    ) -> MergeProof:
        """After a fetch: whether the branch's head can be reached from the target's. A branch
        that origin does not have proves nothing: not merged."""
        await self.refresh(repository, token=None)
        target = await self.find_remote_head(repository.rig_id, target_branch)
        head = await self.find_remote_head(repository.rig_id, branch)
        if target is None or head is None:
            return MergeProof(is_merged=False, target_head=target or "")
        clone = self.clone_path(repository.rig_id)
        code, _ = await self._run(clone, "merge-base", "--is-ancestor", head, target)
        return MergeProof(is_merged=code == 0, target_head=target)

    async def save_work(self, worktree: Path, *, branch: str, message: str) -> None:
        """Commit what is uncommitted and push it plainly, as far as that goes: the session is
        being ended, and a failure to save must not keep it."""
        await self._run(worktree, "add", "--all")
        code, _ = await self._run(worktree, "diff", "--cached", "--quiet")
        if code == 1:
            await self._run(worktree, "commit", "--quiet", "--message", message)
        await self._run(worktree, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")

    async def _clone(self, repository: Repository) -> None:
        clone = self.clone_path(repository.rig_id)
        partial = clone.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            await self._run_checked(partial, "init", "--bare", "--quiet")
            await self._run_checked(partial, "remote", "add", "origin", repository.git_url)
            await self._reach(partial, repository, "fetch", "--quiet", "origin")
            partial.rename(clone)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    async def _set_origin(self, clone: Path, repository: Repository) -> None:
        _, known = await self._run(clone, "remote", "get-url", "origin")
        if known.strip() != repository.git_url:
            await self._run_checked(clone, "remote", "set-url", "origin", repository.git_url)

    async def _remove_leftovers(self, rig_id: RigId) -> None:
        """At the rig's first use in this life no session lives: every worktree is left over."""
        if rig_id in self._used_rigs:
            return
        folder = self._worktrees / rig_id
        for path in sorted(folder.iterdir()) if folder.exists() else []:
            await self._remove_worktree(self.clone_path(rig_id), path)

    async def _remove_worktree(self, clone: Path, path: Path) -> None:
        await self._run(clone, "worktree", "remove", "--force", "--force", str(path))
        # Not on the loop's thread: a worktree may hold very many files.
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        await self._run(clone, "worktree", "prune")

    def _write_credential(self, repository: Repository, token: str | None) -> None:
        if token is None:
            return
        line = credential_line(repository.git_url, username="x-access-token", token=token)
        if line is None:
            return
        self._repos.mkdir(parents=True, exist_ok=True)
        path = self.credential_path(repository.rig_id)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(line + "\n")

    async def _reach(self, folder: Path, repository: Repository, *arguments: str) -> None:
        store = self.credential_path(repository.rig_id)
        helper = ("-c", f"credential.helper=store --file={store}") if store.exists() else ()
        code, text = await self._run(folder, *REACH_OPTIONS, *helper, *arguments)
        if code != 0:
            raise error_for(
                ErrorCode.GIT_UNREACHABLE, f"git {arguments[0]} failed: {last_line(text)}"
            )

    async def _run_checked(self, folder: Path, *arguments: str) -> str:
        code, text = await self._run(folder, *arguments)
        if code != 0:
            words = " ".join(arguments[:2])
            raise error_for(ErrorCode.CONTAINER_ERROR, f"git {words} failed: {last_line(text)}")
        return text

    async def _run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                cwd=folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise _missing_program(folder, error) from error
        try:
            async with asyncio.timeout(self._command_ms_max / 1000):
                output, _ = await process.communicate()
        except TimeoutError as error:
            message = f"git {arguments[0]} took longer than {self._command_ms_max} ms"
            raise error_for(ErrorCode.GIT_UNREACHABLE, message) from error
        finally:
            if process.returncode is None:
                # The whole group: git's own children would hold the output open. Bounded, because
                # the signal cannot be refused.
                signal_group(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())
        assert process.returncode is not None
        return process.returncode, output.decode("utf-8", errors="replace")

    @asynccontextmanager
    async def _file_lock(self, clone: Path) -> AsyncGenerator[None]:
        until_ms = self._clock.monotonic_ms() + self._command_ms_max
        descriptor = os.open(clone / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(descriptor):
                if self._clock.monotonic_ms() >= until_ms:
                    raise error_for(ErrorCode.CONTAINER_ERROR, "The repository stayed locked")
                await self._clock.sleep_until_ms(self._clock.now_ms() + LOCK_POLL_MS)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _missing_program(folder: Path, error: FileNotFoundError) -> BoomtownError:
    if not folder.exists():
        return error_for(ErrorCode.CONTAINER_ERROR, f"A folder of the repository vanished: {error}")
    return error_for(ErrorCode.GIT_NOT_FOUND)
