"""What the control server hands to an agent's program, as one JSON document on standard input.

It holds the session's token, which is why it is neither a file nor an argument."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.faults import FaultPlan
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.model import StartSession


class AgentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an agent's program needs."""

    session: StartSession
    harness: HarnessSpec
    api_url: str
    worktree: str
    lock_path: str  # the repository's lock file, shared with the control server
    agent_log: str | None
    git_ms_max: int
    gate_ms_max: int
    merge_tries_max: int
    faults: FaultPlan
    faults_folder: str  # where real agents count them
