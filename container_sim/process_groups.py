"""Who lives in a process group, and how a group is brought to its end.

A pid alone proves nothing: it is used again. A process is named by its pid and its start mark
(on Linux the boot's id and the ticks since that boot, elsewhere the creation time), and the
number of a group is not given to a newcomer while a member lives. Zombies count as dead: they run
nothing, and whoever owns them reaps them. Members that left their group are found by the marks
that a container puts into the environment of its children: one for all of the container, one for
all of a session. A process that both leaves its group and clears its environment is out of reach,
which the documents say.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import psutil

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import INSTANCE_VARIABLE, SESSION_VARIABLE
from boomtown.ids import InstanceId, SessionId

POLL_MS = 20  # between two looks at a group that is ending
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Mark(msgspec.Struct, frozen=True):
    """Variables that a process and all its children carry in their environment."""

    variables: dict[str, str]

    def is_on(self, environment: dict[str, str]) -> bool:
        return self.variables.items() <= environment.items()


def instance_mark(instance_id: InstanceId) -> Mark:
    """Of all processes of a container."""
    return Mark({INSTANCE_VARIABLE: instance_id})


def session_mark(instance_id: InstanceId, session_id: SessionId) -> Mark:
    """Of a session's agent and whatever it started."""
    return Mark({INSTANCE_VARIABLE: instance_id, SESSION_VARIABLE: session_id})


def find_start_mark(pid: int) -> str | None:
    """What tells this process from later ones of its pid; None when there is no such process,
    or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _portable_start_mark(pid)
    except ProcessLookupError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return f"{_BOOT_ID.read_text().strip()}:{fields[19]}"


def is_of_this_boot(start_mark: str) -> bool:
    """Whether a mark can belong to a process of the running kernel."""
    boot, colon, _ = start_mark.rpartition(":")
    return not colon or boot == _BOOT_ID.read_text().strip()


def _portable_start_mark(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None


def find_members(groups: frozenset[int], mark: Mark | None) -> list[int]:
    """The living processes of any of the groups, and those that carry the mark, sorted; never
    this process itself."""
    members: list[int] = []
    for pid in sorted(psutil.pids()):
        if pid == os.getpid():
            continue
        try:
            is_member = os.getpgid(pid) in groups
            if not is_member and mark is not None:
                is_member = mark.is_on(psutil.Process(pid).environ())
            if is_member and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue  # it ended meanwhile, or it is another user's and none of ours
    return members


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to all of a group; nothing happens when the group is empty."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # macOS answers EPERM for a group of zombies


async def end_groups(
    groups: frozenset[int],
    mark: Mark | None,
    *,
    grace_ms: int,
    kill_wait_ms: int,
    clock: Clock,
) -> bool:
    """SIGTERM to the groups, SIGKILL after `grace_ms` (0: at once) to whatever is left, marked
    processes included, and wait for the end. False: something still lives `kill_wait_ms` later,
    which only a process stuck in the kernel does."""
    if grace_ms > 0:
        for group in sorted(groups):
            signal_group(group, signal.SIGTERM)
        term_until_ms = clock.monotonic_ms() + grace_ms
        while find_members(groups, mark) and clock.monotonic_ms() < term_until_ms:
            await clock.sleep_until_ms(clock.now_ms() + POLL_MS)
    kill_until_ms = clock.monotonic_ms() + kill_wait_ms
    while members := find_members(groups, mark):
        if clock.monotonic_ms() >= kill_until_ms:
            return False
        for group in sorted(groups):
            signal_group(group, signal.SIGKILL)
        for pid in members:
            end_process(pid)
        await clock.sleep_until_ms(clock.now_ms() + POLL_MS)
    return True


def end_process(pid: int) -> None:
    """SIGKILL; nothing happens when it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
