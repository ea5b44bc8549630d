"""Where a session works: its branch, its worktree, its environment and its agent's birth.

A worktree's name is made of the agent's, the bead's and the session's short ids, so two sessions
never share one and a person can tell whose it is. Work goes on where origin's branch stands, and
begins at origin's target otherwise; a review gets a detached worktree at the target, for the merge.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent_process import AgentProcess, spawn_agent
from boomtown.container_sim.boot_order import INSTANCE_VARIABLE, TEST_RUN_VARIABLE, BootOrder
from boomtown.container_sim.git import LOCK_FILE, Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.container_sim.harnesses import get_harness
from boomtown.container_sim.ledger import Ledger
from boomtown.container_sim.model import SessionKind, StartSession
from boomtown.container_sim.output_ring import OutputRing
from boomtown.ids import short_id
from boomtown.wire import encode_json

# -P: nothing is imported from the worktree, where a repository may have its own http/ or json.py.
AGENT_COMMAND = (sys.executable, "-P", "-m", "boomtown.container_sim.agent")
GIT_TOKEN_VARIABLE = "GIT_TOKEN"  # in an order's env: the credential of the rig's repository
_OWN_PREFIXES = ("BOOMTOWN_", "GASTOWN_")


class Workplace:
    """Makes and removes the places of all sessions of one control server."""

    def __init__(
        self, order: BootOrder, git: Git, ledger: Ledger, clock: Clock, base: Mapping[str, str]
    ) -> None:
        self._order = order
        self._git = git
        self._ledger = ledger
        self._clock = clock
        self._base = {k: v for k, v in base.items() if not k.startswith(_OWN_PREFIXES)}
        for name in (TEST_RUN_VARIABLE, INSTANCE_VARIABLE):
            if name in base:
                self._base[name] = base[name]

    def check(self, order: StartSession) -> None:
        """Refuse what can never work, before anything is made. Raises InvalidRequest with
        INVALID_GIT_URL, INVALID_BRANCH, UNKNOWN_HARNESS or AGENT_COMMAND_NOT_FOUND."""
        settings = self._order.settings
        validate_git_url(order.repository.git_url, allow_local=settings.allow_local_git)
        for branch in (order.branch, order.target_branch, order.repository.default_branch):
            validate_branch(branch)
        get_harness(settings.harnesses, order.harness)

    async def prepare(self, order: StartSession) -> Path:
        """Clone or fetch, then make the worktree."""
        repository = order.repository
        await self._git.refresh(repository, token=order.env.get(GIT_TOKEN_VARIABLE))
        if order.kind is SessionKind.WORK:
            head = await self._git.find_remote_head(repository.rig_id, order.branch)
            if head is not None:
                return await self._git.add_worktree(
                    repository, _name(order), branch=order.branch, start=order.branch
                )
        default = repository.default_branch
        if order.target_branch != default:
            await self._git.create_remote_branch(repository, order.target_branch, start=default)
        own_branch = order.branch if order.kind is SessionKind.WORK else None
        return await self._git.add_worktree(
            repository, _name(order), branch=own_branch, start=order.target_branch
        )

    async def spawn(self, order: StartSession, worktree: Path) -> AgentProcess:
        """Start the agent's program in its worktree."""
        settings = self._order.settings
        limits = settings.limits
        agent_order = AgentOrder(
            session=order,
            harness=get_harness(settings.harnesses, order.harness),
            api_url=self._order.api_url,
            worktree=str(worktree),
            lock_path=str(self._git.clone_path(order.repository.rig_id) / LOCK_FILE),
            agent_log=settings.agent_log,
            git_ms_max=limits.git_command_ms_max,
            gate_ms_max=limits.gate_ms_max,
            merge_tries_max=limits.merge_tries_max,
        )
        return await spawn_agent(
            list(AGENT_COMMAND),
            session_id=order.session_id,
            folder=worktree,
            environment=self._environment(order, worktree),
            standard_input=encode_json(agent_order),
            ledger=self._ledger,
            output=OutputRing(self._clock, bytes_max=limits.agent_output_bytes_max),
            clock=self._clock,
        )

    async def save(self, order: StartSession) -> None:
        """Commit and push what a working session leaves when its container is drained."""
        if order.kind is not SessionKind.WORK:
            return
        worktree = self._git.worktree_path(order.repository.rig_id, _name(order))
        message = f"Save unfinished work on {order.title}"
        await self._git.save_work(worktree, branch=order.branch, message=message)

    async def leave(self, order: StartSession) -> None:
        """Remove the worktree, if there is one."""
        await self._git.remove_worktree(order.repository.rig_id, _name(order))

    def _environment(self, order: StartSession, worktree: Path) -> dict[str, str]:
        credentials = self._git.credential_path(order.repository.rig_id)
        settings = self._order.settings
        environment = git_environment(
            self._base,
            author_name=settings.author_name,
            author_email=settings.author_email,
            credential_file=str(credentials) if credentials.exists() else None,
        )
        environment |= order.env
        named = {
            "API_URL": self._order.api_url,
            "TOWN_ID": order.town_id,
            "RIG_ID": order.repository.rig_id,
            "AGENT_ID": order.agent_id,
            "SESSION_TOKEN": order.session_token,
            "CONTAINER_TOKEN": order.session_token,  # the old name (decisions 47)
        }
        for name, value in named.items():
            environment[f"GASTOWN_{name}"] = value
            environment[f"BOOMTOWN_{name}"] = value
        return environment | {
            "BOOMTOWN_SESSION_ID": order.session_id,
            "BOOMTOWN_BEAD_ID": order.bead_id,
            "BOOMTOWN_BRANCH": order.branch,
            "BOOMTOWN_WORKTREE": str(worktree),
        }


def _name(order: StartSession) -> str:
    ids = (order.agent_id, order.bead_id, order.session_id)
    return "-".join(short_id(text) for text in ids)
