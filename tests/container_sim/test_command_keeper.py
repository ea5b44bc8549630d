"""Nothing of a command container outlives its server, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from boomtown.clock import SystemClock
from boomtown.container_sim.command_containers import FOLDER_NAME, CommandContainers
from boomtown.container_sim.command_keeper import known_after
from boomtown.container_sim.command_model import CommandOrder, NoCapacity, TooManyStarts
from boomtown.container_sim.process_groups import find_start_mark
from boomtown.entropy import SeededEntropy
from boomtown.limits import ContainerLimits
from boomtown.testing import ManualClock
from support.processes import wait_for

TESTS = Path(__file__).parents[1]


def instances_in(folder: Path) -> list[str]:
    return os.listdir(folder / FOLDER_NAME)


class Server:
    """A process with one container, whose leader has a child in a session of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.commands_program", str(folder)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.leader, self.child, self.keeper = (int(word) for word in words)

    def kill(self) -> None:
        with self.process:
            self.process.kill()

    def living(self) -> list[int]:
        pids = (self.leader, self.child, self.keeper)
        return [pid for pid in pids if find_start_mark(pid) is not None]


@pytest.mark.system
def test_the_children_of_a_killed_server_are_ended_without_a_next_start(tmp_path: Path) -> None:
    server = Server(tmp_path)
    assert server.living() == [server.leader, server.child, server.keeper]
    server.kill()
    wait_for(lambda: server.living() == [], "leader, child and keeper end")
    assert instances_in(tmp_path) == []


@pytest.mark.system
async def test_what_a_killed_keeper_leaves_is_ended_by_the_next_start(tmp_path: Path) -> None:
    server = Server(tmp_path)
    os.kill(server.keeper, signal.SIGKILL)
    server.kill()
    wait_for(lambda: server.leader not in server.living(), "the leader ends")
    async with CommandContainers(
        tmp_path, SystemClock(), SeededEntropy(2), limits=ContainerLimits()
    ):
        assert server.living() == []
        assert instances_in(tmp_path) == []


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ([], []),
        (["+a\n", "+b\n", "-a\n"], ["b"]),
        (["-a\n", "+b\n", "+a\n"], ["b", "a"]),
        (["+a\n", "+b"], ["a"]),
    ],
    ids=["nothing", "one-is-gone", "unknown-is-gone", "cut-off"],
)
def test_an_instance_is_known_from_before_its_birth_until_it_is_gone(
    lines: list[str], known: list[str]
) -> None:
    assert known_after(lines) == known


ORDER = CommandOrder(label="Box/1", argv=(sys.executable, "-c", ""), ports=(), env={})
HANGING = (sys.executable, "-c", "import signal; signal.pause()")


async def test_a_killed_keeper_is_replaced_with_the_next_start(tmp_path: Path) -> None:
    async with CommandContainers(
        tmp_path, SystemClock(), SeededEntropy(1), limits=ContainerLimits()
    ) as commands:
        assert commands.keeper_pid is None
        first = await commands.start(ORDER)
        keeper = commands.keeper_pid
        assert keeper is not None
        os.kill(keeper, signal.SIGKILL)
        assert await first.wait_gone() == 0
        wait_for(lambda: find_start_mark(keeper) is None, "the keeper ends")
        while commands.keeper_pid == keeper:
            await (await commands.start(ORDER)).wait_gone()


async def test_more_containers_than_the_bound_are_refused_until_one_has_ended(
    tmp_path: Path,
) -> None:
    limits = ContainerLimits(commands_max=1)
    async with CommandContainers(
        tmp_path, SystemClock(), SeededEntropy(1), limits=limits
    ) as commands:
        container = await commands.start(
            CommandOrder(label="Box/1", argv=HANGING, ports=(), env={})
        )
        with pytest.raises(NoCapacity, match="1 containers run"):
            await commands.start(ORDER)
        container.kill()
        await container.wait_gone()
        await (await commands.start(ORDER)).wait_gone()


async def test_more_starts_than_the_bound_are_refused_until_the_span_is_over(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    limits = ContainerLimits(command_starts_max=1, command_starts_span_ms=5_000)
    async with CommandContainers(tmp_path, clock, SeededEntropy(1), limits=limits) as commands:
        await (await commands.start(ORDER)).wait_gone()
        await clock.advance_ms(4_999)
        with pytest.raises(TooManyStarts, match="1 containers were started within 5000 ms"):
            await commands.start(ORDER)
        await clock.advance_ms(1)
        await (await commands.start(ORDER)).wait_gone()
