"""What a control server and its sessions need of git: the git program (git.py), or memory
(sim_git.py). One conformance suite runs against both."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from boomtown.container_sim.model import MergeProof, Repository
from boomtown.ids import RigId


class GitPort(Protocol):
    """The repositories below one data directory. Each method is whole or not at all, as far as
    a later one can see; none forces a push."""

    def clone_path(self, rig_id: RigId) -> Path:
        """Where the rig's bare clone is, or will be."""
        ...

    def credential_path(self, rig_id: RigId) -> Path:
        """Where the rig's credential file is, if it has one."""
        ...

    def worktree_path(self, rig_id: RigId, name: str) -> Path:
        """Where the worktree of that name is, or will be."""
        ...

    async def refresh(self, repository: Repository, *, token: str | None) -> None:
        """Clone or fetch. At a rig's first use in a container's life, the worktrees of earlier
        lives are removed. Raises GIT_UNREACHABLE."""
        ...

    async def add_worktree(
        self, repository: Repository, name: str, *, branch: str | None, start: str
    ) -> Path:
        """Make a worktree at origin's branch `start`, or at a tag given as `refs/tags/…`: on the
        local branch `branch`, made anew, or detached. Raises INVALID_BRANCH when there is no
        `start`, BRANCH_CHECKED_OUT_ELSEWHERE when a worktree that is none of ours has `branch`."""
        ...

    async def find_checkout_elsewhere(self, rig_id: RigId, branch: str) -> Path | None:
        """The worktree that is none of ours and has the branch checked out, if there is one."""
        ...

    async def is_obtainable(self, repository: Repository, branch: str) -> bool:
        """Whether a session can begin on `branch`: it has a local head, origin has it or the
        default branch, or there is a tag of that name. Looks only. Raises GIT_UNREACHABLE when
        only origin could tell and does not answer."""
        ...

    async def fetch_tag(self, rig_id: RigId, tag: str) -> bool:
        """Have origin's tag in the clone; False where it has none of that name, or no answer."""
        ...

    async def keep_worktree(self, rig_id: RigId, name: str) -> Path | None:
        """Put a worktree with uncommitted or unpushed work aside, where no clean-up comes by;
        None, and nothing done, when there is none such."""
        ...

    async def take_back_worktree(self, rig_id: RigId, kept: Path, name: str) -> Path | None:
        """Put what was kept to a session's place again; None when it is there no more."""
        ...

    async def discard_kept(self, rig_id: RigId, *, spared: tuple[str, ...]) -> tuple[str, ...]:
        """Remove what was kept of a rig but the spared paths; those removed, in order."""
        ...

    async def remove_worktree(self, rig_id: RigId, name: str) -> None:
        """Remove a worktree with all that is in it; no error when it is not there."""
        ...

    async def find_remote_head(self, rig_id: RigId, branch: str) -> str | None:
        """The commit of origin's branch as last fetched, None when it has none."""
        ...

    async def create_remote_branch(
        self, repository: Repository, branch: str, *, start: str
    ) -> None:
        """Make `branch` on origin at origin's `start`, unless it is there. Raises INVALID_BRANCH
        where that cannot be."""
        ...

    async def prove_merge(
        self, repository: Repository, *, branch: str, target_branch: str
    ) -> MergeProof:
        """After a fetch: whether the branch's head can be reached from the target's. A branch
        that origin does not have proves nothing: not merged. Raises GIT_UNREACHABLE."""
        ...

    async def save_work(self, worktree: Path, *, branch: str, message: str) -> None:
        """Commit what is uncommitted and push it plainly, as far as that goes; no error."""
        ...
