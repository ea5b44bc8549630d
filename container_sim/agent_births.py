"""The birth of an agent as a process: its environment, its order, its place in the ledger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent_process import AgentProcess, spawn_agent
from boomtown.container_sim.boot_order import (
    INSTANCE_VARIABLE,
    SESSION_VARIABLE,
    TEST_RUN_VARIABLE,
    BootOrder,
)
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.git_port import GitPort
from boomtown.container_sim.ledger import Ledger
from boomtown.container_sim.model import StartSession
from boomtown.container_sim.output_ring import OutputRing
from boomtown.wire import encode_json

# -P: nothing is imported from the worktree, where a repository may have its own http/ or json.py.
AGENT_COMMAND = (sys.executable, "-P", "-m", "boomtown.container_sim.agent")
_OWN_PREFIXES = ("BOOMTOWN_", "GASTOWN_")


class ProcessBirths:
    """Satisfies workplace.AgentBirths with real processes."""

    def __init__(
        self, order: BootOrder, git: GitPort, ledger: Ledger, clock: Clock, base: Mapping[str, str]
    ) -> None:
        self._order = order
        self._git = git
        self._ledger = ledger
        self._clock = clock
        self._base = {k: v for k, v in base.items() if not k.startswith(_OWN_PREFIXES)}
        for name in (TEST_RUN_VARIABLE, INSTANCE_VARIABLE):
            if name in base:
                self._base[name] = base[name]

    async def spawn(self, order: AgentOrder) -> AgentProcess:
        """Start the agent's program in its worktree."""
        worktree = Path(order.worktree)
        limits = self._order.settings.limits
        return await spawn_agent(
            list(AGENT_COMMAND),
            instance_id=self._order.instance_id,
            session_id=order.session.session_id,
            folder=worktree,
            environment=self._environment(order.session, worktree),
            standard_input=encode_json(order),
            ledger=self._ledger,
            output=OutputRing(self._clock, bytes_max=limits.agent_output_bytes_max),
            clock=self._clock,
            limits=limits,
            has_terminal=order.harness.tty,
        )

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
            SESSION_VARIABLE: order.session_id,
            "BOOMTOWN_BEAD_ID": order.bead_id,
            "BOOMTOWN_BRANCH": order.branch,
            "BOOMTOWN_WORKTREE": str(worktree),
        }
