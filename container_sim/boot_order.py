"""What a container is told when it is born: settings of all, and one order for each.

The order travels through the control server's standard input, an inherited descriptor, because
it holds the secret and the container's token: neither may be seen in an argument list or in an
environment (decisions 47). The town's side keeps that pipe open; its end is the sign that the
server is gone, and the container dies with it.
"""

from __future__ import annotations

import msgspec

from boomtown.container_sim.faults import FaultPlan
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.ids import InstanceId, TownId
from boomtown.limits import ContainerLimits

INSTANCE_VARIABLE = "BOOMTOWN_INSTANCE_ID"  # marks every process of a container
SESSION_VARIABLE = "BOOMTOWN_SESSION_ID"  # marks every process of a session
TEST_RUN_VARIABLE = "BOOMTOWN_TEST_RUN"  # decisions 67


class ContainerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What all containers of a server share."""

    data_dir: str  # absolute; repos/, worktrees/ and containers/ are made in it
    harnesses: dict[str, HarnessSpec] = {}
    allow_local_git: bool = False  # file:// and absolute paths as git addresses
    author_name: str = "boomtown"
    author_email: str = "boomtown@localhost"
    agent_log: str | None = None  # a file that agents append their intervals to
    limits: ContainerLimits = ContainerLimits()
    faults: FaultPlan = ()  # what is to go wrong, for tests and demonstrations


class BootOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One container's own part; never stored and never logged."""

    instance_id: InstanceId
    town_id: TownId
    socket_path: str
    ledger_path: str
    api_url: str  # of the town's server, without a trailing slash
    secret: str  # what the town must show to the control server
    container_token: str  # what the control server shows to the town
    settings: ContainerSettings
