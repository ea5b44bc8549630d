"""The git port over `SimRepositories`: the same methods, each taking time and able to be the last.

Theory of operation. An operation comes by its crash point `before`, takes its time, happens in one
step, and comes by its crash point `after`; so a container dies with the operation done or not done,
never between (what the real one needs locks and renames for). One object per instance, because what
a container remembers (which rigs it has used) dies with it; what is on the disk is in the
repositories, which outlive it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from boomtown.container_sim.faults import AFTER, BEFORE
from boomtown.container_sim.git import KEPT_FOLDER, TAGS, checked_out_elsewhere
from boomtown.container_sim.model import MergeProof, Repository
from boomtown.container_sim.sim_life import SimLife
from boomtown.container_sim.sim_repositories import (
    PushRefused,
    SimClone,
    SimRepositories,
    SimTree,
    Unreachable,
)
from boomtown.container_sim.sim_timings import Span
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import RigId


class SimGit:
    """Satisfies GitPort."""

    def __init__(self, data_dir: Path, repositories: SimRepositories, life: SimLife) -> None:
        self._repos = data_dir / "repos"
        self._worktrees = data_dir / "worktrees"
        self._kept = self._worktrees / KEPT_FOLDER
        self._repositories = repositories
        self._life = life
        self._used_rigs: list[RigId] = []

    def clone_path(self, rig_id: RigId) -> Path:
        return self._repos / f"{rig_id}.git"

    def credential_path(self, rig_id: RigId) -> Path:
        return self._repos / f"{rig_id}.credentials"

    def worktree_path(self, rig_id: RigId, name: str) -> Path:
        return self._worktrees / rig_id / name

    async def refresh(self, repository: Repository, *, token: str | None) -> None:
        is_new = repository.rig_id not in self._repositories.clones
        timings = self._life.timings
        span = timings.clone if is_new else timings.fetch
        await self._operate("refresh", span, lambda: self._refresh(repository))

    async def add_worktree(
        self, repository: Repository, name: str, *, branch: str | None, start: str
    ) -> Path:
        path = self.worktree_path(repository.rig_id, name)

        def add() -> None:
            clone = self._repositories.clones[repository.rig_id]
            is_tag = start.startswith(TAGS)
            head = clone.tags.get(start.removeprefix(TAGS)) if is_tag else clone.remotes.get(start)
            if head is None:
                raise error_for(ErrorCode.INVALID_BRANCH, f"Origin has no branch {start!r}")
            holder = None if branch is None else self._checkout_elsewhere(repository.rig_id, branch)
            if branch is not None and holder is not None:
                raise checked_out_elsewhere(branch, holder)
            if str(path) in self._repositories.worktrees:
                raise error_for(ErrorCode.CONTAINER_ERROR, f"There is a worktree {name!r}")
            files = self._repositories.get_commit(head).tree
            tree = SimTree(repository.rig_id, head, branch, files)
            self._repositories.worktrees[str(path)] = tree
            if branch is not None:
                clone.branches[branch] = head

        await self._operate("worktree", self._life.timings.git_command, add)
        return path

    async def find_checkout_elsewhere(self, rig_id: RigId, branch: str) -> Path | None:
        await self._life.spend(self._life.timings.git_command, "git_command")
        return self._checkout_elsewhere(rig_id, branch)

    async def is_obtainable(self, repository: Repository, branch: str) -> bool:
        await self._life.spend(self._life.timings.git_command, "git_command")
        default = repository.default_branch
        clone = self._repositories.clones.get(repository.rig_id)
        if clone is not None and (
            branch in clone.branches
            or branch in clone.remotes
            or default in clone.remotes
            or branch in clone.tags
        ):
            return True
        try:
            origin = self._repositories.get_origin(repository.git_url)
        except Unreachable as error:
            raise _unreachable() from error
        return branch in origin.branches or default in origin.branches or branch in origin.tags

    async def fetch_tag(self, rig_id: RigId, tag: str) -> bool:
        clone = self._repositories.clones[rig_id]

        def fetch() -> None:
            try:
                head = self._repositories.get_origin(clone.url).tags.get(tag)
            except Unreachable:
                return
            if head is not None:
                clone.tags[tag] = head

        await self._operate("tag", self._life.timings.fetch, fetch)
        return tag in clone.tags

    async def keep_worktree(self, rig_id: RigId, name: str) -> Path | None:
        path, kept = self.worktree_path(rig_id, name), self._kept / rig_id / name
        trees = self._repositories.worktrees
        if str(path) not in trees or not self._repositories.is_dirty(str(path)):
            return None
        await self._move("keep", path, kept)
        return kept

    async def take_back_worktree(self, rig_id: RigId, kept: Path, name: str) -> Path | None:
        if str(kept) not in self._repositories.worktrees:
            return None
        path = self.worktree_path(rig_id, name)
        await self._move("take_back", kept, path)
        return path

    async def discard_kept(self, rig_id: RigId, *, spared: tuple[str, ...]) -> tuple[str, ...]:
        folder = self._kept / rig_id
        trees = self._repositories.worktrees
        removed = tuple(
            path
            for path in sorted(trees)
            if Path(path).is_relative_to(folder) and path not in spared
        )

        # The server's own deed: no container's crash point is come by.
        await self._life.spend(self._life.timings.git_command, "git_command")
        for path in removed:
            trees.pop(path, None)
        return removed

    async def remove_worktree(self, rig_id: RigId, name: str) -> None:
        path = str(self.worktree_path(rig_id, name))

        def remove() -> None:
            self._repositories.worktrees.pop(path, None)

        await self._operate("removal", self._life.timings.git_command, remove)

    async def find_remote_head(self, rig_id: RigId, branch: str) -> str | None:
        await self._life.spend(self._life.timings.git_command, "git_command")
        clone = self._repositories.clones.get(rig_id)
        return None if clone is None else clone.remotes.get(branch)

    async def create_remote_branch(
        self, repository: Repository, branch: str, *, start: str
    ) -> None:
        clone = self._repositories.clones[repository.rig_id]
        if branch in clone.remotes:
            return

        def create() -> None:
            head = clone.remotes.get(start)
            try:
                if head is not None and branch not in self._heads(clone):
                    self._repositories.push(repository.rig_id, head, branch)
                self._repositories.fetch(repository.rig_id)
            except Unreachable as error:
                raise _unreachable() from error
            if branch not in clone.remotes:
                message = f"Origin refused the branch {branch!r}"
                raise error_for(ErrorCode.INVALID_BRANCH, message)

        await self._operate("branch", self._life.timings.push, create)

    async def prove_merge(
        self, repository: Repository, *, branch: str, target_branch: str
    ) -> MergeProof:
        await self.refresh(repository, token=None)
        remotes = self._repositories.clones[repository.rig_id].remotes
        target, head = remotes.get(target_branch), remotes.get(branch)
        if target is None or head is None:
            return MergeProof(is_merged=False, target_head=target or "")
        is_merged = self._repositories.is_ancestor(head, target)
        return MergeProof(is_merged=is_merged, target_head=target)

    async def save_work(self, worktree: Path, *, branch: str, message: str) -> None:
        def save() -> None:
            tree = self._repositories.worktrees.get(str(worktree))
            if tree is None:
                raise error_for(ErrorCode.CONTAINER_ERROR, "The worktree vanished")
            self._repositories.commit_all(str(worktree), message)
            try:
                self._repositories.push(tree.rig_id, tree.head, branch)
            except (PushRefused, Unreachable):
                return  # as far as that goes

        await self._operate("save", self._life.timings.push, save)

    def _refresh(self, repository: Repository) -> None:
        rig_id = repository.rig_id
        repositories = self._repositories
        try:
            if rig_id not in repositories.clones:
                repositories.get_origin(repository.git_url)
                repositories.clones[rig_id] = SimClone(repository.git_url)
            else:
                self._remove_leftovers(rig_id)
                repositories.clones[rig_id].url = repository.git_url
            repositories.fetch(rig_id)
        except Unreachable as error:
            raise _unreachable() from error
        if rig_id not in self._used_rigs:
            self._used_rigs.append(rig_id)

    def _remove_leftovers(self, rig_id: RigId) -> None:
        """At the rig's first use in this life no session lives: every worktree is left over."""
        if rig_id in self._used_rigs:
            return
        trees = self._repositories.worktrees
        folder = self._worktrees / rig_id
        for path in [path for path in trees if Path(path).is_relative_to(folder)]:
            del trees[path]

    def _checkout_elsewhere(self, rig_id: RigId, branch: str) -> Path | None:
        for path, tree in sorted(self._repositories.worktrees.items()):
            is_ours = Path(path).is_relative_to(self._worktrees)
            if tree.rig_id == rig_id and tree.branch == branch and not is_ours:
                return Path(path)
        return None

    async def _move(self, name: str, source: Path, target: Path) -> None:
        trees = self._repositories.worktrees

        def move() -> None:
            trees[str(target)] = trees.pop(str(source))

        await self._operate(name, self._life.timings.git_command, move)

    def _heads(self, clone: SimClone) -> dict[str, str]:
        return self._repositories.get_origin(clone.url).branches

    async def _operate(self, name: str, span: Span, happen: Callable[[], None]) -> None:
        await self._life.reach(BEFORE + name)
        await self._life.spend(span, f"git_{name}")
        happen()
        await self._life.reach(AFTER + name)


def _unreachable() -> Exception:
    return error_for(ErrorCode.GIT_UNREACHABLE, "Origin does not answer")
