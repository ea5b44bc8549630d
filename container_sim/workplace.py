"""Where a session works: its branch, its worktree, and its agent's order.

A worktree's name is made of the agent's, the bead's and the session's short ids, so two sessions
never share one and a person can tell whose it is. Work goes on in what a killed session kept, or
where origin's branch stands, and begins at origin's target otherwise; a review gets a detached
worktree at the target, for the merge.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.faults import FAULTS_FOLDER, Faults
from boomtown.container_sim.git import LOCK_FILE, TAGS
from boomtown.container_sim.git_port import GitPort
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.container_sim.harnesses import FindProgram, get_harness
from boomtown.container_sim.model import SessionKind, StartSession
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import short_id

GIT_TOKEN_VARIABLE = "GIT_TOKEN"  # in an order's env: the credential of the rig's repository

Reach = Callable[[str], Awaitable[None]]  # comes by a crash point; whoever dies does not return


class AgentOutput(Protocol):
    """What an agent has printed."""

    @property
    def last_at_ms(self) -> int | None: ...
    def text(self) -> str: ...


class AgentBody(Protocol):
    """An agent that lives, with all that it started."""

    @property
    def pid(self) -> int: ...
    @property
    def output(self) -> AgentOutput: ...
    async def wait_exit(self) -> int:
        """The exit code, negative for a signal; others of its group may still live."""
        ...

    async def find_breach(self) -> str | None:
        """Look at it once: why it must be ended, None while it keeps its bounds."""
        ...

    async def end(self, *, grace_ms: int, kill_wait_ms: int) -> int:
        """End the whole group and return the exit code, when nothing of it lives."""
        ...


class AgentBirths(Protocol):
    """Gives agents their bodies."""

    async def spawn(self, order: AgentOrder) -> AgentBody:
        """Raises CONTAINER_ERROR, OSError; then nothing lives."""
        ...


class Workplace:
    """Makes and removes the places of all sessions of one control server."""

    def __init__(
        self,
        order: BootOrder,
        git: GitPort,
        births: AgentBirths,
        find_program: FindProgram,
        faults: Faults,
        reach: Reach,
    ) -> None:
        self._order = order
        self._git = git
        self._births = births
        self._find_program = find_program
        self._faults = faults
        self._reach = reach

    def check(self, order: StartSession) -> None:
        """Refuse what can never work, before anything is made. Raises InvalidRequest with
        INVALID_GIT_URL, INVALID_BRANCH, UNKNOWN_HARNESS or AGENT_BINARY_NOT_FOUND."""
        settings = self._order.settings
        validate_git_url(order.repository.git_url, allow_local=settings.allow_local_git)
        for branch in (order.branch, order.target_branch, order.repository.default_branch):
            validate_branch(branch)
        get_harness(settings.harnesses, order.harness, self._find_program)

    async def prepare(self, order: StartSession) -> Path:
        """Clone or fetch, then make the worktree."""
        repository = order.repository
        await self._reach("container.crash@clone")
        if self._faults.take("disk.full") is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        await self._git.refresh(repository, token=order.env.get(GIT_TOKEN_VARIABLE))
        await self._reach("container.crash@worktree")
        if order.kind is SessionKind.WORK:
            found = await self._find_begun(order)
            if found is not None:
                return found
        default = repository.default_branch
        if await self._git.find_remote_head(repository.rig_id, default) is None:
            return await self._begin_at_tag(order)
        if order.target_branch != default:
            await self._git.create_remote_branch(repository, order.target_branch, start=default)
        own_branch = order.branch if order.kind is SessionKind.WORK else None
        return await self._git.add_worktree(
            repository, _name(order), branch=own_branch, start=order.target_branch
        )

    async def _find_begun(self, order: StartSession) -> Path | None:
        """What there is of the session's work already: a worktree that was kept, or its branch."""
        repository = order.repository
        rig_id = repository.rig_id
        if order.kept_worktree is not None:
            kept = Path(order.kept_worktree)
            taken = await self._git.take_back_worktree(rig_id, kept, _name(order))
            if taken is not None:
                return taken
        if await self._git.find_remote_head(rig_id, order.branch) is None:
            return None
        return await self._git.add_worktree(
            repository, _name(order), branch=order.branch, start=order.branch
        )

    async def _begin_at_tag(self, order: StartSession) -> Path:
        """Without a default branch, a tag of the branch's name is a base (roster.md C3b)."""
        repository, branch = order.repository, order.branch
        if order.kind is SessionKind.WORK and await self._git.fetch_tag(repository.rig_id, branch):
            return await self._git.add_worktree(
                repository, _name(order), branch=branch, start=TAGS + branch
            )
        default = repository.default_branch
        message = f"Origin has no branch {default!r}; it needs a first commit there"
        raise error_for(ErrorCode.INVALID_BRANCH, message)

    async def spawn(self, order: StartSession, worktree: Path) -> AgentBody:
        """Give the session its agent."""
        await self._reach("container.crash@spawn")
        settings = self._order.settings
        limits = settings.limits
        agent_order = AgentOrder(
            session=order,
            harness=get_harness(settings.harnesses, order.harness, self._find_program),
            api_url=self._order.api_url,
            worktree=str(worktree),
            lock_path=str(self._git.clone_path(order.repository.rig_id) / LOCK_FILE),
            agent_log=settings.agent_log,
            git_ms_max=limits.git_command_ms_max,
            gate_ms_max=limits.gate_ms_max,
            merge_tries_max=limits.merge_tries_max,
            faults=settings.faults,
            faults_folder=str(Path(settings.data_dir) / FAULTS_FOLDER),
        )
        return await self._births.spawn(agent_order)

    async def save(self, order: StartSession) -> None:
        """Commit and push what a working session leaves when its container is drained."""
        if order.kind is not SessionKind.WORK:
            return
        worktree = self._git.worktree_path(order.repository.rig_id, _name(order))
        message = f"Save unfinished work on {order.title}"
        await self._git.save_work(worktree, branch=order.branch, message=message)

    async def keep(self, order: StartSession) -> Path | None:
        """Put aside what a killed session has not committed or pushed; None: there is nothing."""
        if order.kind is not SessionKind.WORK:
            return None
        return await self._git.keep_worktree(order.repository.rig_id, _name(order))

    async def leave(self, order: StartSession) -> None:
        """Remove the worktree, if there is one."""
        await self._git.remove_worktree(order.repository.rig_id, _name(order))


def _name(order: StartSession) -> str:
    ids = (order.agent_id, order.bead_id, order.session_id)
    return "-".join(short_id(text) for text in ids)
