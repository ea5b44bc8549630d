"""The worktree and the surroundings of a simulated agent (agent/surroundings.py)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from boomtown.clock import Clock
from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import PushOutcome, Run
from boomtown.container_sim.faults import AFTER, BEFORE
from boomtown.container_sim.harnesses import fill_command
from boomtown.container_sim.model import StartSession
from boomtown.container_sim.sim_life import SimLife
from boomtown.container_sim.sim_programs import Program
from boomtown.container_sim.sim_repositories import (
    MergeConflict,
    PushRefused,
    SimRepositories,
    SimTree,
    Unreachable,
    UnrelatedHistories,
)
from boomtown.container_sim.sim_timings import Span

REMOTES = "refs/remotes/origin/"
HEADS = "refs/heads/"


class SimWorktree:
    """Satisfies Worktree."""

    def __init__(self, path: str, repositories: SimRepositories, life: SimLife) -> None:
        self._path = path
        self._repositories = repositories
        self._life = life

    @property
    def tree(self) -> SimTree:
        """Raises AgentFailed when the worktree is gone."""
        tree = self._repositories.worktrees.get(self._path)
        if tree is None:
            raise AgentFailed("the worktree is gone")
        return tree

    async def fetch(self) -> None:
        def fetch() -> None:
            try:
                self._repositories.fetch(self.tree.rig_id)
            except Unreachable as error:
                raise AgentFailed("git fetch failed: origin does not answer") from error

        await self._operate("fetch", self._life.timings.fetch, fetch)

    async def find_head(self, reference: str) -> str | None:
        await self._look()
        return self._resolve(reference)

    async def get_head(self, reference: str = "HEAD") -> str:
        await self._look()
        commit = self._resolve(reference)
        if commit is None:
            raise AgentFailed(f"git rev-parse failed: no {reference}")
        return commit

    async def is_ancestor(self, older: str, newer: str) -> bool:
        await self._look()
        return self._repositories.is_ancestor(older, newer)

    async def stand_at(self, reference: str) -> None:
        commit = self._resolve(reference)
        if commit is None:
            raise AgentFailed(f"git checkout failed: no {reference}")

        def stand() -> None:
            self.tree.branch = None
            self._repositories.move_head(self._path, commit)

        await self._operate("checkout", self._life.timings.git_command, stand)

    async def commit_all(self, message: str) -> bool:
        made: list[bool] = []

        def commit() -> None:
            made.append(self._repositories.commit_all(self._path, message))

        await self._operate("commit", self._life.timings.git_command, commit)
        return made[0]

    async def merge(self, commit: str, message: str) -> tuple[str, ...]:
        conflicts: list[str] = []

        def merge() -> None:
            try:
                self._repositories.merge_into_head(self._path, commit, message)
            except MergeConflict as conflict:
                conflicts.extend(conflict.paths)
            except UnrelatedHistories as error:
                raise AgentFailed("git merge failed: unrelated histories") from error

        await self._operate("merge", self._life.timings.git_command, merge)
        return tuple(conflicts)

    async def push(self, branch: str) -> PushOutcome:
        outcome = PushOutcome.PUSHED

        def push() -> None:
            nonlocal outcome
            try:
                self._repositories.push(self.tree.rig_id, self.tree.head, branch)
            except PushRefused:
                outcome = PushOutcome.REJECTED
            except Unreachable:
                outcome = PushOutcome.FAILED

        await self._operate("push", self._life.timings.push, push)
        return outcome

    async def find_text(self, name: str) -> str | None:
        self._life.check()
        content = self.tree.files.get(self._place(name))
        return None if content is None else content.decode()

    async def write_text(self, name: str, text: str) -> None:
        self._life.check()
        place = self._place(name)
        files = self.tree.files
        if any(known.startswith(place + "/") for known in files):
            raise IsADirectoryError(place)
        if any(place.startswith(known + "/") for known in files):
            raise NotADirectoryError(place)
        files[place] = text.encode()

    def _place(self, name: str) -> str:
        place = posixpath.normpath(name)
        if place.startswith(("/", "..")):
            raise AgentFailed(f"{name} is outside the worktree")
        return place

    def _resolve(self, reference: str) -> str | None:
        tree = self.tree
        clone = self._repositories.clones[tree.rig_id]
        if reference == "HEAD":
            return tree.head
        if reference.startswith(REMOTES):
            return clone.remotes.get(reference.removeprefix(REMOTES))
        if reference.startswith(HEADS):
            return clone.branches.get(reference.removeprefix(HEADS))
        return reference if self._repositories.has_commit(reference) else None

    async def _look(self) -> None:
        await self._life.spend(self._life.timings.git_command, "git_command")

    async def _operate(self, name: str, span: Span, happen: Callable[[], None]) -> None:
        await self._life.reach(BEFORE + name)
        await self._life.spend(span, f"git_{name}")
        happen()
        await self._life.reach(AFTER + name)


class SimOutput:
    """What a simulated agent has printed; the newest `bytes_max` of it."""

    def __init__(self, clock: Clock, *, bytes_max: int) -> None:
        self.last_at_ms: int | None = None
        self._clock = clock
        self._bytes_max = bytes_max
        self._kept = b""

    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def add(self, line: str) -> None:
        self.last_at_ms = self._clock.now_ms()
        self._kept = (self._kept + line.encode() + b"\n")[-self._bytes_max :]


class SimSurroundings:
    """Satisfies Surroundings."""

    def __init__(
        self,
        order: AgentOrder,
        worktree: SimWorktree,
        life: SimLife,
        output: SimOutput,
        programs: Mapping[str, Program],
    ) -> None:
        self._order = order
        self._worktree = worktree
        self._life = life
        self._output = output
        self._programs = programs

    def say(self, line: str) -> None:
        self._output.add(line)

    async def pause(self, seconds: float) -> None:
        await self._life.sleep_ms(round(seconds * 1000))

    async def reach(self, point: str) -> None:
        await self._life.reach(point)

    async def run(self, argv: tuple[str, ...]) -> Run:
        return await self._run(argv, "")

    async def converse(self, argv: tuple[str, ...], session: StartSession) -> Run:
        values = {
            "prompt": session.prompt,
            "prompt_file": "prompt.md",
            "bead_id": session.bead_id,
            "branch": session.branch,
            "worktree": self._order.worktree,
        }
        run = await self._run(tuple(fill_command(argv, values)), session.prompt)
        self.say(run.output)
        return run

    async def _run(self, argv: tuple[str, ...], text_in: str) -> Run:
        program = self._programs.get(argv[0])
        if program is None:
            return Run(127, f"{argv[0]}: not found")
        await self._life.spend(self._life.timings.program, "program")
        return program(argv, self._worktree.tree.files, text_in)
