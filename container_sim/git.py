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
HEADS, REMOTES, TAGS = "refs/heads/", "refs/remotes/origin/", "refs/tags/"
KEPT_FOLDER = "kept"  # beside the rigs' folders of worktrees; a rig's id is never this word
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
        self._kept = self._worktrees / KEPT_FOLDER
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
        """Make a worktree at origin's branch `start`, or at a tag given as `refs/tags/…`: on the
        local branch `branch`, made anew, or detached. Raises INVALID_BRANCH,
        BRANCH_CHECKED_OUT_ELSEWHERE."""
        clone = self.clone_path(repository.rig_id)
        path = self.worktree_path(repository.rig_id, name)
        async with self._locks[repository.rig_id], self._file_lock(clone):
            path.parent.mkdir(parents=True, exist_ok=True)
            commit = start if start.startswith(TAGS) else REMOTES + start
            if not await self._has_commit(clone, commit):
                raise error_for(ErrorCode.INVALID_BRANCH, f"Origin has no branch {start!r}")
            if branch is not None:
                holder = await self.find_checkout_elsewhere(repository.rig_id, branch)
                if holder is not None:
                    raise checked_out_elsewhere(branch, holder)
            place = ("--detach",) if branch is None else ("--no-track", "-B", branch)
            arguments = ("worktree", "add", "--force", "--quiet", *place, str(path), commit)
            await self._run_checked(clone, *arguments)
        return path

    async def find_checkout_elsewhere(self, rig_id: RigId, branch: str) -> Path | None:
        """The worktree that is none of ours and has the branch checked out. Ours are left out:
        which of them is a living session's is not known here."""
        clone = self.clone_path(rig_id)
        if not clone.exists():
            return None
        listing = await self._run_checked(clone, "worktree", "list", "--porcelain")
        ours = self._worktrees.resolve()
        for entry in listing.split("\n\n"):
            fields: dict[str, str] = {}
            for line in entry.splitlines():
                name, _, value = line.partition(" ")
                fields[name] = value
            path = Path(fields.get("worktree", ""))
            if fields.get("branch") == HEADS + branch and not path.is_relative_to(ours):
                return path
        return None

    async def is_obtainable(self, repository: Repository, branch: str) -> bool:
        """As the port says: the clone is asked first, and origin only where it cannot tell."""
        default = repository.default_branch
        clone = self.clone_path(repository.rig_id)
        if clone.exists():
            for name in (HEADS + branch, REMOTES + branch, REMOTES + default, TAGS + branch):
                if await self._has_commit(clone, name):
                    return True
        wanted = (HEADS + branch, HEADS + default, TAGS + branch)
        folder = Path("/")  # there may be no folder of ours yet, and none is made by looking
        listing = await self._reach(folder, repository, "ls-remote", repository.git_url, *wanted)
        return bool(listing.strip())

    async def fetch_tag(self, rig_id: RigId, tag: str) -> bool:
        """Have origin's tag in the clone; False where it has none of that name, or no answer."""
        clone = self.clone_path(rig_id)
        async with self._locks[rig_id], self._file_lock(clone):
            await self._run(clone, "fetch", "--quiet", "origin", f"{TAGS}{tag}:{TAGS}{tag}")
            return await self._has_commit(clone, TAGS + tag)

    async def keep_worktree(self, rig_id: RigId, name: str) -> Path | None:
        """Put a worktree with uncommitted or unpushed work aside; None when it has none."""
        clone, path = self.clone_path(rig_id), self.worktree_path(rig_id, name)
        async with self._locks[rig_id]:
            if not path.exists() or not await self._is_dirty(path):
                return None
            kept = self._kept / rig_id / name
            await self._move_worktree(clone, path, kept)
            return kept

    async def take_back_worktree(self, rig_id: RigId, kept: Path, name: str) -> Path | None:
        """Put what was kept to a session's place again; None when it is there no more."""
        path = self.worktree_path(rig_id, name)
        async with self._locks[rig_id]:
            if not kept.is_relative_to(self._kept / rig_id) or not kept.exists():
                return None
            await self._move_worktree(self.clone_path(rig_id), kept, path)
            return path

    async def discard_kept(self, rig_id: RigId, *, spared: tuple[str, ...]) -> tuple[str, ...]:
        """Remove what was kept of a rig but the spared paths; those removed, in order."""
        clone, folder = self.clone_path(rig_id), self._kept / rig_id
        removed: list[str] = []
        async with self._locks[rig_id]:
            for path in sorted(folder.iterdir()) if folder.exists() else []:
                if str(path) not in spared:
                    async with self._file_lock(clone):
                        await self._remove_worktree(clone, path)
                    removed.append(str(path))
        return tuple(removed)

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
        reference = f"{REMOTES}{branch}^{{commit}}"
        clone = self.clone_path(rig_id)
        if not clone.exists():
            return None
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

    async def _has_commit(self, clone: Path, name: str) -> bool:
        code, _ = await self._run(clone, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return code == 0

    async def _is_dirty(self, worktree: Path) -> bool:
        """Whether something would be lost with it: changes, or commits that origin has not."""
        changes = await self._run_checked(worktree, "status", "--porcelain")
        unpushed = await self._run_checked(
            worktree, "rev-list", "--max-count=1", "HEAD", "--not", "--remotes=origin"
        )
        return bool(changes.strip() or unpushed.strip())

    async def _move_worktree(self, clone: Path, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with self._file_lock(clone):
            await self._run_checked(clone, "worktree", "move", str(source), str(target))

    async def _reach(self, folder: Path, repository: Repository, *arguments: str) -> str:
        store = self.credential_path(repository.rig_id)
        helper = ("-c", f"credential.helper=store --file={store}") if store.exists() else ()
        code, text = await self._run(folder, *REACH_OPTIONS, *helper, *arguments)
        if code != 0:
            raise error_for(
                ErrorCode.GIT_UNREACHABLE, f"git {arguments[0]} failed: {last_line(text)}"
            )
        return text

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


def checked_out_elsewhere(branch: str, holder: Path) -> BoomtownError:
    """The refusal that names the branch and the path that holds it (roster.md C3a)."""
    return error_for(
        ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE,
        f"The branch {branch!r} is checked out at {holder}",
        details={"branch": branch, "path": str(holder)},
    )


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
