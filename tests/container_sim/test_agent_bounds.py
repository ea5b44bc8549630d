"""An agent past one of its bounds is ended, with all that it started; real processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.limits import ContainerLimits
from support.container_orders import work_order
from support.container_world import open_container_world, with_fields

pytestmark = pytest.mark.system

MIB = 1024 * 1024
LIMITS = ContainerLimits(
    agent_processes_max=20,
    agent_memory_bytes_max=256 * MIB,
    worktree_bytes_max=8 * MIB,
    worktree_entries_max=1_000,
)
# 70 children: half of them leave the process group, and all would outlive their parent.
FORK = """
import os, signal, sys
for number in range(70):
    if os.fork() == 0:
        if number % 2:
            os.setsid()
        break
signal.pause()
"""
ALLOCATE = "import signal; kept = bytearray(400 * 1024 * 1024); signal.pause()"
FILL = "import os, signal; open('big', 'wb').write(os.urandom(16 * 1024 * 1024)); signal.pause()"
LITTER = "import signal\nfor n in range(2000): open(f'f{n}', 'w').close()\nsignal.pause()"
LEAVE = """
import os, signal
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 3)
    signal.pause()
"""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(FORK, "limit: processes", id="processes"),
        pytest.param(ALLOCATE, "limit: memory", id="memory"),
        pytest.param(FILL, "limit: worktree", id="worktree-bytes"),
        pytest.param(LITTER, "limit: worktree", id="worktree-entries"),
    ],
)
async def test_agent_past_a_limit_is_ended_for_that_reason(
    tmp_path: Path, script: str, reason: str
) -> None:
    harnesses = {"greedy": HarnessSpec(argv=(sys.executable, "-S", "-c", script))}
    async with open_container_world(tmp_path, harnesses=harnesses, limits=LIMITS) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="greedy"))
        assert (said["status"], said["reason"]) == ("failed", reason)
        assert world.processes() == list(world.manager.pids().values())
        assert world.worktrees() == []


async def test_process_that_left_its_group_ends_with_its_session(tmp_path: Path) -> None:
    harnesses = {"leaving": HarnessSpec(argv=(sys.executable, "-S", "-c", LEAVE))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="leaving"))
        assert said["reason"] == "exit 0"
        assert world.processes() == list(world.manager.pids().values())


async def test_agent_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    body = "```recipe\nsleep 0.5\ncreate a.txt a\n```\n"
    async with open_container_world(tmp_path, limits=LIMITS) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        said = await world.run_to_end(with_fields(order, heartbeat_ms=50))
        assert said["reason"] == "exit 0"
