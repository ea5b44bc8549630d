"""Git without a disk: origins by address, clones per rig, worktrees with files, all in memory.

Theory of operation. A commit is a tree (path -> bytes), its parents and a message; its id is the
SHA-1 of these, so equal work gives equal ids in every run and no clock is asked. All commits of a
world are in one store, but a clone sees only what its references name: `fetch` copies origin's
branches to `remotes`, a plain push moves one branch of origin forward. Every method is one
synchronous step, so nothing is ever half done; this object stands for the disk, outlives every
container, and has no time and no faults (sim_git.py has).

A merge is three-way per file: a file that both sides changed differently since the merge base is a
conflict, also where git would join the lines. Not modelled: modes, links, submodules, ignored
files, renames, empty folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from boomtown.ids import RigId

Tree = Mapping[str, bytes]  # never changed once it is a commit's


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A point of history."""

    tree: Tree
    parents: tuple[str, ...]
    message: str


class MergeConflict(Exception):
    """Both sides changed these paths."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(f"conflict in {', '.join(paths)}")
        self.paths = paths


class UnrelatedHistories(Exception):
    """Two commits without a common ancestor cannot be merged."""


class PushRefused(Exception):
    """Origin's branch is not an ancestor of what was pushed."""


class Unreachable(Exception):
    """Origin does not answer, or there is none at the address."""


class SimOrigin:
    """A rig's origin. `is_reachable` may be switched by a test or a fault."""

    def __init__(self) -> None:
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.is_reachable = True


class SimClone:
    """The bare clone of one rig."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.remotes: dict[str, str] = {}  # refs/remotes/origin, as last fetched
        self.branches: dict[str, str] = {}  # refs/heads, of worktrees
        self.tags: dict[str, str] = {}


class SimTree:
    """A worktree: a head, a branch or none, and files that need not be committed."""

    def __init__(self, rig_id: RigId, head: str, branch: str | None, files: Tree) -> None:
        self.rig_id = rig_id
        self.head = head
        self.branch = branch
        self.files = dict(files)


class SimRepositories:
    """All repositories of one simulated data directory, and the origins they come from."""

    def __init__(self) -> None:
        self.origins: dict[str, SimOrigin] = {}
        self.clones: dict[RigId, SimClone] = {}
        self.worktrees: dict[str, SimTree] = {}  # by path
        self._commits: dict[str, Commit] = {}

    # The world's side: origins as people see them.

    def add_origin(self, url: str, files: Tree, *, branch: str = "main") -> SimOrigin:
        """An origin with one commit on `branch`."""
        origin = SimOrigin()
        origin.branches[branch] = self.commit(files, (), "Begin")
        self.origins[url] = origin
        return origin

    def push_file(self, url: str, path: str, text: str, *, branch: str, start: str = "main") -> str:
        """Commit one file on origin's branch, which begins at `start` when it is new, as somebody
        outside would; the commit."""
        origin = self.origins[url]
        parent = origin.branches.get(branch) or origin.branches[start]
        tree = {**self.get_commit(parent).tree, path: text.encode()}
        origin.branches[branch] = self.commit(tree, (parent,), f"Write {path}")
        return origin.branches[branch]

    def find_file(self, url: str, branch: str, path: str) -> str | None:
        """A file's text as it stands on origin's branch."""
        head = self.origins[url].branches.get(branch)
        content = None if head is None else self.get_commit(head).tree.get(path)
        return None if content is None else content.decode()

    # Commits.

    def commit(self, tree: Tree, parents: tuple[str, ...], message: str) -> str:
        """Store a commit; its id."""
        digest = hashlib.sha1(usedforsecurity=False)
        for path, content in sorted(tree.items()):
            name = path.encode()
            digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
        digest.update(" ".join(parents).encode() + b"\0" + message.encode())
        commit_id = digest.hexdigest()
        self._commits[commit_id] = Commit(tree=dict(tree), parents=parents, message=message)
        return commit_id

    def get_commit(self, commit_id: str) -> Commit:
        return self._commits[commit_id]

    def has_commit(self, commit_id: str) -> bool:
        return commit_id in self._commits

    def ancestors(self, commit_id: str) -> dict[str, None]:
        """The commit and all it comes from, in a fixed order."""
        found: dict[str, None] = {}
        waiting = [commit_id]
        while waiting:
            known = waiting.pop()
            if known not in found:
                found[known] = None
                waiting.extend(self._commits[known].parents)
        return found

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older in self.ancestors(newer)

    def find_merge_base(self, first: str, second: str) -> str | None:
        """A common ancestor that no other one comes from; where there are several, the one with
        the greatest id."""
        theirs = self.ancestors(second)
        common = [commit for commit in self.ancestors(first) if commit in theirs]
        # What comes before a common ancestor is one, too: so only parents are to be left out.
        older = {parent: None for commit in common for parent in self._commits[commit].parents}
        return max((commit for commit in common if commit not in older), default=None)

    def merge_trees(self, ours: str, theirs: str) -> Tree:
        """The tree of both. Raises MergeConflict, UnrelatedHistories."""
        base = self.find_merge_base(ours, theirs)
        if base is None:
            raise UnrelatedHistories
        before, left, right = (self._commits[known].tree for known in (base, ours, theirs))
        merged: dict[str, bytes] = {}
        conflicts: list[str] = []
        for path in sorted({**before, **left, **right}):
            old, mine, other = before.get(path), left.get(path), right.get(path)
            if old != mine != other != old:
                conflicts.append(path)
            chosen = other if mine == old else mine
            if chosen is not None:
                merged[path] = chosen
        if conflicts:
            raise MergeConflict(tuple(conflicts))
        return merged

    # A clone and its origin.

    def fetch(self, rig_id: RigId) -> None:
        """Make `remotes` what origin has now. Raises Unreachable."""
        clone = self.clones[rig_id]
        clone.remotes = dict(self.get_origin(clone.url).branches)

    def get_origin(self, url: str) -> SimOrigin:
        """Raises Unreachable."""
        origin = self.origins.get(url)
        if origin is None or not origin.is_reachable:
            raise Unreachable
        return origin

    def push(self, rig_id: RigId, commit_id: str, branch: str) -> None:
        """Move origin's branch forward to a commit, never otherwise. Raises Unreachable,
        PushRefused."""
        clone = self.clones[rig_id]
        origin = self.get_origin(clone.url)
        known = origin.branches.get(branch)
        if known is not None and not self.is_ancestor(known, commit_id):
            raise PushRefused
        origin.branches[branch] = commit_id
        clone.remotes[branch] = commit_id

    # Worktrees.

    def is_dirty(self, path: str) -> bool:
        """Whether something would be lost with the worktree: changes, or commits that origin has
        not, as far as the clone knows."""
        tree = self.worktrees[path]
        if tree.files != self.get_commit(tree.head).tree:
            return True
        known = self.clones[tree.rig_id].remotes.values()
        return not any(self.is_ancestor(tree.head, head) for head in known)

    def commit_all(self, path: str, message: str) -> bool:
        """Commit every change of a worktree; False when there was none."""
        tree = self.worktrees[path]
        if tree.files == self.get_commit(tree.head).tree:
            return False
        self.move_head(path, self.commit(tree.files, (tree.head,), message))
        return True

    def merge_into_head(self, path: str, theirs: str, message: str) -> None:
        """Merge without fast-forward; nothing happens where it is merged already. Raises
        MergeConflict, UnrelatedHistories; then nothing has changed."""
        tree = self.worktrees[path]
        if self.is_ancestor(theirs, tree.head):
            return
        merged = self.merge_trees(tree.head, theirs)
        self.move_head(path, self.commit(merged, (tree.head, theirs), message))

    def move_head(self, path: str, commit_id: str) -> None:
        """The worktree stands at this commit, and its files are the commit's."""
        tree = self.worktrees[path]
        tree.head = commit_id
        tree.files = dict(self.get_commit(commit_id).tree)
        if tree.branch is not None:
            self.clones[tree.rig_id].branches[tree.branch] = commit_id
