"""Agent commands under a terminal, and the one that waits for somebody to type."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from boomtown.clock import SystemClock
from boomtown.container_sim.agent.terminal import without_escapes
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.terminal_reads import is_reading_terminal
from boomtown.limits import ContainerLimits
from support.container_orders import work_order
from support.container_world import open_container_world, with_fields

LOOK = """
import os, sys
assert all(os.isatty(number) for number in (0, 1, 2))
assert os.tcgetpgrp(os.open("/dev/tty", os.O_RDWR)) == os.getpgrp()
columns, rows = os.get_terminal_size()
open("seen.txt", "w").write(f"{rows} {columns} {sys.argv[1]}")
print("\\x1b[1;32mall\\x1b[0m is well")
"""


@pytest.mark.system
async def test_command_with_tty_has_a_controlling_terminal(tmp_path: Path) -> None:
    harnesses = {"mine": HarnessSpec(argv=(sys.executable, "-c", LOOK, "{prompt}"), tty=True)}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        order = with_fields(order, harness="mine", prompt="do it")
        said = await world.run_to_end(order)
        assert said["reason"] == "exit 0", await world.output(order.session_id)
        assert world.origin.show(order.branch, "seen.txt") == "40 120 do it"
        assert world.api.of("done")[0].body["summary"] == "all is well"


@pytest.mark.system
async def test_something_left_behind_does_not_hold_the_session(tmp_path: Path) -> None:
    script = "echo x > x; (trap '' HUP; sleep 1000) & exit 0"
    harnesses = {"mine": HarnessSpec(argv=("sh", "-c", script), tty=True)}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="mine"))
        assert said["reason"] == "exit 0"
        assert world.processes() == list(world.manager.pids().values())


@pytest.mark.system
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("import sys; print('Go on? (y/n)', flush=True); sys.stdin.read()", id="read"),
        pytest.param("import readline; input('Go on? ')", id="line-editor"),
        pytest.param("import getpass; getpass.getpass()", id="controlling-terminal"),
    ],
)
async def test_program_that_waits_for_input_is_ended(tmp_path: Path, script: str) -> None:
    harnesses = {"asking": HarnessSpec(argv=(sys.executable, "-c", script), tty=True)}
    limits = ContainerLimits(harness_input_wait_ms=300)
    async with open_container_world(tmp_path, harnesses=harnesses, limits=limits) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="asking", heartbeat_ms=50))
        assert (said["status"], said["reason"]) == ("failed", "waits for input")


@pytest.mark.system
async def test_silent_program_that_does_not_read_is_left_alone(tmp_path: Path) -> None:
    harnesses = {"quiet": HarnessSpec(argv=("sleep", "0.7"), tty=True)}
    limits = ContainerLimits(harness_input_wait_ms=100)
    async with open_container_world(tmp_path, harnesses=harnesses, limits=limits) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        said = await world.run_to_end(with_fields(order, harness="quiet", heartbeat_ms=50))
        assert said["reason"] == "exit 0"


def start_cat(standard_input: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(("cat",), stdin=standard_input, stdout=output)


async def test_sleep_in_a_read_is_told_from_other_sleeps() -> None:
    clock = SystemClock()
    master, slave = pty.openpty()
    reader, piped = start_cat(slave, slave), start_cat(subprocess.PIPE, slave)
    try:
        while not is_reading_terminal(reader.pid):  # the test's own time limit is the bound
            await clock.sleep_until_ms(clock.now_ms() + 5)
        assert not is_reading_terminal(piped.pid)
        assert not is_reading_terminal(os.getpid())
    finally:
        for process in (reader, piped):
            process.kill()
            process.communicate()
        os.close(master)
        os.close(slave)
    assert not is_reading_terminal(reader.pid)


def test_what_only_a_terminal_understands_is_taken_away() -> None:
    text = "\x1b]0;title\x07\x1b[2K\x1b[1;31mred\x1b[0m\r\nplain [x]\x1b(B\x1b="
    assert without_escapes(text) == "red\nplain [x]"
