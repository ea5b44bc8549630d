"""What one agent uses of the machine, and what of it is too much.

Counted over the agent's descendants: the processes of its group, and those that left the group
but carry the session's mark (process_groups.py). RLIMIT would count per user, and root is exempt
from it (decisions 46). A look costs a few reads per process and one walk over the worktree, both
bounded; it blocks, so it is made in a thread. Between two looks an agent may use more: this keeps
a runaway from taking the machine for long, it is no wall.

What is in the bare clone (the commits themselves) belongs to the rig and is not counted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import psutil

from boomtown.limits import ContainerLimits

BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own


class AgentUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One look. The worktree's size stops growing where it is over its limit already."""

    process_count: int
    memory_bytes: int
    worktree_bytes: int
    worktree_entry_count: int


def find_breach(usage: AgentUsage, limits: ContainerLimits) -> str | None:
    """Which limit is passed, as the session's end will name it; None when none is."""
    if usage.process_count > limits.agent_processes_max:
        return "limit: processes"
    if usage.memory_bytes > limits.agent_memory_bytes_max:
        return "limit: memory"
    is_large = usage.worktree_bytes > limits.worktree_bytes_max
    if is_large or usage.worktree_entry_count > limits.worktree_entries_max:
        return "limit: worktree"
    return None


def measure_agent(members: list[int], worktree: Path, *, limits: ContainerLimits) -> AgentUsage:
    """Look once at the agent's processes. What ends or vanishes meanwhile is not counted."""
    size_bytes, entry_count = _measure_folder(worktree, limits)
    return AgentUsage(
        process_count=len(members),
        memory_bytes=_measure_memory(members, bytes_max=limits.agent_memory_bytes_max),
        worktree_bytes=size_bytes,
        worktree_entry_count=entry_count,
    )


def _measure_memory(pids: list[int], *, bytes_max: int) -> int:
    """Resident bytes. That sum counts a page once for each process that shares it, so only where
    it is too large is the dear and exact question asked."""
    resident_bytes = sum(_resident_bytes(pid) for pid in pids)
    if resident_bytes <= bytes_max:
        return resident_bytes
    return sum(_own_bytes(pid) for pid in pids)


def _resident_bytes(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def _own_bytes(pid: int) -> int:
    """Shared pages divided among those who share them on Linux, left out elsewhere."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.uss))


def _measure_folder(folder: Path, limits: ContainerLimits) -> tuple[int, int]:
    """Bytes on the disk and number of entries; links are not followed, a file of many names
    counts once, and the walk ends where a limit is passed."""
    size_bytes = entry_count = 0
    seen: set[tuple[int, int]] = set()
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # it vanished, or the agent made it unreadable
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(facts.st_mode):
                waiting.append(entry.path)
            elif facts.st_nlink > 1:
                if (facts.st_dev, facts.st_ino) in seen:
                    continue
                seen.add((facts.st_dev, facts.st_ino))
            size_bytes += facts.st_blocks * BLOCK_BYTES
            entry_count += 1
        if size_bytes > limits.worktree_bytes_max or entry_count > limits.worktree_entries_max:
            break
    return size_bytes, entry_count
