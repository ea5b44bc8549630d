"""What an agent uses is measured once for each thing, and compared with its bounds."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from boomtown.container_sim.agent_usage import AgentUsage, find_breach, measure_agent
from boomtown.limits import ContainerLimits

LIMITS = ContainerLimits(
    agent_processes_max=2,
    agent_memory_bytes_max=1_000,
    worktree_bytes_max=1_000_000,
    worktree_entries_max=10,
)
AT_THE_LIMIT = AgentUsage(
    process_count=2, memory_bytes=1_000, worktree_bytes=1_000_000, worktree_entry_count=10
)


def test_what_is_at_its_limit_is_no_breach() -> None:
    assert find_breach(AT_THE_LIMIT, LIMITS) is None


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("process_count", 3, "limit: processes"),
        ("memory_bytes", 1_001, "limit: memory"),
        ("worktree_bytes", 1_000_001, "limit: worktree"),
        ("worktree_entry_count", 11, "limit: worktree"),
    ],
)
def test_what_is_past_its_limit_is_named(field: str, value: int, reason: str) -> None:
    assert find_breach(msgspec.structs.replace(AT_THE_LIMIT, **{field: value}), LIMITS) == reason


def test_file_of_two_names_counts_once_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "huge").write_bytes(os.urandom(500_000))
    worktree = tmp_path / "worktree"
    (worktree / "deep").mkdir(parents=True)
    (worktree / "deep" / "file").write_bytes(os.urandom(100_000))
    (worktree / "again").hardlink_to(worktree / "deep" / "file")
    (worktree / "away").symlink_to(outside)
    usage = measure_agent([], worktree, limits=LIMITS)
    assert usage.process_count == 0
    assert usage.worktree_entry_count == 3
    assert 100_000 <= usage.worktree_bytes < 200_000


def test_walk_ends_where_a_limit_is_passed(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "x").touch()
    usage = measure_agent([], tmp_path, limits=LIMITS)
    assert usage.worktree_entry_count == 30


def test_memory_counts_living_processes_only(tmp_path: Path) -> None:
    usage = measure_agent([os.getpid(), 2**22 + 1], tmp_path, limits=ContainerLimits())
    assert usage.process_count == 2
    assert usage.memory_bytes > 1_000_000
    exact = measure_agent([os.getpid()], tmp_path, limits=LIMITS)
    assert 1_000 < exact.memory_bytes <= usage.memory_bytes
