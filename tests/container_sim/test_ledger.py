"""The ledger, and the end of what it names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from boomtown.clock import SystemClock
from boomtown.container_sim import launcher
from boomtown.container_sim.ledger import Ledger, LedgerEntry, groups_to_end, read_ledger
from boomtown.container_sim.process_groups import (
    end_groups,
    find_members,
    find_start_mark,
    instance_mark,
    session_mark,
)
from boomtown.ids import InstanceId, SessionId

SLEEPER = (sys.executable, "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()")


def spawn_sleeper(marks: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process in a group of its own that waits for the end of its input."""
    process = subprocess.Popen(
        SLEEPER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | (marks or {}),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def close(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def entry_of(pid: int, mark: str) -> LedgerEntry:
    return LedgerEntry(pid=pid, start_mark=mark, process_group=pid, session_id=SessionId("s"))


def test_entries_are_read_back_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert read_ledger(path) == []
    ledger = Ledger(path)
    entries = [entry_of(1, "a"), entry_of(2, "b")]
    for entry in entries:
        ledger.append(entry)
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"pid":3,"start_')
    assert read_ledger(path) == entries
    assert path.stat().st_mode & 0o777 == 0o600


async def test_group_of_a_matching_entry_is_ended_and_a_used_again_pid_is_spared() -> None:
    ours, stranger = spawn_sleeper(), spawn_sleeper()
    try:
        mark = find_start_mark(ours.pid)
        assert mark is not None
        other_birth = mark.rpartition(":")[0] + ":1"
        groups = groups_to_end([entry_of(ours.pid, mark), entry_of(stranger.pid, other_birth)])
        assert groups == frozenset({ours.pid})
        is_gone = await end_groups(
            groups, None, grace_ms=0, kill_wait_ms=5_000, clock=SystemClock()
        )
        assert is_gone
        assert find_start_mark(ours.pid) is None
        assert find_start_mark(stranger.pid) is not None
    finally:
        close(ours)
        close(stranger)


def test_entry_of_another_boot_names_nobody() -> None:
    ours = spawn_sleeper()
    try:
        assert groups_to_end([entry_of(ours.pid, "another-boot:1")]) == frozenset()
    finally:
        close(ours)


async def test_marked_process_outside_every_group_is_ended() -> None:
    mark = instance_mark(InstanceId("ledger-test-instance"))
    process = spawn_sleeper(mark.variables)
    try:
        assert find_members(frozenset(), mark) == [process.pid]
        assert await end_groups(
            frozenset(), mark, grace_ms=0, kill_wait_ms=5_000, clock=SystemClock()
        )
        assert process.wait() == -9
    finally:
        close(process)


def launch(parent_pid: int, go: bytes) -> tuple[bytes, subprocess.CompletedProcess[bytes]]:
    """Run the launcher with a program that says `born`; what it reported, and its end."""
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    os.write(go_write, go)
    os.close(go_write)
    command = [sys.executable, "-I", "-S", launcher.__file__]
    command += [str(ready_write), str(go_read), str(parent_pid), "echo", "born"]
    done = subprocess.run(
        command, pass_fds=(ready_write, go_read), capture_output=True, check=False
    )
    os.close(ready_write)
    os.close(go_read)
    reported = os.read(ready_read, 100)
    os.close(ready_read)
    return reported, done


def test_launcher_becomes_the_program_after_its_go() -> None:
    reported, done = launch(os.getpid(), b"g")
    assert reported.strip().isdigit()
    assert (done.returncode, done.stdout) == (0, b"born\n")


def test_launcher_starts_nothing_without_a_go_or_without_its_parent() -> None:
    reported, done = launch(os.getpid(), b"")
    assert reported.strip().isdigit()
    assert (done.returncode, done.stdout) == (1, b"")
    reported, done = launch(1, b"g")
    assert (reported, done.returncode, done.stdout) == (b"", 1, b"")


def test_session_is_told_from_one_of_the_same_id_elsewhere() -> None:
    here, there = InstanceId("ledger-test-here"), InstanceId("ledger-test-there")
    mark, other = (session_mark(instance, SessionId("s1")) for instance in (here, there))
    process = spawn_sleeper(mark.variables)
    try:
        assert find_members(frozenset(), mark) == [process.pid]
        assert find_members(frozenset(), other) == []
        assert find_members(frozenset(), session_mark(here, SessionId("s2"))) == []
    finally:
        close(process)
